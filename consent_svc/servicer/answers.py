"""Serves answers, how a meeting stands, and the verdict."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import structlog
from assent.consent.v1 import consent_service_pb2 as rpc
from assent.consent.v1.consent_service_pb2_grpc import ConsentServiceServicer

from chassis.errors import InvalidArgument, ServiceError, internal
from chassis.server import LONGEST_CALL
from chassis.telemetry import continued
from consent_svc.domain.answers import Answers, Submission
from consent_svc.domain.presence import is_participant_id
from consent_svc.domain.standings import Standings
from consent_svc.domain.verdict import decide
from consent_svc.servicer.answer_stream import AnswerStream
from consent_svc.servicer.messages import ANSWERS, answer_message, counts_message, verdict_message

log = structlog.get_logger()
Context = grpc.aio.ServicerContext[Any, Any]

LONGEST = {"request_id": 200, "notice_version": 100, "language": 35, "fingerprint_hash": 200}


class AnswerCalls(ConsentServiceServicer):
    """The calls about answers and what they come to."""

    def __init__(
        self, answers: Answers, standings: Standings, now: Callable[[], datetime], ending: asyncio.Event
    ) -> None:
        self._answers = answers
        self._standings = standings
        self._now = now
        self._ending = ending

    async def SubmitAnswer(self, request: rpc.SubmitAnswerRequest, context: Context) -> rpc.SubmitAnswerResponse:
        remaining, now = context.time_remaining(), self._now()
        not_after = None if remaining is None else now + timedelta(seconds=min(remaining, LONGEST_CALL))
        recorded = await self._answers.submit(replace(_submission(request), not_after=not_after), now)
        log.info("answer_committed", meeting_id=recorded.meeting_id, revision=recorded.revision)
        return rpc.SubmitAnswerResponse(answer=answer_message(recorded))

    async def SubmitAnswers(
        self, requests: AsyncIterator[rpc.SubmitAnswersRequest], context: Context
    ) -> AsyncIterator[rpc.SubmitAnswersResponse]:
        stream = AnswerStream(requests, self._settled)
        async for response in stream.responses(self._ending):
            refused = sum(outcome.HasField("refusal") for outcome in response.outcomes)
            log.info("answers_committed", count=len(response.outcomes) - refused, refused=refused)
            yield response

    async def _settled(self, pending: rpc.PendingAnswer) -> rpc.AnswerOutcome:
        try:
            submission = _submission(pending.answer)
            if pending.HasField("not_after"):
                submission = replace(submission, not_after=pending.not_after.ToDatetime(UTC))
            with continued(pending.traceparent):
                recorded = await self._answers.submit(submission, self._now())
        except ServiceError as error:
            return _refused(pending.number, error)
        except Exception as error:
            log.error("answer_failed", meeting_id=pending.answer.meeting_id, exc_info=error)
            return _refused(pending.number, internal())
        return rpc.AnswerOutcome(number=pending.number, recorded=answer_message(recorded))

    async def GetConsent(self, request: rpc.GetConsentRequest, context: Context) -> rpc.GetConsentResponse:
        counts = await self._standings.counts(request.meeting_id)
        response = rpc.GetConsentResponse(counts=counts_message(counts))
        if request.participant_id:
            answer = await self._answers.of_participant(request.meeting_id, request.participant_id)
            if answer:
                response.answer.CopyFrom(answer_message(answer))
        return response

    async def GetVerdict(self, request: rpc.GetVerdictRequest, context: Context) -> rpc.GetVerdictResponse:
        meeting_ids = list(dict.fromkeys(request.meeting_ids))
        if not meeting_ids:
            raise InvalidArgument("name the recording's meetings: at least one", reason="MEETING_IDS_MISSING")
        verdict = decide(await self._standings.standings(meeting_ids), self._now())
        log.debug("verdict_given", meeting_ids=meeting_ids, decision=verdict.decision.name, reason=verdict.reason.name)
        return rpc.GetVerdictResponse(verdict=verdict_message(verdict))


def _refused(number: int, error: ServiceError) -> rpc.AnswerOutcome:
    refusal = rpc.Refusal(code=error.code.value[0], reason=error.reason, message=error.message)
    return rpc.AnswerOutcome(number=number, refusal=refusal)


def _submission(request: rpc.SubmitAnswerRequest) -> Submission:
    answer = ANSWERS.get(request.answer)
    if answer is None:
        raise InvalidArgument("answer must be granted or denied", reason="ANSWER_MISSING")
    if not is_participant_id(request.participant_id):
        raise InvalidArgument("a participant id is 1 to 36 of A-Z, a-z, 0-9, _ and -", reason="PARTICIPANT_ID_INVALID")
    if not request.request_id:
        raise InvalidArgument("request_id is missing: make one for each press of a button", reason="REQUEST_ID_INVALID")
    if request.known_revision < 0:
        raise InvalidArgument("known_revision is 0 or an answer's revision", reason="KNOWN_REVISION_INVALID")
    for field, longest in LONGEST.items():
        if len(getattr(request, field)) > longest or "\0" in getattr(request, field):
            raise InvalidArgument(f"{field} is at most {longest} characters", reason=f"{field.upper()}_INVALID")
    return Submission(
        meeting_id=request.meeting_id,
        participant_id=request.participant_id,
        answer=answer,
        request_id=request.request_id,
        notice_version=request.notice_version,
        language=request.language,
        fingerprint_hash=request.fingerprint_hash,
        presence_required=request.presence_required,
        known_revision=request.known_revision if request.HasField("known_revision") else None,
    )
