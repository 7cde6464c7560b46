"""Settles what is due, and what events missed."""

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog

from chassis.errors import NotFound, ServiceError
from chassis.tasks import set_within
from recording_svc.consent import MALFORMED, UNREACHABLE
from recording_svc.domain.settling import Times
from recording_svc.reconciliation import Reconciliation
from recording_svc.settlement import Settlement
from recording_svc.store import Recordings

log = structlog.get_logger()

_AT_ONCE = 8
_BATCH = 100


class Sweep:
    """Looks at every recording when its time has come or `woken` is set, and now and then at the buckets."""

    def __init__(
        self,
        recordings: Recordings,
        settlement: Settlement,
        reconciliation: Reconciliation,
        times: Times,
        now: Callable[[], datetime],
        woken: asyncio.Event,
    ) -> None:
        self._recordings = recordings
        self._settlement = settlement
        self._reconciliation = reconciliation
        self._times = times
        self._now = now
        self._woken = woken
        # Whoever starts does not know what was waited for before.
        self._has_returned = True

    def ask_again(self) -> None:
        """consent_svc answers again: whatever waits for it is looked at now."""
        self._has_returned = True
        self._woken.set()

    async def run(self) -> None:
        """Settle what is due, until cancelled."""
        while True:
            self._woken.clear()
            try:
                await self._wake_silenced()
                while await self.settle_due() == _BATCH:
                    pass
            except ServiceError as error:
                log.warning("sweep_interrupted", error=f"{type(error).__name__}: {error}")
            await set_within(self._woken, self._times.retry.total_seconds())

    async def run_reconciliation(self, seconds: float) -> None:
        """Compare buckets and tables at once and then every so often, until cancelled."""
        while True:
            try:
                await self._reconciliation.reconcile()
                self._woken.set()
            except Exception as error:
                log.warning("reconciliation_interrupted", error=f"{type(error).__name__}: {error}")
            await asyncio.sleep(seconds)

    async def settle_due(self) -> int:
        """Settle one batch of what is due; returns how many."""
        now = self._now()
        due = await self._recordings.claim_due(now, now + self._times.sweep, _BATCH)
        bound = asyncio.Semaphore(_AT_ONCE)

        async def settle(recording_id: str) -> None:
            async with bound:
                await self._settle(recording_id)

        await asyncio.gather(*(settle(recording_id) for recording_id in due))
        return len(due)

    async def _wake_silenced(self) -> None:
        if self._has_returned:
            self._has_returned = False  # first: it may go and return again while the store is at it
            try:
                await self._recordings.look_now_for((UNREACHABLE, MALFORMED), self._now())
            except BaseException:
                self._has_returned = True
                raise

    async def _settle(self, recording_id: str) -> None:
        # It stays due at the time that claiming set: one that fails is looked at again, and stops no other.
        try:
            await self._settlement.settle(recording_id)
        except NotFound:
            log.warning("recording_vanished", recording_id=recording_id)
        except ServiceError as error:
            log.info("settling_deferred", recording_id=recording_id, reason=error.reason)
        except Exception as error:
            log.error("settling_failed", recording_id=recording_id, exc_info=error)
