"""What happens to transcripts, for whoever watches: replay, then live, without a gap.

Events of NATS are hints. A listener joins before it replays, drops what it has had, and asks the service again when
a number is missing, and now and then anyway in case the last event was lost.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import structlog
from assent.transcript.v1 import transcript_events_pb2, transcript_pb2
from assent.transcript.v1 import transcript_service_pb2 as rpc
from assent.transcript.v1.transcript_service_pb2_grpc import TranscriptServiceStub
from grpc import aio

from chassis.errors import DeadlineExceeded, Unavailable
from gateway.transcripts import segment_shape, status_name

log = structlog.get_logger()

REFRESH_SECONDS = 20.0
_RETRY_SECONDS = 1.0
_LONGEST_BACKLOG = 256


class TooSlow(Exception):
    """A listener does not take what it is sent; it may come back and replay."""


@dataclass(frozen=True)
class Numbered:
    """One event, ready to be sent."""

    sequence: int
    text: str


class _Listener:
    def __init__(self) -> None:
        self._waiting: asyncio.Queue[Numbered] = asyncio.Queue(_LONGEST_BACKLOG)
        self._is_behind = False

    def offer(self, event: Numbered) -> None:
        """Never waits: one slow listener must not hold up the others."""
        try:
            self._waiting.put_nowait(event)
        except asyncio.QueueFull:
            self._is_behind = True

    async def next(self, seconds: float) -> Numbered | None:
        """The next event, or None when none came in time. Raises TooSlow."""
        if self._is_behind:
            raise TooSlow
        try:
            async with asyncio.timeout(seconds):
                return await self._waiting.get()
        except TimeoutError:
            return None


class TranscriptFeed:
    """Everyone who watches a transcript through this process; `on_event` takes what NATS brings, once for all."""

    def __init__(self, channel: aio.Channel, refresh: float = REFRESH_SECONDS) -> None:
        self._transcripts = TranscriptServiceStub(channel)
        self._refresh = refresh
        self._listeners: defaultdict[str, set[_Listener]] = defaultdict(set)

    async def on_event(self, message: transcript_events_pb2.TranscriptEventAppended) -> None:
        """Pass one event on to whoever watches that transcript."""
        listeners = self._listeners.get(message.event.transcript_id)
        if not listeners:
            return
        event = _numbered(message.event)
        for listener in listeners:
            listener.offer(event)

    async def follow(self, transcript_id: str, after: int = 0) -> AsyncIterator[str]:
        """What happened to a transcript after that sequence number and goes on happening, each event once, as JSON.

        In order. A number that no event of this transcript has had so far asks for everything, as 0 does.
        Never ends. Raises TooSlow when the events are not taken, and what the first replay raises.
        """
        listener = _Listener()
        self._listeners[transcript_id].add(listener)
        try:
            (events, last), is_behind = await self._after(transcript_id, after), False
            while True:
                for event in events:
                    last = event.sequence
                    yield event.text
                received = await listener.next(_RETRY_SECONDS if is_behind else self._refresh)
                if received and not is_behind and received.sequence <= last + 1:
                    events = [received] if received.sequence > last else []
                else:
                    events, is_behind = await self._catch_up(transcript_id, last, received)
        finally:
            self._listeners[transcript_id].discard(listener)
            if not self._listeners[transcript_id]:
                del self._listeners[transcript_id]

    async def _catch_up(self, transcript_id: str, last: int, received: Numbered | None) -> tuple[list[Numbered], bool]:
        try:
            replayed, _ = await self._after(transcript_id, last)
        except (Unavailable, DeadlineExceeded) as error:
            log.warning("replay_deferred", transcript_id=transcript_id, reason=error.reason)
            return [], True
        # Without a number: how it stands before anything has happened, which was told when the listener came.
        events = [event for event in replayed if event.sequence]
        # Of several PROGRESS the service keeps only the latest: one that we hold may be gone there.
        if received and received.sequence > (events[-1].sequence if events else last):
            events.append(received)
        return events, False

    async def _after(self, transcript_id: str, sequence: int) -> tuple[list[Numbered], int]:
        """The events, and the number after which they come."""
        request = rpc.ListTranscriptEventsRequest(transcript_id=transcript_id, after_sequence=sequence)
        replayed = await self._transcripts.ListTranscriptEvents(request)
        return [_numbered(event) for event in replayed.events], replayed.after_sequence


def encode(name: str, data: dict[str, Any], **more: Any) -> str:
    """An event as every WebSocket of ours sends it."""
    return json.dumps({"event": name, **more, "data": data}, ensure_ascii=False, separators=(",", ":"))


def _numbered(event: transcript_pb2.TranscriptEvent) -> Numbered:
    return Numbered(event.sequence, encode(*_content(event), sequence=event.sequence))


def _content(event: transcript_pb2.TranscriptEvent) -> tuple[str, dict[str, Any]]:
    match event.WhichOneof("event"):
        case "status":
            return "STATUS", {"status": status_name(event.status)}
        case "progress":
            return "PROGRESS", {"percent": event.progress.percent, "seconds_left": event.progress.seconds_left}
        case "segment":
            return "TRANSCRIPT", segment_shape(event.segment).model_dump(exclude_defaults=True)
        case "duration_ms":
            return "DURATION", {"duration_ms": event.duration_ms}
        case "waveform":
            return "WAVEFORM", {"waveform": list(event.waveform.peaks)}
        case "audio_deleted":
            return "AUDIO_DELETED", {}
    raise ValueError(f"event {event.sequence} of transcript {event.transcript_id} is of a kind that we do not know")
