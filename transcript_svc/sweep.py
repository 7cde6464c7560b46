"""Asks recording_svc now and then for what no event told: events may be lost, a match and an erasure must not be."""

import asyncio

import structlog

from chassis.errors import ServiceError
from transcript_svc.domain import Transcript
from transcript_svc.settlement import Settlement
from transcript_svc.store import Transcripts

log = structlog.get_logger()

_AT_ONCE = 4
_BATCH = 100


class Sweep:
    """Goes round and round through the transcripts that may have changed hands or lost their audio."""

    def __init__(self, transcripts: Transcripts, settlement: Settlement, seconds: float, batch: int = _BATCH) -> None:
        self._transcripts = transcripts
        self._settlement = settlement
        self._seconds = seconds
        self._batch = batch
        # Where the last look ended. Each kind has its own, so that what stays unmatched for ever delays no erasure.
        self._ends = {False: "", True: ""}

    async def run(self) -> None:
        """Look at once and then every so often, until cancelled."""
        while True:
            try:
                await self.settle_some()
            except ServiceError as error:
                log.warning("sweep_interrupted", reason=error.reason)
            await asyncio.sleep(self._seconds)

    async def settle_some(self) -> None:
        """Settle the next batch of those that nobody can read yet, then the next of all others that have audio."""
        for matched in (False, True):
            bound = asyncio.Semaphore(_AT_ONCE)
            found = await self._next(matched=matched)
            await asyncio.gather(*(self._settle(transcript.recording_id, bound) for transcript in found))

    async def _next(self, *, matched: bool) -> list[Transcript]:
        found = await self._transcripts.unsettled(matched=matched, size=self._batch, after=self._ends[matched])
        self._ends[matched] = found[-1].id if len(found) == self._batch else ""
        return found

    async def _settle(self, recording_id: str, bound: asyncio.Semaphore) -> None:
        # One that fails is looked at again on the next round, and stops no other.
        async with bound:
            try:
                await self._settlement.settle(recording_id)
            except ServiceError as error:
                log.info("settling_deferred", recording_id=recording_id, reason=error.reason)
            except Exception as error:
                log.error("settling_failed", recording_id=recording_id, exc_info=error)
