"""Serves the history of a meeting's answers: to read, to verify and to take along."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any

import grpc
import structlog
from assent.consent.v1 import consent_pb2
from assent.consent.v1 import consent_service_pb2 as rpc
from assent.consent.v1.consent_service_pb2_grpc import ConsentServiceServicer

from consent_svc.domain.answers import History
from consent_svc.domain.receipts import Receipts
from consent_svc.history.reading import exported, verified
from consent_svc.servicer.messages import entry_message
from consent_svc.servicer.pages import page_place, page_size, page_token, page_token_invalid
from consent_svc.signing import Signer

log = structlog.get_logger()
Context = grpc.aio.ServicerContext[Any, Any]

PAGE, LONGEST_PAGE = 200, 1000


class HistoryCalls(ConsentServiceServicer):
    """The calls about the history."""

    def __init__(self, history: History, receipts: Receipts, signer: Signer, now: Callable[[], datetime]) -> None:
        self._history = history
        self._hashes = receipts.hashes
        self._signer = signer
        self._now = now

    async def ListHistory(self, request: rpc.ListHistoryRequest, context: Context) -> rpc.ListHistoryResponse:
        limit = page_size(request.page_size, default=PAGE, most=LONGEST_PAGE)
        after = _revision(page_place(request.page_token))
        entries = await self._history.page(request.meeting_id, after, limit + 1)
        return rpc.ListHistoryResponse(
            entries=[entry_message(entry) for entry in entries[:limit]],
            next_page_token=page_token(str(entries[limit - 1].revision)) if len(entries) > limit else "",
        )

    async def VerifyHistory(self, request: rpc.VerifyHistoryRequest, context: Context) -> rpc.VerifyHistoryResponse:
        found = await verified(self._history, request.meeting_id)
        response = rpc.VerifyHistoryResponse(entries=found.entries, head_hash=found.head_hash)
        if fault := found.fault:
            log.error("history_not_intact", meeting_id=request.meeting_id, **vars(fault))
            response.fault.CopyFrom(consent_pb2.HistoryFault(**vars(fault)))
        return response

    async def ExportHistory(
        self, request: rpc.ExportHistoryRequest, context: Context
    ) -> AsyncIterator[rpc.ExportHistoryResponse]:
        async for lines in exported(self._history, self._hashes, request.meeting_id, self._signer, self._now()):
            yield rpc.ExportHistoryResponse(lines=lines)


def _revision(place: str) -> int:
    try:
        return int(place or 0)
    except ValueError:
        raise page_token_invalid() from None
