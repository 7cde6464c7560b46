"""Receipts over real gRPC: signed, one's own, on the words and terms of their time."""

import hashlib
import json
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from assent.consent.v1 import consent_pb2
from assent.consent.v1 import consent_service_pb2 as rpc
from assent.meeting.v1 import meeting_service_pb2 as meetings

from chassis.errors import FailedPrecondition, InvalidArgument, NotFound
from consent_svc.receipts import RECEIPT_TYPE
from consent_svc.signing import verify
from tests.consent.calls import create, open_meeting, refused
from tests.consent.cases import ANA, BEN, OWNER, TEN, Clock
from tests.consent.conftest import TERMS
from tests.consent.histories import KEY

if TYPE_CHECKING:  # only the stubs' types know them
    from assent.consent.v1.consent_service_pb2_grpc import ConsentServiceAsyncStub
    from assent.meeting.v1.meeting_service_pb2_grpc import MeetingServiceAsyncStub

LINK = "https://assent.example.org/consent/a-token"
GRANTED, DENIED = consent_pb2.ANSWER_GRANTED, consent_pb2.ANSWER_DENIED
PUBLIC_KEY = KEY.public_key()
WORDS = '{"title":"Darf der Ton gespeichert werden? Ä"}'


def receipt_request(who: str = ANA, revision: int = 0, link: str = LINK) -> rpc.GetReceiptRequest:
    return rpc.GetReceiptRequest(meeting_id="m-1", participant_id=who, revision=revision, change_url=link)


def notice(wording: str = WORDS, version: str = "2026-01", language: str = "de") -> consent_pb2.Notice:
    return consent_pb2.Notice(version=version, language=language, wording=wording)


async def receipt(answers: "ConsentServiceAsyncStub", *asked: Any) -> dict[str, Any]:
    """What the signature holds."""
    payload = verify((await answers.GetReceipt(receipt_request(*asked))).jws, PUBLIC_KEY, RECEIPT_TYPE)
    found: dict[str, Any] = json.loads(payload)
    return found


@pytest.fixture
async def told(rooms: "MeetingServiceAsyncStub", answers: "ConsentServiceAsyncStub") -> "ConsentServiceAsyncStub":
    """Ana grants, Ben denies, Ana denies; all were asked in German."""
    await create(rooms, retention_days=30)
    await open_meeting(rooms)
    for n, (who, said) in enumerate([(ANA, GRANTED), (BEN, DENIED), (ANA, DENIED)]):
        asked = rpc.SubmitAnswerRequest(meeting_id="m-1", participant_id=who, answer=said, request_id=f"r-{n}")
        asked.notice_version, asked.language = "2026-01", "de"
        await answers.SubmitAnswer(asked)
    return answers


async def test_every_answer_has_its_receipt(told: "ConsentServiceAsyncStub") -> None:
    asked = [(ANA, 1), (BEN, 2), (ANA, 3)]
    found = [await receipt(told, *one) for one in asked]
    assert [one["event"]["event_state"] for one in found] == ["given", "refused", "withdrawn"]
    assert [one["event"]["revision"] for one in found] == [1, 2, 3]
    history = (await told.ListHistory(rpc.ListHistoryRequest(meeting_id="m-1"))).entries
    assert [one["event"]["hash"] for one in found] == [entry.hash for entry in history]
    assert [one["pii_principal_id"] for one in found] == [entry.participant_digest for entry in history]
    mine = (await told.GetConsent(rpc.GetConsentRequest(meeting_id="m-1", participant_id=ANA))).answer
    assert (await receipt(told))["record_id"] == mine.consent_id == found[2]["record_id"]


async def test_a_receipt_rests_on_the_terms_the_words_and_the_room(told: "ConsentServiceAsyncStub") -> None:
    [kept] = (await told.RegisterNotices(rpc.RegisterNoticesRequest(notices=[notice()]))).notices
    found = await receipt(told)
    assert found["terms_hash"] == TERMS.hash
    assert found["pii_processing"]["privacy_notice"]["hash"] == kept.hash == hashlib.sha256(WORDS.encode()).hexdigest()
    assert found["pii_processing"]["withdrawal_method"]["url"] == LINK
    assert found["pii_processing"]["retention_period"]["days_set_for_the_room"] == 30
    shown = (await told.GetNotice(rpc.GetNoticeRequest(hash=kept.hash))).notice
    assert (shown.wording, shown.version, shown.language) == (WORDS, "2026-01", "de")


async def test_the_same_receipt_is_the_same_to_the_byte(told: "ConsentServiceAsyncStub", clock: Clock) -> None:
    first = (await told.GetReceipt(receipt_request())).jws
    clock.now = TEN
    assert (await told.GetReceipt(receipt_request(revision=3))).jws == first
    assert (await told.GetReceipt(receipt_request(link=f"{LINK}2"))).jws != first


