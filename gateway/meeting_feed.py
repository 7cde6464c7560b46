"""How meetings stand, for whoever watches: counts and the recordings' states, looked up again at every hint.

One look-up serves everyone who watches the same meeting through this process; each is sent only what changed.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC
from typing import Any

import structlog
from assent.consent.v1 import consent_events_pb2
from assent.consent.v1 import consent_service_pb2 as consent_rpc
from assent.consent.v1.consent_service_pb2_grpc import ConsentServiceStub
from assent.meeting.v1 import meeting_events_pb2
from assent.recording.v1 import recording_events_pb2, recording_pb2
from assent.recording.v1 import recording_service_pb2 as recording_rpc
from assent.recording.v1.recording_service_pb2_grpc import RecordingServiceStub
from grpc import aio

from chassis.errors import ServiceError
from gateway.consent import counts_shape
from gateway.recordings import state_of
from gateway.transcript_feed import encode

log = structlog.get_logger()

REFRESH_SECONDS = 20.0
_RETRY_SECONDS = 1.0
_PAUSE_SECONDS = 0.1
"""Between two look-ups: a hundred answers at once are not a hundred look-ups."""

Snapshot = dict[str, str]
"""Events as JSON, by what they are about."""


class _Watched:
    """One meeting that somebody watches."""

    def __init__(self) -> None:
        self.watchers = 0
        self.begun = 0
        self.done = 0
        self.snapshot: Snapshot = {}
        self.hint = asyncio.Event()
        self.news = asyncio.Condition()
        self.task: asyncio.Task[None] | None = None


class MeetingFeed:
    """Everyone who watches a meeting through this process; `on_…` take what NATS brings, once for all."""

    def __init__(self, consent: aio.Channel, recordings: aio.Channel, refresh: float = REFRESH_SECONDS) -> None:
        self._consent = ConsentServiceStub(consent)
        self._recordings = RecordingServiceStub(recordings)
        self._refresh = refresh
        self._watched: dict[str, _Watched] = {}

    async def on_answer(self, message: consent_events_pb2.AnswerSubmitted) -> None:
        """Somebody answered."""
        self._wake(message.meeting_id)

    async def on_presence(self, message: meeting_events_pb2.PresenceChanged) -> None:
        """Somebody came or went."""
        self._wake(message.meeting_id)

    async def on_recording(self, message: recording_events_pb2.RecordingStateChanged) -> None:
        """A recording went a step further."""
        for meeting_id in message.meeting_ids:
            self._wake(meeting_id)

    async def follow(self, meeting_id: str) -> AsyncIterator[str]:
        """How a meeting stands now, then whatever changes, as JSON. Never ends."""
        watched = self._join(meeting_id)
        try:
            sent: Snapshot = {}
            # A look-up that began before us may be older than what brought us here.
            seen = watched.begun
            while True:
                async with watched.news:
                    while watched.done <= seen:
                        await watched.news.wait()
                    seen, snapshot = watched.done, watched.snapshot
                for subject, text in snapshot.items():
                    if sent.get(subject) != text:
                        sent[subject] = text
                        yield text
        finally:
            self._leave(meeting_id)

    def _wake(self, meeting_id: str) -> None:
        if watched := self._watched.get(meeting_id):
            watched.hint.set()

    def _join(self, meeting_id: str) -> _Watched:
        watched = self._watched.get(meeting_id)
        if watched is None:
            watched = self._watched[meeting_id] = _Watched()
            watched.task = asyncio.create_task(self._keep_looking(meeting_id, watched), name="meeting feed")
        watched.watchers += 1
        watched.hint.set()
        return watched

    def _leave(self, meeting_id: str) -> None:
        watched = self._watched[meeting_id]
        watched.watchers -= 1
        if watched.watchers == 0:
            assert watched.task is not None
            watched.task.cancel()
            del self._watched[meeting_id]

    async def _keep_looking(self, meeting_id: str, watched: _Watched) -> None:
        while True:
            await _hinted(watched.hint, self._refresh)
            watched.hint.clear()
            watched.begun += 1
            number = watched.begun
            try:
                snapshot = await self._look(meeting_id)
            except ServiceError as error:
                log.warning("meeting_look_up_failed", meeting_id=meeting_id, reason=error.reason)
                watched.hint.set()
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            async with watched.news:
                watched.snapshot, watched.done = snapshot, number
                watched.news.notify_all()
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _look(self, meeting_id: str) -> Snapshot:
        asked = consent_rpc.GetConsentRequest(meeting_id=meeting_id)
        listed = recording_rpc.ListRecordingsRequest(meeting_id=meeting_id, page_size=200)
        found, page = await asyncio.gather(self._consent.GetConsent(asked), self._recordings.ListRecordings(listed))
        snapshot = {"counts": encode("CONSENT", {"counts": counts_shape(found.counts).model_dump()})}
        # Newest first is how they are listed; a listener hears of them in the order they came.
        for recording in reversed(page.recordings):
            snapshot[recording.recording_id] = encode("RECORDING", {"recording": _recording(meeting_id, recording)})
        return snapshot


async def _hinted(hint: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await hint.wait()
    except TimeoutError:
        return  # a hint may have been lost: look anyway


def _recording(meeting_id: str, recording: recording_pb2.Recording) -> dict[str, Any]:
    # Participants listen too: where the file lies is the owner's business.
    return {
        "id": recording.recording_id,
        "meeting_id": meeting_id,
        "state": state_of(recording),
        "reason": recording.reason,
        "transcript_id": recording.transcript_id or None,
        "recorded_at": _rfc3339(recording, "recorded_at"),
        "erased_at": _rfc3339(recording, "erased_at"),
        "blocked_until": _rfc3339(recording, "blocked_until"),
    }


def _rfc3339(recording: recording_pb2.Recording, field: str) -> str | None:
    if not recording.HasField(field):  # type: ignore[arg-type]  # one of those above
        return None
    at = getattr(recording, field).ToDatetime(tzinfo=UTC)
    return str(at.isoformat().replace("+00:00", "Z"))
