"""ConsentService over real gRPC with mutual TLS: what callers see, and the errors they get."""

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

import pytest
from assent.consent.v1 import consent_pb2
from assent.consent.v1 import consent_service_pb2 as consent
from assent.meeting.v1 import meeting_pb2
from google.protobuf.duration_pb2 import Duration

from chassis.errors import FailedPrecondition, InvalidArgument, NotFound
from tests.consent.calls import create, open_meeting, refused
from tests.consent.cases import ANA, BEN, HOUR, NINE, TEN, Clock, session
from tests.consent.conftest import Store

if TYPE_CHECKING:  # only the stubs' types know them
    from assent.consent.v1.consent_service_pb2_grpc import ConsentServiceAsyncStub
    from assent.meeting.v1.meeting_service_pb2_grpc import MeetingServiceAsyncStub


def answer(
    who: str, said: "consent_pb2.Answer.ValueType", request_id: str = "r-1", **more: Any
) -> consent.SubmitAnswerRequest:
    named = {"meeting_id": "m-1", "participant_id": who, "request_id": request_id, **more}
    return consent.SubmitAnswerRequest(**named, answer=said)


async def test_an_answer_its_history_and_the_verdict(
    rooms: "MeetingServiceAsyncStub", answers: "ConsentServiceAsyncStub"
) -> None:
    await create(rooms)
    await open_meeting(rooms)
    granted = answer(ANA, consent_pb2.ANSWER_GRANTED, notice_version="2026-01", language="de")
    recorded = (await answers.SubmitAnswer(granted)).answer
    assert (recorded.revision, recorded.answer, recorded.language) == (1, consent_pb2.ANSWER_GRANTED, "de")
    await answers.SubmitAnswer(answer(BEN, consent_pb2.ANSWER_DENIED))
    mine = await answers.GetConsent(consent.GetConsentRequest(meeting_id="m-1", participant_id=ANA))
    assert mine.answer == recorded
    # The one who opened has not answered; the two who answered had not opened.
    assert mine.counts == consent_pb2.Counts(present=3, granted=1, denied=1, unanswered=1)
    assert not (await answers.GetConsent(consent.GetConsentRequest(meeting_id="m-1"))).HasField("answer")
    history = (await answers.ListHistory(consent.ListHistoryRequest(meeting_id="m-1"))).entries
    assert [entry.revision for entry in history] == [1, 2]
    assert history[1].previous_hash == history[0].hash
    verdict = (await answers.GetVerdict(consent.GetVerdictRequest(meeting_ids=["m-1", "m-1"]))).verdict
    assert (verdict.decision, verdict.reason) == (
        consent_pb2.DECISION_DELETE, consent_pb2.VERDICT_REASON_SOMEBODY_REFUSED,
    )  # fmt: skip
    at = consent_pb2.Revision(meeting_id="m-1", revision=2)
    assert (list(verdict.refusals), list(verdict.rests_on)) == ([at], [at])


async def test_the_strict_policy_waits_and_says_until_when(
    rooms: "MeetingServiceAsyncStub", answers: "ConsentServiceAsyncStub", store: Store, clock: Clock
) -> None:
    strict = meeting_pb2.CONSENT_POLICY_KEEP_IF_ALL_GRANTED
    await create(rooms, consent_policy=strict, consent_deadline=Duration(seconds=3600))
    await open_meeting(rooms)
    await store.presence.record(session(TEN, started=False))
    asked = consent.GetVerdictRequest(meeting_ids=["m-1"])
    verdict = (await answers.GetVerdict(asked)).verdict
    assert verdict.decision == consent_pb2.DECISION_WAIT
    assert verdict.decide_at.ToDatetime(tzinfo=NINE.tzinfo) == TEN + HOUR
    clock.now = TEN + HOUR
    verdict = (await answers.GetVerdict(asked)).verdict
    assert verdict.reason == consent_pb2.VERDICT_REASON_UNANSWERED_AT_DEADLINE


