"""consent_svc's calls about receipts and wordings, in memory."""

import hashlib
import json
from typing import TYPE_CHECKING, Any

import grpc
import jwt
from assent.consent.v1 import consent_pb2
from assent.consent.v1 import consent_service_pb2 as rpc
from assent.consent.v1.consent_service_pb2_grpc import ConsentServiceServicer

from chassis.errors import FailedPrecondition, NotFound

if TYPE_CHECKING:
    from tests.gateway.backend import Backend

Context = grpc.aio.ServicerContext[Any, Any]


class ReceiptCalls(ConsentServiceServicer):
    """Signs receipts with the backend's key."""

    _b: "Backend"

    async def GetReceipt(self, request: rpc.GetReceiptRequest, context: Context) -> Any:
        self._b.meeting(request.meeting_id)
        own = [one for one in self._b.answers[request.meeting_id] if one.participant_id == request.participant_id]
        wanted = [one for one in own if request.revision in (0, one.revision)]
        if not wanted:
            raise NotFound("no such answer of theirs", reason="ANSWER_NOT_FOUND")
        answer = wanted[-1]
        notice = self._b.notices.get((answer.notice_version, answer.language))
        payload = {
            "pii_processing": {
                "privacy_notice": {"version": answer.notice_version, "hash": notice.hash if notice else None},
                "withdrawal_method": {"url": request.change_url},
            },
            "event": {
                "event_time": answer.answered_at.ToJsonString(),
                "answer": "granted" if answer.answer == consent_pb2.ANSWER_GRANTED else "denied",
                "revision": answer.revision,
            },
            "meeting": {"meeting_id": answer.meeting_id},
        }
        jws = jwt.api_jws.encode(json.dumps(payload).encode(), self._b.receipt_key, algorithm="EdDSA")
        return rpc.GetReceiptResponse(jws=jws)

    async def RegisterNotices(self, request: rpc.RegisterNoticesRequest, context: Context) -> Any:
        given = {(one.version, one.language): one for one in request.notices}
        known = self._b.notices
        if any(known[key].wording != one.wording for key, one in given.items() if key in known):
            raise FailedPrecondition("that version has other words: give these a new one", reason="NOTICE_CHANGED")
        for one in given.values():
            one.hash = hashlib.sha256(one.wording.encode()).hexdigest()
        known.update(given)
        return rpc.RegisterNoticesResponse(notices=given.values())

    async def GetNotice(self, request: rpc.GetNoticeRequest, context: Context) -> Any:
        found = [one for one in self._b.notices.values() if one.hash == request.hash]
        if not found:
            raise NotFound("no such notice", reason="NOTICE_NOT_FOUND")
        return rpc.GetNoticeResponse(notice=found[0])
