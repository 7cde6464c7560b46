"""Shows now and then that erasing works: puts an object of its own into each bucket, and erases it like audio."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from recording_svc.erasure import Blocked, Erasure, Gone, Outcome, Pending
from recording_svc.metrics import Metrics
from recording_svc.remnants import Place, Remnant
from recording_svc.store import Recordings

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client

log = structlog.get_logger()

CANARY_KEY = "assent-canary/object"
"""Of no recording's kind: its notification is acknowledged, and nothing takes it in."""
_LOCK = "assent-canary"
_BODY = b"No audio. Put by Assent to see that it can be erased; safe to delete."


class Canary:
    """Puts and erases one object in each bucket. It touches no other key, whatever comes of it."""

    def __init__(
        self,
        s3: "S3Client",
        erasure: Erasure,
        buckets: Sequence[str],
        recordings: Recordings,
        metrics: Metrics,
        now: Callable[[], datetime],
    ) -> None:
        self._s3 = s3
        self._erasure = erasure
        self._buckets = buckets
        self._recordings = recordings
        self._metrics = metrics
        self._now = now

    async def run(self, seconds: float) -> None:
        """Once at the start and then every so often, until cancelled; 0 is never."""
        if seconds:
            # Its age grows from here on also where it never comes through.
            self._metrics.canary_came_through(self._now())
        while seconds:
            await self.sing()
            await asyncio.sleep(seconds)

    async def sing(self) -> bool:
        """Try every bucket; tells whether all were put, seen, erased and found gone. Raises nothing."""
        try:
            # Two replicas would erase each other's.
            async with self._recordings.exclusively(_LOCK) as is_ours:
                if not is_ours:
                    log.info("canary_left_to_another")
                    return False
                faults = {bucket: fault for bucket in self._buckets if (fault := await self._try(bucket))}
        except Exception as error:
            faults = {"database": f"{type(error).__name__}: {error}"}
        for where, fault in faults.items():
            log.error("canary_failed", where=where, fault=fault)
        if not faults:
            log.info("canary_passed", buckets=list(self._buckets))
            self._metrics.canary_came_through(self._now())
        return not faults

    async def _try(self, bucket: str) -> str:
        """What stood in the way; empty where it is gone again."""
        seen: set[str] = set()

        async def note(remnants: Sequence[Remnant]) -> None:
            seen.update(one.version_id for one in remnants)

        try:
            version = (await self._s3.put_object(Bucket=bucket, Key=CANARY_KEY, Body=_BODY)).get("VersionId", "null")
            # Every version: also what a canary left that was stopped on the way.
            fault = _fault(await self._erasure.erase([Place(bucket, CANARY_KEY)], note))
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return fault or ("" if version in seen else "the object that was put was not listed")


def _fault(outcome: Outcome) -> str:
    match outcome:
        case Gone():
            return ""
        case Blocked(reason=reason) | Pending(reason=reason):
            return reason