async def test_c2_an_answer_from_before_the_one_that_stands_is_refused(
    rooms: "MeetingServiceAsyncStub", answers: "ConsentServiceAsyncStub"
) -> None:
    await create(rooms)
    await open_meeting(rooms)
    await answers.SubmitAnswer(answer(ANA, consent_pb2.ANSWER_DENIED, "newer"))
    late = answer(ANA, consent_pb2.ANSWER_GRANTED, "older", known_revision=0)
    assert await refused(answers.SubmitAnswer(late), FailedPrecondition) == "ANSWER_CHANGED"
    await answers.SubmitAnswer(answer(ANA, consent_pb2.ANSWER_GRANTED, "meant", known_revision=1))


async def test_history_comes_page_by_page(rooms: "MeetingServiceAsyncStub", answers: "ConsentServiceAsyncStub") -> None:
    await create(rooms)
    await open_meeting(rooms)
    for n in range(5):
        await answers.SubmitAnswer(answer(ANA, consent_pb2.ANSWER_GRANTED, f"r-{n}"))
    seen, token = [], ""
    for _ in range(3):
        page = await answers.ListHistory(consent.ListHistoryRequest(meeting_id="m-1", page_size=2, page_token=token))
        seen += [entry.revision for entry in page.entries]
        token = page.next_page_token
    assert (seen, token) == ([1, 2, 3, 4, 5], "")


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (answer(ANA, consent_pb2.ANSWER_UNSPECIFIED), "ANSWER_MISSING"),
        (answer("", consent_pb2.ANSWER_GRANTED), "PARTICIPANT_ID_INVALID"),
        (answer("Ana María", consent_pb2.ANSWER_GRANTED), "PARTICIPANT_ID_INVALID"),
        (answer(ANA, consent_pb2.ANSWER_GRANTED, ""), "REQUEST_ID_INVALID"),
        (answer(ANA, consent_pb2.ANSWER_GRANTED, "r" * 201), "REQUEST_ID_INVALID"),
        (answer(ANA, consent_pb2.ANSWER_GRANTED, "r\0"), "REQUEST_ID_INVALID"),
        (answer(ANA, consent_pb2.ANSWER_GRANTED, language="x" * 36), "LANGUAGE_INVALID"),
        (answer(ANA, consent_pb2.ANSWER_GRANTED, notice_version="x" * 101), "NOTICE_VERSION_INVALID"),
        (answer(ANA, consent_pb2.ANSWER_GRANTED, known_revision=-1), "KNOWN_REVISION_INVALID"),
    ],
)
async def test_answers_that_cannot_be(
    rooms: "MeetingServiceAsyncStub",
    answers: "ConsentServiceAsyncStub",
    request_: consent.SubmitAnswerRequest,
    reason: str,
) -> None:
    await create(rooms)
    await open_meeting(rooms)
    assert await refused(answers.SubmitAnswer(request_), InvalidArgument) == reason
    assert not (await answers.ListHistory(consent.ListHistoryRequest(meeting_id="m-1"))).entries


async def test_questions_about_meetings_that_are_not_known(answers: "ConsentServiceAsyncStub") -> None:
    calls: list[Awaitable[object]] = [
        answers.SubmitAnswer(answer(ANA, consent_pb2.ANSWER_GRANTED)),
        answers.GetConsent(consent.GetConsentRequest(meeting_id="m-1", participant_id=ANA)),
        answers.ListHistory(consent.ListHistoryRequest(meeting_id="m-1")),
        answers.GetVerdict(consent.GetVerdictRequest(meeting_ids=["m-1"])),
    ]
    for call in calls:
        assert await refused(call, NotFound) == "MEETING_NOT_FOUND"
    none = answers.GetVerdict(consent.GetVerdictRequest())
    assert await refused(none, InvalidArgument) == "MEETING_IDS_MISSING"
