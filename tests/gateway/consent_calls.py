"""consent_svc's calls about answers, in memory."""

from typing import Any

from assent.consent.v1 import consent_pb2
from assent.consent.v1 import consent_service_pb2 as consent_rpc

from chassis.errors import FailedPrecondition, NotFound, ServiceError
from tests.gateway.backend import Backend, Context
from tests.gateway.history_calls import HistoryCalls
from tests.gateway.receipt_calls import ReceiptCalls


class Consents(ReceiptCalls, HistoryCalls):
    """Answers."""

    def __init__(self, backend: Backend) -> None:
        self._b = backend

    async def SubmitAnswer(self, request: consent_rpc.SubmitAnswerRequest, context: Context) -> Any:
        await self._b.consent_runs.wait()
        self._b.meeting(request.meeting_id)
        if request.presence_required and request.participant_id not in self._b.people[request.meeting_id]:
            raise NotFound("no such meeting", reason="MEETING_NOT_FOUND")
        key = (request.meeting_id, request.participant_id, request.request_id)
        if key not in self._b.requests:
            mine = [one.revision for one in self._b.answers[request.meeting_id] if one.participant_id == key[1]]
            if request.HasField("known_revision") and max(mine, default=0) > request.known_revision:
                raise FailedPrecondition("a newer answer stands", reason="ANSWER_CHANGED")
            self._b.fingerprints.append(request.fingerprint_hash)
            history = self._b.answers[request.meeting_id]
            answer = consent_pb2.RecordedAnswer(
                consent_id=f"c{next(self._b.numbers)}",
                meeting_id=request.meeting_id,
                participant_id=request.participant_id,
                answer=request.answer,
                revision=len(history) + 1,
                notice_version=request.notice_version,
                language=request.language,
            )
            answer.answered_at.GetCurrentTime()
            history.append(answer)
            self._b.people[request.meeting_id].add(request.participant_id)
            self._b.requests[key] = answer
        return consent_rpc.SubmitAnswerResponse(answer=self._b.requests[key])

    async def SubmitAnswers(self, requests: Any, context: Context) -> Any:
        async for request in requests:
            outcomes = [await self._settled(pending, context) for pending in request.answers]
            yield consent_rpc.SubmitAnswersResponse(outcomes=outcomes)

    async def _settled(self, pending: consent_rpc.PendingAnswer, context: Context) -> consent_rpc.AnswerOutcome:
        try:
            recorded = (await self.SubmitAnswer(pending.answer, context)).answer
        except ServiceError as error:
            refusal = consent_rpc.Refusal(code=error.code.value[0], reason=error.reason, message=error.message)
            return consent_rpc.AnswerOutcome(number=pending.number, refusal=refusal)
        return consent_rpc.AnswerOutcome(number=pending.number, recorded=recorded)

    async def GetConsent(self, request: consent_rpc.GetConsentRequest, context: Context) -> Any:
        await self._b.consent_runs.wait()
        self._b.meeting(request.meeting_id)
        current = {answer.participant_id: answer for answer in self._b.answers[request.meeting_id]}
        said = [answer.answer for answer in current.values()]
        present = len(self._b.people[request.meeting_id])
        counts = consent_pb2.Counts(
            present=present,
            granted=said.count(consent_pb2.ANSWER_GRANTED),
            denied=said.count(consent_pb2.ANSWER_DENIED),
            unanswered=present - len(said),
        )
        return consent_rpc.GetConsentResponse(answer=current.get(request.participant_id), counts=counts)
