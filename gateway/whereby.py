"""Whereby's webhooks: checked on the bytes as they came, stored in JetStream before they are acknowledged."""

import hmac
import re
import time
from datetime import UTC, datetime
from typing import Annotated, Any

import structlog
from assent.meeting.v1 import meeting_events_pb2 as events
from fastapi import APIRouter, Request
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel

from chassis.errors import InvalidArgument, ServiceError, Unauthenticated
from gateway.parts import Gateway
from gateway.problems import may_fail

log = structlog.get_logger()
router = APIRouter(tags=["webhooks"])

TOLERANCE = 300
"""Seconds that a signature's time may lie behind us or ahead of us."""

_TIME = re.compile(r"[0-9]{1,12}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
# What we have no use for, but Whereby may send.
_IGNORED = "transcription."

Text = Annotated[str, StringConstraints(min_length=1, max_length=300)]


def verify(header: str | None, body: bytes, secrets: tuple[bytes, ...], now: float) -> None:
    """Check `Whereby-Signature: t=<unix seconds>,v1=<hex>` over the raw body.

    Raises Unauthenticated (SIGNATURE_MISSING, SIGNATURE_INVALID, SIGNATURE_STALE), and nothing else.
    """
    if not header:
        raise Unauthenticated("the Whereby-Signature header is missing", reason="SIGNATURE_MISSING")
    fields = [part.strip().partition("=")[::2] for part in header.split(",")]
    times = [value for name, value in fields if name == "t"]
    digests = [value for name, value in fields if name == "v1" and _DIGEST.fullmatch(value)]
    # Two times would let somebody pick one for the check and one for the hash.
    if len(times) != 1 or not _TIME.fullmatch(times[0]) or not digests:
        raise _invalid()
    signed = times[0].encode() + b"." + body
    matches = [
        hmac.compare_digest(hmac.digest(secret, signed, "sha256").hex(), digest)
        for secret in secrets
        for digest in digests[:2]
    ]
    if not any(matches):
        raise _invalid()
    if abs(now - int(times[0])) > TOLERANCE:
        raise Unauthenticated("signed too long ago, or in the future: check the clocks", reason="SIGNATURE_STALE")


class _Sent(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)


class Envelope(_Sent):
    """What every webhook has."""

    id: Text
    created_at: Annotated[
        AwareDatetime, Field(ge=datetime(2000, 1, 1, tzinfo=UTC), lt=datetime(2100, 1, 1, tzinfo=UTC))
    ]
    type: Text
    data: dict[str, Any]


class _Room(_Sent):
    meeting_id: Text
    room_name: Text
    room_session_id: str | None = None


class _Client(_Room):
    participant_id: Text
    external_id: str | None = None
    role_name: str | None = None
    num_clients: int = Field(0, ge=0, le=1_000_000)
    is_dial_in: bool = False

    def to_proto(self) -> events.Client:
        return events.Client(
            client_id=self.participant_id,
            external_id=self.external_id or "",
            role_name=self.role_name or "",
            is_dial_in=self.is_dial_in,
        )


class _Finished(_Room):
    filename: Text


def event_of(envelope: Envelope) -> Message | None:
    """What a webhook says, as our event; None where it says nothing to us. Raises pydantic's ValidationError."""
    match envelope.type:
        case "room.client.joined":
            return _presence(events.ClientJoined, envelope)
        case "room.client.left":
            return _presence(events.ClientLeft, envelope)
        case "room.client.knocked":
            knocked = _Client.model_validate(envelope.data)
            return events.ClientKnocked(**_about(envelope, knocked), client=knocked.to_proto())
        case "room.session.started":
            return _session(events.SessionStarted, envelope)
        case "room.session.ended":
            return _session(events.SessionEnded, envelope)
        case "recording.finished":
            finished = _Finished.model_validate(envelope.data)
            return events.RecordingFinished(**_about(envelope, finished), filename=finished.filename)
    return None


@router.post("/v1/whereby", responses=may_fail(400, 401, 408, 413, 503))
async def receive(request: Request, gateway: Gateway) -> dict[str, str]:
    """Take one webhook. 200 once it is stored; 503 makes Whereby send it again."""
    body = await request.body()
    kind = "unread"
    try:
        verify(request.headers.get("whereby-signature"), body, gateway.settings.webhook_secrets, time.time())
        envelope, event = _read(body)
        # A label must not grow with what senders invent.
        kind = envelope.type if event or envelope.type.startswith(_IGNORED) else "unknown"
        if event is not None:
            await gateway.bus.publish(event, message_id=envelope.id)
    except ServiceError as error:
        gateway.metrics.webhooks.labels(kind, error.reason).inc()
        log.warning("webhook_refused", type=kind, reason=error.reason, detail=error.message)
        raise
    gateway.metrics.webhooks.labels(kind, "stored" if event is not None else "ignored").inc()
    log.info("webhook_received", type=envelope.type, webhook_id=envelope.id, stored=event is not None)
    return {"status": "ok"}


def _read(body: bytes) -> tuple[Envelope, Message | None]:
    try:
        envelope = Envelope.model_validate_json(body)
        return envelope, event_of(envelope)
    except (ValidationError, ValueError) as error:
        faults = error.errors() if isinstance(error, ValidationError) else []
        where = ", ".join(sorted({".".join(str(part) for part in fault["loc"]) or "body" for fault in faults}))
        raise InvalidArgument(
            f"signed, but not a webhook as Whereby documents it: look at {where or 'body'}", reason="ENVELOPE_INVALID"
        ) from None


def _presence(
    kind: type[events.ClientJoined] | type[events.ClientLeft], envelope: Envelope
) -> events.ClientJoined | events.ClientLeft:
    client = _Client.model_validate(envelope.data)
    return kind(
        **_about(envelope, client),
        room_session_id=client.room_session_id or "",
        client=client.to_proto(),
        num_clients=client.num_clients,
    )


def _session(
    kind: type[events.SessionStarted] | type[events.SessionEnded], envelope: Envelope
) -> events.SessionStarted | events.SessionEnded:
    room = _Room.model_validate(envelope.data)
    return kind(**_about(envelope, room), room_session_id=room.room_session_id or "")


def _about(envelope: Envelope, room: _Room) -> dict[str, Any]:
    return {
        "webhook_id": envelope.id,
        "meeting_id": room.meeting_id,
        "whereby_room_name": room.room_name,
        "occurred_at": _timestamp(envelope.created_at),
    }


def _timestamp(at: datetime) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromDatetime(at)
    return timestamp


def _invalid() -> Unauthenticated:
    return Unauthenticated(
        "the signature is not Whereby's: check ASSENT_WHEREBY_WEBHOOK_SECRET", reason="SIGNATURE_INVALID"
    )
