"""consent_svc's calls about the history, in memory: the real chain and the real export over the backend's answers."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import grpc
from assent.consent.v1 import consent_pb2
from assent.consent.v1 import consent_service_pb2 as rpc
from assent.consent.v1.consent_service_pb2_grpc import ConsentServiceServicer

from consent_svc.domain.answers import HistoryEnd, HistoryEntry, Submission
from consent_svc.domain.verdict import Answer
from consent_svc.history import GENESIS, next_entry, participant_digest
from consent_svc.history.chain import line_of
from consent_svc.history.reading import exported, verified
from consent_svc.servicer.messages import entry_message
from consent_svc.signing import Signer
from tests.consent.histories import FixedHashes, FixedHistory

if TYPE_CHECKING:
    from tests.gateway.backend import Backend

Context = grpc.aio.ServicerContext[Any, Any]


class HistoryCalls(ConsentServiceServicer):
    """Chains and signs what the backend knows."""

    _b: "Backend"

    async def ListHistory(self, request: rpc.ListHistoryRequest, context: Context) -> Any:
        self._b.meeting(request.meeting_id)
        return rpc.ListHistoryResponse(entries=[entry_message(entry) for entry in self._entries(request.meeting_id)])

    async def VerifyHistory(self, request: rpc.VerifyHistoryRequest, context: Context) -> Any:
        self._b.meeting(request.meeting_id)
        found = await verified(self._history(request.meeting_id), request.meeting_id)
        fault = self._b.history_faults.get(request.meeting_id)
        return rpc.VerifyHistoryResponse(entries=found.entries, head_hash=found.head_hash, fault=fault)

    async def ExportHistory(self, request: rpc.ExportHistoryRequest, context: Context) -> AsyncIterator[Any]:
        self._b.meeting(request.meeting_id)
        signer, now = Signer(self._b.receipt_key), datetime.now(UTC)
        hashes = FixedHashes({key: notice.hash for key, notice in self._b.notices.items()})
        async for lines in exported(self._history(request.meeting_id), hashes, request.meeting_id, signer, now):
            if lines.startswith('{"head"') and request.meeting_id in self._b.interruptions:
                raise self._b.interruptions[request.meeting_id]
            yield rpc.ExportHistoryResponse(lines=lines)

    async def ListSigningKeys(self, request: rpc.ListSigningKeysRequest, context: Context) -> Any:
        return rpc.ListSigningKeysResponse(keys=[Signer(self._b.receipt_key).public_jwk()])

    def _history(self, meeting_id: str) -> FixedHistory:
        lines = [line_of(entry) for entry in self._entries(meeting_id)]
        head_hash = lines[-1]["hash"] if lines else GENESIS
        return FixedHistory(lines, HistoryEnd(meeting_id, len(lines), head_hash, len(lines)))

    def _entries(self, meeting_id: str) -> list[HistoryEntry]:
        entries: list[HistoryEntry] = []
        for said in self._b.answers[meeting_id]:
            answer = Answer.GRANTED if said.answer == consent_pb2.ANSWER_GRANTED else Answer.DENIED
            submission = Submission(meeting_id, said.participant_id, answer, "", said.notice_version, said.language)
            previous = entries[-1].hash if entries else GENESIS
            digest = participant_digest(b"salt", said.participant_id)
            at = said.answered_at.ToDatetime(tzinfo=UTC)
            entries.append(next_entry(submission, digest, said.revision, previous, at))
        return entries
