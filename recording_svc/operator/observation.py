"""Reads the figures that only the store and SQS know, now and then, for Prometheus."""

import asyncio
import math
from typing import TYPE_CHECKING

import structlog

from recording_svc.metrics import Metrics
from recording_svc.operator.desk import Desk
from recording_svc.operator.redrive import depth

if TYPE_CHECKING:
    from types_aiobotocore_sqs.client import SQSClient

log = structlog.get_logger()

_DEAD_LETTERS_SECONDS = 60.0
"""Every question to SQS costs."""


class Observation:
    """Keeps `metrics` up to date. What cannot be read is told as not known, and stops nothing."""

    def __init__(self, metrics: Metrics, desk: Desk, sqs: "SQSClient", dead_letters: str, sweep_seconds: float) -> None:
        self._metrics = metrics
        self._desk = desk
        self._sqs = sqs
        self._dead_letters = dead_letters
        self._seconds = sweep_seconds

    async def run_store(self) -> None:
        """Ask the store once a sweep, until cancelled."""
        while True:
            await self.look_at_store()
            await asyncio.sleep(self._seconds)

    async def run_dead_letters(self) -> None:
        """Ask SQS once a minute at most, until cancelled."""
        while True:
            await self.look_at_dead_letters()
            await asyncio.sleep(max(self._seconds, _DEAD_LETTERS_SECONDS))

    async def look_at_store(self) -> None:
        """One question to the store; the figures' age goes on growing where it does not answer."""
        try:
            self._metrics.show(await self._desk.figures())
        except Exception as error:
            log.warning("figures_not_read", error=f"{type(error).__name__}: {error}")

    async def look_at_dead_letters(self) -> None:
        """One question to SQS."""
        try:
            self._metrics.dead_letters.set(await depth(self._sqs, self._dead_letters))
        except Exception as error:
            self._metrics.dead_letters.set(math.nan)
            log.warning("dead_letters_not_counted", error=f"{type(error).__name__}: {error}")
