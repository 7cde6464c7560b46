"""Serves receipts, the wordings that they name, and the keys under which they hold."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import grpc
import structlog
from assent.consent.v1 import consent_pb2
from assent.consent.v1 import consent_service_pb2 as rpc
from assent.consent.v1.consent_service_pb2_grpc import ConsentServiceServicer

from chassis.errors import InvalidArgument
from consent_svc.domain.canonical import canonical
from consent_svc.domain.receipts import Notice, Receipts
from consent_svc.receipts import RECEIPT_TYPE, receipt_of
from consent_svc.signing import Signer

log = structlog.get_logger()
Context = grpc.aio.ServicerContext[Any, Any]

MOST_NOTICES = 100
LONGEST = {"version": 100, "language": 35}
LONGEST_WORDING = 64 * 1024
"""Bytes in UTF-8."""
LONGEST_URL = 4000


class ReceiptCalls(ConsentServiceServicer):
    """The calls about receipts."""

    def __init__(self, receipts: Receipts, signer: Signer, now: Callable[[], datetime]) -> None:
        self._receipts = receipts
        self._signer = signer
        self._now = now

    async def GetReceipt(self, request: rpc.GetReceiptRequest, context: Context) -> rpc.GetReceiptResponse:
        record = await self._receipts.answer(request.meeting_id, request.participant_id, request.revision)
        receipt = receipt_of(record, _link(request.change_url))
        return rpc.GetReceiptResponse(jws=self._signer.sign(canonical(receipt).encode(), RECEIPT_TYPE))

    async def RegisterNotices(
        self, request: rpc.RegisterNoticesRequest, context: Context
    ) -> rpc.RegisterNoticesResponse:
        if len(request.notices) > MOST_NOTICES:
            raise InvalidArgument(f"send at most {MOST_NOTICES} notices in one call", reason="NOTICES_INVALID")
        notices = await self._receipts.register([_notice(message, self._now()) for message in request.notices])
        log.info("notices_registered", versions=sorted({notice.version for notice in notices}), count=len(notices))
        return rpc.RegisterNoticesResponse(notices=[_message(notice) for notice in notices])

    async def GetNotice(self, request: rpc.GetNoticeRequest, context: Context) -> rpc.GetNoticeResponse:
        return rpc.GetNoticeResponse(notice=_message(await self._receipts.notice(request.hash)))

    async def ListSigningKeys(
        self, request: rpc.ListSigningKeysRequest, context: Context
    ) -> rpc.ListSigningKeysResponse:
        return rpc.ListSigningKeysResponse(keys=[self._signer.public_jwk()])


def _link(url: str) -> str:
    is_link = url.startswith(("http://", "https://")) and url.isprintable() and len(url) <= LONGEST_URL
    if url and not is_link:
        message = f"change_url is a link (http or https) of at most {LONGEST_URL} characters, or empty"
        raise InvalidArgument(message, reason="CHANGE_URL_INVALID")
    return url


def _notice(message: consent_pb2.Notice, now: datetime) -> Notice:
    for field, longest in LONGEST.items():
        if not 0 < len(getattr(message, field)) <= longest:
            raise InvalidArgument(f"a notice's {field} is 1 to {longest} characters", reason="NOTICES_INVALID")
    if not 0 < len(message.wording.encode()) <= LONGEST_WORDING:
        where = f"version {message.version} in {message.language}"
        raise InvalidArgument(f"a notice's wording is 1 to {LONGEST_WORDING} bytes: {where}", reason="NOTICES_INVALID")
    return Notice.of(message.version, message.language, message.wording, now)


def _message(notice: Notice) -> consent_pb2.Notice:
    return consent_pb2.Notice(
        version=notice.version, language=notice.language, wording=notice.wording, hash=notice.hash
    )