async def test_a_receipt_outlives_its_room(rooms: "MeetingServiceAsyncStub", told: "ConsentServiceAsyncStub") -> None:
    first = (await told.GetReceipt(receipt_request())).jws
    await rooms.DeleteRoom(meetings.DeleteRoomRequest(name="standup", owner_id=OWNER))
    assert (await told.GetReceipt(receipt_request())).jws == first


async def test_c4_nobody_gets_anothers_receipt(told: "ConsentServiceAsyncStub") -> None:
    for asked in (receipt_request(BEN, 1), receipt_request(ANA, 2), receipt_request("nobody"), receipt_request(ANA, 9)):
        assert await refused(told.GetReceipt(asked), NotFound) == "ANSWER_NOT_FOUND"
    unknown = rpc.GetReceiptRequest(meeting_id="m-9", participant_id=ANA)
    assert await refused(told.GetReceipt(unknown), NotFound) == "MEETING_NOT_FOUND"


@pytest.mark.parametrize("link", ["ftp://x", "javascript:alert(1)", "https://a\nb", "https://" + "x" * 4000, "text"])
async def test_what_is_no_link_is_not_signed(told: "ConsentServiceAsyncStub", link: str) -> None:
    assert await refused(told.GetReceipt(receipt_request(link=link)), InvalidArgument) == "CHANGE_URL_INVALID"


async def test_a_receipt_can_do_without_a_link(told: "ConsentServiceAsyncStub") -> None:
    assert "url" not in (await receipt(told, ANA, 0, ""))["pii_processing"]["withdrawal_method"]


async def test_the_listed_key_is_the_one_that_signs(told: "ConsentServiceAsyncStub") -> None:
    [listed] = (await told.ListSigningKeys(rpc.ListSigningKeysRequest())).keys
    jws = (await told.GetReceipt(receipt_request())).jws
    assert jwt.get_unverified_header(jws) == {
        "alg": "EdDSA", "kid": json.loads(listed)["kid"], "typ": "assent-receipt+jws"
    }  # fmt: skip
    assert jwt.api_jws.decode(jws, jwt.PyJWK(json.loads(listed)), algorithms=["EdDSA"])
    assert "d" not in json.loads(listed)


async def test_a_changed_wording_needs_a_new_version(answers: "ConsentServiceAsyncStub") -> None:
    register = answers.RegisterNotices
    first = await register(rpc.RegisterNoticesRequest(notices=[notice(), notice("Hi", language="en")]))
    assert await register(rpc.RegisterNoticesRequest(notices=[notice(), notice("Hi", language="en")])) == first
    changed = rpc.RegisterNoticesRequest(notices=[notice("other", version="2026-02"), notice("other")])
    assert await refused(register(changed), FailedPrecondition) == "NOTICE_CHANGED"
    assert (await register(rpc.RegisterNoticesRequest(notices=[notice("other", "2026-02")]))).notices[0].hash


async def test_a_hash_that_is_sent_is_not_believed(answers: "ConsentServiceAsyncStub") -> None:
    lying = notice()
    lying.hash = "0" * 64
    [kept] = (await answers.RegisterNotices(rpc.RegisterNoticesRequest(notices=[lying]))).notices
    assert kept.hash == hashlib.sha256(WORDS.encode()).hexdigest()
    asked = rpc.GetNoticeRequest(hash="0" * 64)
    assert await refused(answers.GetNotice(asked), NotFound) == "NOTICE_NOT_FOUND"


@pytest.mark.parametrize(
    "notices",
    [
        [notice("")],
        [notice(version="")],
        [notice(language="")],
        [notice(version="x" * 101)],
        [notice(language="x" * 36)],
        [notice("é" * (32 * 1024) + "x")],
        [notice(version=str(n)) for n in range(101)],
    ],
    ids=["no words", "no version", "no language", "version", "language", "words", "many"],
)
async def test_notices_that_cannot_be(answers: "ConsentServiceAsyncStub", notices: list[consent_pb2.Notice]) -> None:
    call = answers.RegisterNotices(rpc.RegisterNoticesRequest(notices=notices))
    assert await refused(call, InvalidArgument) == "NOTICES_INVALID"


async def test_notices_as_large_as_they_may_be(answers: "ConsentServiceAsyncStub") -> None:
    largest = [notice("é" * (32 * 1024), f"{n:0>100}", "x" * 35) for n in range(100)]
    kept = (await answers.RegisterNotices(rpc.RegisterNoticesRequest(notices=largest))).notices
    assert [one.version for one in kept] == [one.version for one in largest]
