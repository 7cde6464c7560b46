"""Serves the history of a meeting's answers."""

from typing import Any

import grpc
from assent.consent.v1 import consent_service_pb2 as rpc
from assent.consent.v1.consent_service_pb2_grpc import ConsentServiceServicer

from consent_svc.domain.answers import History
from consent_svc.servicer.messages import entry_message
from consent_svc.servicer.pages import page_place, page_size, page_token, page_token_invalid

Context = grpc.aio.ServicerContext[Any, Any]

PAGE, LONGEST_PAGE = 200, 1000


class HistoryCalls(ConsentServiceServicer):
    """The calls about the history."""

    def __init__(self, history: History) -> None:
        self._history = history

    async def ListHistory(self, request: rpc.ListHistoryRequest, context: Context) -> rpc.ListHistoryResponse:
        limit = page_size(request.page_size, default=PAGE, most=LONGEST_PAGE)
        after = _revision(page_place(request.page_token))
        entries = await self._history.page(request.meeting_id, after, limit + 1)
        return rpc.ListHistoryResponse(
            entries=[entry_message(entry) for entry in entries[:limit]],
            next_page_token=page_token(str(entries[limit - 1].revision)) if len(entries) > limit else "",
        )


def _revision(place: str) -> int:
    try:
        return int(place or 0)
    except ValueError:
        raise page_token_invalid() from None
