"""What happens to transcripts, for whoever watches: replay, then live, without a gap.

Events of NATS are hints. A listener joins before it replays, drops what it has had, and asks the service again when
a number is missing, and now and then anyway in case the last event was lost. Who has had everything is written the
next event at once, made ready once for all; only who cannot take it, or misses something, has events wait.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import structlog
from assent.transcript.v1 import transcript_events_pb2, transcript_pb2
from assent.transcript.v1 import transcript_service_pb2 as rpc
from assent.transcript.v1.transcript_service_pb2_grpc import TranscriptServiceStub
from grpc import aio

from chassis.errors import DeadlineExceeded, Unavailable
from gateway.frames import WriteFrame, text_frame
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

    @cached_property
    def frame(self) -> bytes:
        """What goes to every WebSocket."""
        return text_frame(self.text)


class _Listener:
    __slots__ = ("_is_behind", "_waiting", "is_ready", "last", "write")

    def __init__(self, write: WriteFrame) -> None:
        self.write = write
        self.last = 0
        """The number of what it was sent last."""
        self.is_ready = False
        """Nothing waits for it and nothing is being sent to it, so that nothing is overtaken."""
        self._waiting: asyncio.Queue[Numbered | None] = asyncio.Queue(_LONGEST_BACKLOG)
        self._is_behind = False

    def offer(self, event: Numbered | None) -> None:
        """Have an event wait for it; None stands for a look at what it may have missed."""
        self.is_ready = False
        try:
            self._waiting.put_nowait(event)
        except asyncio.QueueFull:
            self._is_behind = True

    async def next(self, seconds: float | None) -> Numbered | None:
        """The next event that waits, or None when it is time to look again. Raises TooSlow."""
        if self._is_behind:
            raise TooSlow
        self.is_ready = self._waiting.empty()
        try:
            async with asyncio.timeout(seconds):
                return await self._waiting.get()
        except TimeoutError:
            return None
        finally:
            self.is_ready = False


class _Audience:
    """Everyone who watches one transcript."""

    def __init__(self, refresh: float) -> None:
        # In the order of their coming, in which the loop of `tell` is twice as quick as through a set.
        self.listeners: dict[_Listener, None] = {}
        self.reminding = asyncio.create_task(self._remind(refresh), name="transcript feed")

    def tell(self, event: Numbered) -> None:
        """Never waits: one slow listener must not hold up the others."""
        frame, sequence = event.frame, event.sequence
        for listener in self.listeners:
            if listener.is_ready and listener.last == sequence - 1 and listener.write(frame):
                listener.last = sequence
            else:
                listener.offer(event)

    async def _remind(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            for listener in self.listeners:
                if listener.is_ready:
                    listener.offer(None)


class TranscriptFeed:
    """Everyone who watches a transcript through this process; `on_event` takes what NATS brings, once for all."""

    def __init__(self, channel: aio.Channel, refresh: float = REFRESH_SECONDS) -> None:
        self._transcripts = TranscriptServiceStub(channel)
        self._refresh = refresh
        self._audiences: dict[str, _Audience] = {}
        self._asked: dict[tuple[str, int], asyncio.Task[tuple[list[Numbered], int]]] = {}

    async def on_event(self, message: transcript_events_pb2.TranscriptEventAppended) -> None:
        """Pass one event on to whoever watches that transcript."""
        audience = self._audiences.get(message.event.transcript_id)
        if audience is None:
            return
        audience.tell(numbered(message.event))
        # What was written leaves, and others have their turn, before the next event is looked at.
        await asyncio.sleep(0)

    async def follow(self, transcript_id: str, after: int = 0, write: WriteFrame | None = None) -> AsyncIterator[str]:
        """What happened to a transcript after that sequence number and goes on happening, each event once, as JSON.

        In order. A number that no event of this transcript has had so far asks for everything, as 0 does.
        While whoever follows waits for the next event, it is given to `write` instead, where that takes it.
        Never ends. Raises TooSlow when the events are not taken, and what the first replay raises.
        """
        with self._listening(transcript_id, write) as listener:
            (events, listener.last), is_behind = await self._after(transcript_id, after), False
            while True:
                for event in events:
                    listener.last = event.sequence
                    yield event.text
                received = await listener.next(_RETRY_SECONDS if is_behind else None)
                last = listener.last
                if received and not is_behind and received.sequence <= last + 1:
                    events = [received] if received.sequence > last else []
                else:
                    events, is_behind = await self._catch_up(transcript_id, last, received)

    @contextmanager
    def _listening(self, transcript_id: str, write: WriteFrame | None) -> Iterator[_Listener]:
        listener = _Listener(write or _waits)
        if transcript_id not in self._audiences:
            self._audiences[transcript_id] = _Audience(self._refresh)
        audience = self._audiences[transcript_id]
        audience.listeners[listener] = None
        try:
            yield listener
        finally:
            del audience.listeners[listener]
            if not audience.listeners:
                audience.reminding.cancel()
                del self._audiences[transcript_id]

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
        """The events, and the number after which they come. A thousand who ask at the same time are one call."""
        asked = self._asked.get((transcript_id, sequence))
        if asked is None:
            asked = asyncio.create_task(self._ask(transcript_id, sequence), name="transcript replay")
            asked.add_done_callback(lambda task: task.cancelled() or task.exception())  # all who asked may have left
            self._asked[transcript_id, sequence] = asked
        return await asyncio.shield(asked)

    async def _ask(self, transcript_id: str, sequence: int) -> tuple[list[Numbered], int]:
        # Whoever asks from here on may want what is committed after this call was answered.
        del self._asked[transcript_id, sequence]
        request = rpc.ListTranscriptEventsRequest(transcript_id=transcript_id, after_sequence=sequence)
        replayed = await self._transcripts.ListTranscriptEvents(request)
        return [numbered(event) for event in replayed.events], replayed.after_sequence


def _waits(frame: bytes) -> bool:
    return False


def encode(name: str, data: dict[str, Any], **more: Any) -> str:
    """An event as every WebSocket of ours sends it."""
    return json.dumps({"event": name, **more, "data": data}, ensure_ascii=False, separators=(",", ":"))


def numbered(event: transcript_pb2.TranscriptEvent) -> Numbered:
    """An event as listeners are sent it."""
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
            return "WAVEFORM", {}  # whoever may hear the audio asks for it
        case "audio_deleted":
            return "AUDIO_DELETED", {}
    raise ValueError(f"event {event.sequence} of transcript {event.transcript_id} is of a kind that we do not know")
