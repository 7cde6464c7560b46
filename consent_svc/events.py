"""Takes in what Whereby's webhooks told, and says what this service publishes."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

import structlog
from assent.consent.v1.consent_events_pb2 import AnswerSubmitted
from assent.consent.v1.consent_pb2 import ANSWER_DENIED, ANSWER_GRANTED
from assent.meeting.v1.meeting_events_pb2 import (
    ClientJoined,
    ClientLeft,
    EvidenceRecorded,
    PresenceChanged,
    RecordingFinished,
    SessionEnded,
    SessionStarted,
)
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.bus import Bus, Delivery
from chassis.outbox import Folding
from consent_svc.domain.answers import RecordedAnswer
from consent_svc.domain.presence import ClientEvent, FinishedEvent, Presence, PresenceEvent, SessionEvent, is_believable
from consent_svc.domain.verdict import Answer

log = structlog.get_logger()

CONSUMER = "consent"

FOLDING: Folding = {
    AnswerSubmitted: lambda event: event.meeting_id,
    PresenceChanged: lambda event: event.meeting_id,
    EvidenceRecorded: lambda event: event.meeting_id,
}
"""Each only says that a meeting is to be looked at again: of a hundred in one rush, the last one says it all."""
Webhook = TypeVar("Webhook", ClientJoined, ClientLeft, SessionStarted, SessionEnded, RecordingFinished)


def answer_submitted(recorded: RecordedAnswer) -> AnswerSubmitted:
    """Tells that somebody answered; who is left out."""
    event = AnswerSubmitted(
        meeting_id=recorded.meeting_id,
        revision=recorded.revision,
        answer=ANSWER_GRANTED if recorded.answer is Answer.GRANTED else ANSWER_DENIED,
    )
    event.answered_at.FromDatetime(recorded.answered_at)
    return event


def presence_changed(meeting_id: str) -> PresenceChanged:
    """Tells that counts, or whether the meeting goes on, may be others now."""
    return PresenceChanged(meeting_id=meeting_id)


def evidence_recorded(meeting_id: str) -> EvidenceRecorded:
    """Tells that a recording may find its meeting now."""
    return EvidenceRecorded(meeting_id=meeting_id)


class WebhookEvents:
    """Consumes the webhooks that the gateway published."""

    def __init__(self, bus: Bus, presence: Presence, now: Callable[[], datetime]) -> None:
        self._bus = bus
        self._presence = presence
        self._now = now

    def subscribe(self) -> None:
        """Consume from now on, and first what came while we were away."""
        self._bus.consume(ClientJoined, consumer=CONSUMER, handle=self.take, at_once=2)
        self._bus.consume(ClientLeft, consumer=CONSUMER, handle=self.take, at_once=2)
        self._bus.consume(SessionStarted, consumer=CONSUMER, handle=self.take, at_once=2)
        self._bus.consume(SessionEnded, consumer=CONSUMER, handle=self.take, at_once=2)
        self._bus.consume(RecordingFinished, consumer=CONSUMER, handle=self.take, at_once=2)

    async def take(self, delivery: Delivery[Webhook]) -> None:
        """Take one webhook in. Safe to repeat, in any order."""
        message = delivery.message
        if not message.meeting_id or not message.HasField("occurred_at"):
            log.error("webhook_incomplete", kind=message.DESCRIPTOR.name, webhook_id=message.webhook_id)
            return
        if not is_believable(_time(message.occurred_at), self._now()):
            log.error("webhook_from_the_future", kind=message.DESCRIPTOR.name, webhook_id=message.webhook_id)
            return
        if await self._presence.record(to_domain(message)):
            log.info("presence_recorded", kind=message.DESCRIPTOR.name, meeting_id=message.meeting_id)


def to_domain(message: ClientJoined | ClientLeft | SessionStarted | SessionEnded | RecordingFinished) -> PresenceEvent:
    """A webhook in the words of the domain."""
    room = "/" + message.whereby_room_name.removeprefix("/")
    if isinstance(message, RecordingFinished):
        return FinishedEvent(message.meeting_id, room, message.filename.rpartition("/")[2])
    at = _time(message.occurred_at)
    if isinstance(message, SessionStarted | SessionEnded):
        started = isinstance(message, SessionStarted)
        return SessionEvent(message.meeting_id, room, message.room_session_id, at, started)
    client = message.client
    return ClientEvent(
        meeting_id=message.meeting_id,
        whereby_room_name=room,
        session_id=message.room_session_id,
        client_id=client.client_id,
        external_id=client.external_id,
        role=client.role_name,
        is_dial_in=client.is_dial_in,
        num_clients=message.num_clients,
        at=at,
        joined=isinstance(message, ClientJoined),
    )


def _time(timestamp: Timestamp) -> datetime:
    return timestamp.ToDatetime(tzinfo=UTC)
