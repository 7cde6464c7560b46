"""Asks consent_svc which meetings a recording belongs to and what their answers come to.

Whatever is not a clear answer becomes a silence with a reason, on which nothing is erased or handed out.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import structlog
from assent.consent.v1 import consent_pb2, consent_service_pb2
from assent.meeting.v1 import meeting_service_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.channel import UNREADABLE
from chassis.errors import InvalidArgument, NotFound, ServiceError
from recording_svc.domain.recordings import Match, Revision
from recording_svc.domain.settling import Decision, Opinion, Verdict
from recording_svc.matching import standing

if TYPE_CHECKING:
    from assent.consent.v1.consent_service_pb2_grpc import ConsentServiceAsyncStub
    from assent.meeting.v1.meeting_service_pb2_grpc import MeetingServiceAsyncStub

log = structlog.get_logger()

UNREACHABLE, MALFORMED = "CONSENT_UNREACHABLE", "CONSENT_MALFORMED"
"""Why it is silent."""
_ASKED_AGAIN_SECONDS = 1.0
_Question = Callable[[], Awaitable[Opinion]]

_DECISIONS = {
    consent_pb2.DECISION_KEEP: Decision.KEEP,
    consent_pb2.DECISION_DELETE: Decision.DELETE,
    consent_pb2.DECISION_WAIT: Decision.WAIT,
}
_REASONS = {
    Decision.KEEP: {consent_pb2.VERDICT_REASON_NOBODY_REFUSED, consent_pb2.VERDICT_REASON_ALL_GRANTED},
    Decision.DELETE: {
        consent_pb2.VERDICT_REASON_SOMEBODY_REFUSED,
        consent_pb2.VERDICT_REASON_UNANSWERED_AT_DEADLINE,
    },
    Decision.WAIT: {consent_pb2.VERDICT_REASON_ANSWERS_AWAITED},
}


class MalformedError(Exception):
    """consent_svc answered something that cannot be acted upon."""


class Consent:
    """consent_svc, as far as a recording's fate depends on it.

    While it is away one question at a time waits for it, and not those of every recording.
    """

    def __init__(self, meetings: "MeetingServiceAsyncStub", answers: "ConsentServiceAsyncStub") -> None:
        self._meetings = meetings
        self._answers = answers
        self._is_away = False
        self._waiting = 0
        self._unanswered: _Question | None = None
        self._is_silent = asyncio.Event()

    async def match(self, object_key: str, duration_ms: int | None, known: Match) -> Opinion:
        """Which meetings a recording belongs to; no verdict. What an operator named counts where it knows none."""
        return await self._answer(partial(self._matched, object_key, duration_ms, known))

    async def ask(self, object_key: str, duration_ms: int | None, known: Match) -> Opinion:
        """The meetings, and the verdict over their answers at this moment."""
        return await self._answer(partial(self._judged, object_key, duration_ms, known))

    async def watch(self, returned: Callable[[], None], pause: float = _ASKED_AGAIN_SECONDS) -> None:
        """Repeat the last question that got no answer, every `pause` seconds, and tell when it gets one."""
        while True:
            await self._is_silent.wait()
            question = self._unanswered
            # Another may have found it silent meanwhile.
            if question and not (await self._answer(question)).silence and question is self._unanswered:
                self._is_silent.clear()
                log.info("consent_answers_again")
                returned()
            await asyncio.sleep(pause)

    async def _answer(self, question: _Question) -> Opinion:
        if self._is_away and self._waiting:
            return Opinion(silence=UNREACHABLE)
        self._waiting += 1
        try:
            opinion = await question()
        finally:
            self._waiting -= 1
        self._is_away = opinion.silence == UNREACHABLE
        if opinion.silence:
            self._unanswered = question
            self._is_silent.set()
        return opinion

    async def _matched(self, object_key: str, duration_ms: int | None, known: Match) -> Opinion:
        return standing(await self._said(object_key, duration_ms), known)

    async def _said(self, object_key: str, duration_ms: int | None) -> Opinion:
        try:
            return Opinion(await self._match(object_key, duration_ms))
        except InvalidArgument as error:
            if error.reason == "OBJECT_KEY_UNREADABLE":
                return Opinion(Match(), unmatched_reason=error.reason)
            return _silent(error, object_key)
        except (ServiceError, MalformedError) as error:
            return _silent(error, object_key)

    async def _judged(self, object_key: str, duration_ms: int | None, known: Match) -> Opinion:
        matched = await self._matched(object_key, duration_ms, known)
        if matched.silence or matched.match is None or not matched.match.meeting_ids:
            return matched
        try:
            return Opinion(matched.match, await self._verdict(matched.match.meeting_ids))
        except (ServiceError, MalformedError) as error:
            return Opinion(matched.match, silence=_silent(error, object_key).silence)

    async def _match(self, object_key: str, duration_ms: int | None) -> Match:
        request = meeting_service_pb2.MatchRecordingRequest(object_key=object_key)
        if duration_ms is not None:
            duration = Duration()
            duration.FromMilliseconds(duration_ms)
            request.duration.CopyFrom(duration)
        reply = await self._meetings.MatchRecording(request)
        if not all(reply.meeting_ids):
            raise MalformedError("a meeting without an id")
        if not reply.HasField("recorded_at"):
            raise MalformedError("no start of the recording")
        retention = reply.retention_days if reply.HasField("retention_days") else None
        if retention is not None and retention < 0:
            raise MalformedError(f"a retention of {retention} days")
        meetings = tuple(sorted(set(reply.meeting_ids)))
        return Match(meetings, reply.owner_id, _moment(reply.recorded_at), retention)

    async def _verdict(self, meeting_ids: Sequence[str]) -> Verdict:
        request = consent_service_pb2.GetVerdictRequest(meeting_ids=meeting_ids)
        reply = await self._answers.GetVerdict(request)
        return to_verdict(reply.verdict, meeting_ids)


def to_verdict(said: consent_pb2.Verdict, meeting_ids: Sequence[str]) -> Verdict:
    """The verdict that was given about these meetings.

    Raises:
        MalformedError: it lacks what it must rest on, or speaks of other meetings.
    """
    decision = _DECISIONS.get(said.decision)
    if decision is None or said.reason not in _REASONS[decision]:
        raise MalformedError(f"decision {said.decision} for reason {said.reason}")
    refusals, rests_on = _revisions(said.refusals), _revisions(said.rests_on)
    if not {one.meeting_id for one in (*refusals, *rests_on)} <= set(meeting_ids):
        raise MalformedError("it rests on meetings that nobody asked about")
    refused = said.reason == consent_pb2.VERDICT_REASON_SOMEBODY_REFUSED
    if refused != bool(refusals) or any(one.revision < 1 for one in refusals):
        raise MalformedError("its reason and its refusals do not agree")
    decide_at = _moment(said.decide_at) if said.HasField("decide_at") else None
    if said.reason == consent_pb2.VERDICT_REASON_UNANSWERED_AT_DEADLINE and decide_at is None:
        raise MalformedError("a deadline without its time")
    reason = consent_pb2.VerdictReason.Name(said.reason).removeprefix("VERDICT_REASON_")
    return Verdict(decision, reason, refusals, rests_on, decide_at)


def _silent(error: Exception, object_key: str) -> Opinion:
    # An unknown meeting is a contradiction too: consent_svc named it itself a moment ago.
    nonsense = isinstance(error, MalformedError | NotFound) or getattr(error, "reason", "") == UNREADABLE
    reason = MALFORMED if nonsense else UNREACHABLE
    log.warning("consent_silent", reason=reason, object_key=object_key, error=f"{type(error).__name__}: {error}")
    return Opinion(silence=reason)


def _revisions(said: Sequence[consent_pb2.Revision]) -> tuple[Revision, ...]:
    return tuple(Revision(one.meeting_id, one.revision) for one in said)


def _moment(stamp: Timestamp) -> datetime:
    try:
        return stamp.ToDatetime(UTC)
    except (ValueError, OverflowError) as error:
        raise MalformedError(f"a time that is none: {error}") from error
