"""What waits to be transcribed, in memory. It faces the same cases as the one in Postgres."""

import itertools
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from tests.transcript.memory_transcripts import MemoryTranscripts
from transcript_svc.domain import Recording
from transcript_svc.store.queue import room_of


@dataclass(frozen=True)
class _Waiting:
    recording_id: str
    room: str
    number: int


class MemoryQueue:
    """A list beside the transcripts."""

    def __init__(self, transcripts: MemoryTranscripts) -> None:
        self._transcripts = transcripts
        self._jobs: dict[str, _Waiting] = {}
        self._served: dict[str, int] = {}
        self._numbers = itertools.count(1)

    async def put(self, recording: Recording) -> None:
        transcript = await self._transcripts.of_recording(recording.id)
        if transcript is None:
            self._transcripts.announce(recording)
        elif transcript.status.is_final:
            return
        waiting = _Waiting(recording.id, room_of(recording.object_key), next(self._numbers))
        self._jobs.setdefault(recording.id, waiting)

    async def turns(self, instance: str, besides: Collection[str], most: int) -> list[str]:
        rows = {one: await self._transcripts.of_recording(one) for one in self._jobs}
        self._jobs = {one: self._jobs[one] for one, row in rows.items() if row and not row.status.is_final}
        holders = {one: self._transcripts.holder(one) for one in self._jobs}
        busy = Counter(job.room for one, job in self._jobs.items() if holders[one])
        firsts: dict[str, _Waiting] = {}
        for job in sorted(self._jobs.values(), key=lambda job: job.number):
            if holders[job.recording_id] in ("", instance) and job.recording_id not in besides:
                firsts.setdefault(job.room, job)
        fairest = sorted(firsts.values(), key=lambda job: (busy[job.room], self._served.get(job.room, 0), job.number))
        return [job.recording_id for job in fairest[:most]]

    async def served(self, recording_id: str) -> None:
        if recording_id in self._jobs:
            self._served[self._jobs[recording_id].room] = next(self._numbers)
