"""What recording_svc tells others, and what wakes it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

import structlog
from assent.consent.v1.consent_events_pb2 import AnswerSubmitted
from assent.meeting.v1.meeting_events_pb2 import EvidenceRecorded
from assent.recording.v1 import recording_pb2 as pb
from assent.recording.v1.recording_events_pb2 import (
    AudioDeleted,
    RecordingDiscovered,
    RecordingMatched,
    RecordingStateChanged,
)
from assent.transcript.v1.transcript_events_pb2 import TranscriptCompleted, TranscriptFailed, TranscriptStarted
from google.protobuf.message import Message

from chassis.bus import Bus, Delivery
from recording_svc.domain.recordings import Recording, State
from recording_svc.store import Recordings

log = structlog.get_logger()

AT_ONCE = 4
"""Recordings that are settled at the same time because of one event, or of several that came together."""

_WOKEN_TOGETHER = 1000
"""Recordings that one statement makes due."""

STATES = {
    State.DISCOVERED: pb.RECORDING_STATE_DISCOVERED,
    State.UNMATCHED: pb.RECORDING_STATE_UNMATCHED,
    State.TRANSCRIBING: pb.RECORDING_STATE_TRANSCRIBING,
    State.UNDECIDED: pb.RECORDING_STATE_UNDECIDED,
    State.KEPT: pb.RECORDING_STATE_KEPT,
    State.ERASING: pb.RECORDING_STATE_ERASING,
    State.ERASED: pb.RECORDING_STATE_ERASED,
    State.BLOCKED: pb.RECORDING_STATE_BLOCKED,
    State.FAILED: pb.RECORDING_STATE_FAILED,
}


def discovered(recording: Recording) -> RecordingDiscovered:
    """A recording wants a transcript."""
    return RecordingDiscovered(recording_id=recording.recording_id)


def changes(before: Recording, after: Recording) -> list[Message]:
    """What others must hear of the way from one to the other."""
    told: list[Message] = []
    match, meetings = after.match, after.match.meeting_ids
    matched = (meetings, match.owner_id) != (before.match.meeting_ids, before.match.owner_id)
    if matched:
        told.append(RecordingMatched(recording_id=after.recording_id, meeting_ids=meetings, owner_id=match.owner_id))
    if matched or (after.state, after.reason) != (before.state, before.reason):
        told.append(
            RecordingStateChanged(
                recording_id=after.recording_id, meeting_ids=meetings, state=STATES[after.state], reason=after.reason
            )
        )
    if after.state is State.ERASED and before.state is not State.ERASED and after.erased_at:
        gone = AudioDeleted(recording_id=after.recording_id, meeting_ids=meetings)
        gone.erased_at.FromDatetime(after.erased_at)
        told.append(gone)
    return told


class Wakers:
    """Settles the recordings that an event is about. The event itself decides nothing."""

    def __init__(
        self,
        recordings: Recordings,
        settle: Callable[[str], Awaitable[object]],
        now: Callable[[], datetime],
        wake: Callable[[], None],
    ) -> None:
        self._recordings = recordings
        self._settle = settle
        self._now = now
        self._wake = wake

    def consume(self, bus: Bus) -> None:
        """Listen to everything that may change what becomes of a recording."""
        bus.consume_together(AnswerSubmitted, consumer="recording", handle=self._answers)
        bus.consume(EvidenceRecorded, consumer="recording", handle=self._evidence)
        bus.consume(TranscriptStarted, consumer="recording", handle=self._transcript)
        bus.consume(TranscriptCompleted, consumer="recording", handle=self._transcript)
        bus.consume(TranscriptFailed, consumer="recording", handle=self._transcript)

    async def _answers(self, events: Sequence[AnswerSubmitted]) -> None:
        meeting_ids = dict.fromkeys(event.meeting_id for event in events)
        await self._settle_all(await self._recordings.ids_of_meetings(*meeting_ids))

    async def _evidence(self, delivery: Delivery[EvidenceRecorded]) -> None:
        # Any of the unmatched may be meant: the sweep looks at them, so that one that fails here repeats none of them.
        unmatched = await self._recordings.ids_of_meetings(or_unmatched=True)
        for first in range(0, len(unmatched), _WOKEN_TOGETHER):
            await self._recordings.look_now(unmatched[first : first + _WOKEN_TOGETHER], self._now())
        self._wake()
        await self._settle_all(await self._recordings.ids_of_meetings(delivery.message.meeting_id))

    async def _transcript(
        self, delivery: Delivery[TranscriptStarted] | Delivery[TranscriptCompleted] | Delivery[TranscriptFailed]
    ) -> None:
        recording_id = delivery.message.recording_id
        if await self._recordings.get(recording_id) is None:
            log.warning("event_about_unknown_recording", recording_id=recording_id)
            return
        await self._settle(recording_id)

    async def _settle_all(self, recording_ids: Sequence[str]) -> None:
        # One that fails, or is slow, must not keep the others waiting: the event comes again for all of them.
        turns = asyncio.Semaphore(AT_ONCE)

        async def settle(recording_id: str) -> None:
            async with turns:
                await self._settle(recording_id)

        ended = await asyncio.gather(*map(settle, recording_ids), return_exceptions=True)
        failures = [(one, error) for one, error in zip(recording_ids, ended, strict=True) if error is not None]
        for recording_id, error in failures:
            log.warning("settling_failed", recording_id=recording_id, error=f"{type(error).__name__}: {error}")
        for _, error in failures:
            if isinstance(error, BaseException):
                raise error
