"""Takes what waits to be transcribed, room by room in turn, until told to end."""

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from chassis.errors import ServiceError
from transcript_svc.domain import Occupied
from transcript_svc.store.queue import Queue
from transcript_svc.transcription import Transcription, recording_of

if TYPE_CHECKING:
    from assent.recording.v1.recording_service_pb2_grpc import RecordingServiceAsyncStub

log = structlog.get_logger()

# One is decoded while another is recognised.
JOBS_AT_ONCE = 2
LOOK_SECONDS = 1.0
"""How soon is found what another instance took in, handed back or left behind."""
_LONGEST_REST = 30.0
_AT_A_LOOK = 8


class Jobs:
    """The work of one instance. The rows in the database are the queue: an event only says to look at them."""

    def __init__(
        self, queue: Queue, recordings: "RecordingServiceAsyncStub", transcription: Transcription, instance: str
    ) -> None:
        self._queue = queue
        self._recordings = recordings
        self._transcription = transcription
        self._instance = instance
        self._announced = asyncio.Event()
        self._in_hand: set[str] = set()
        # Those that did not end: how often in a row, and until when they are let rest.
        self._resting: dict[str, tuple[int, float]] = {}

    async def announced(self, recording_id: str) -> None:
        """There may be something to transcribe: have it wait its turn. Raises what GetRecording raises."""
        recording = await recording_of(self._recordings, recording_id)
        if recording:
            await self._queue.put(recording)
            self._announced.set()

    async def run(self) -> None:
        """Work until cancelled; what is in hand then is handed back."""
        async with asyncio.TaskGroup() as group:
            for number in range(JOBS_AT_ONCE):
                group.create_task(self._work(), name=f"jobs {number}")

    async def _work(self) -> None:
        while True:
            self._announced.clear()
            try:
                found = await self._take_one()
            except ServiceError as error:
                log.warning("queue_unreachable", reason=error.reason)
                found = False
            if not found:
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._announced.wait()

    async def _take_one(self) -> bool:
        """Whether there was anything whose turn it is."""
        now = time.monotonic()
        resting = {recording_id for recording_id, (_, until) in self._resting.items() if until > now}
        turns = await self._queue.turns(self._instance, self._in_hand | resting, _AT_A_LOOK)
        for recording_id in turns:
            if recording_id not in self._in_hand:
                self._in_hand.add(recording_id)
                try:
                    await self._do(recording_id)
                finally:
                    self._in_hand.discard(recording_id)
                return True
        return False

    async def _do(self, recording_id: str) -> None:
        try:
            await self._queue.served(recording_id)
            await self._transcription.transcribe(recording_id)
        except Occupied:
            return  # another instance was quicker
        except ServiceError as error:
            log.info("job_deferred", recording_id=recording_id, reason=error.reason)
        except Exception as error:
            log.warning("job_failed", recording_id=recording_id, exc_info=error)
        self._rest(recording_id)

    def _rest(self, recording_id: str) -> None:
        # One that has ended will not be met again, however long it may rest.
        now = time.monotonic()
        times = self._resting.get(recording_id, (0, now))[0] + 1
        self._resting = {one: rest for one, rest in self._resting.items() if rest[1] + _LONGEST_REST > now}
        self._resting[recording_id] = (times, now + min(0.25 * 2 ** min(times, 10), _LONGEST_REST))
