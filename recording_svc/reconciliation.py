"""Compares what lies in the buckets with what the tables say, and brings them together.

Objects that no event announced become recordings, erased audio that came back becomes due for erasure, and
what nobody can account for is said in the log: nothing is removed here, since removing needs a reason.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from recording_svc.buckets import AudioBuckets
from recording_svc.domain import Arrival, State
from recording_svc.notifications import is_recording
from recording_svc.remnants import Remnant, RemnantKind
from recording_svc.store import Recordings

log = structlog.get_logger()


@dataclass
class Findings:
    """What one comparison found."""

    objects: int = 0
    taken_in: int = 0
    came_back: int = 0
    missing: int = 0
    unaccounted: int = 0
    unfinished_uploads: int = 0


class Reconciliation:
    """Compares both buckets with the tables."""

    def __init__(
        self,
        audio: AudioBuckets,
        recordings_bucket: str,
        audio_bucket: str,
        recordings: Recordings,
        take_in: Callable[[Sequence[Arrival]], Awaitable[int]],
        now: Callable[[], datetime],
    ) -> None:
        self._audio = audio
        self._recordings_bucket = recordings_bucket
        self._audio_bucket = audio_bucket
        self._recordings = recordings
        self._take_in = take_in
        self._now = now

    async def reconcile(self) -> Findings:
        """One comparison of everything. Raises where S3 or the database does not answer."""
        found = Findings()
        await self._compare_recordings(found)
        await self._compare_derived(found)
        await self._compare_uploads(found)
        log.info("reconciled", **vars(found))
        return found

    async def _compare_recordings(self, found: Findings) -> None:
        expected = await self._recordings.with_original(self._now())
        seen: set[tuple[str, str, str]] = set()
        async for page in self._audio.list_versions(self._recordings_bucket):
            lying = [one for one in page if one.kind is RemnantKind.VERSION and is_recording(one.key)]
            seen.update((one.bucket, one.key, one.version_id) for one in lying)
            await self._account_for(lying, found)
        for recording_id, place in expected.items():
            if place not in seen:
                found.missing += 1
                log.error("original_missing", recording_id=recording_id, bucket=place[0], object_key=place[1],
                          version_id=place[2])  # fmt: skip
                await self._recordings.lose_original(recording_id, self._now())

    async def _account_for(self, lying: Sequence[Remnant], found: Findings) -> None:
        found.objects += len(lying)
        known = {
            (one.object_key, one.version_id): one
            for one in await self._recordings.of_versions(self._recordings_bucket, {one.key for one in lying})
        }
        new = [one for one in lying if (one.key, one.version_id) not in known]
        found.taken_in += await self._take_in(
            [Arrival(one.bucket, one.key, one.version_id, one.size_bytes) for one in new]
        )
        here = [known[one.key, one.version_id] for one in lying if (one.key, one.version_id) in known]
        await self._wake_erased([one.recording_id for one in here if one.state is State.ERASED], found)

    async def _compare_derived(self, found: Findings) -> None:
        async for page in self._audio.list_versions(self._audio_bucket):
            keys = {one.key for one in page if one.kind is RemnantKind.VERSION}
            found.objects += len(keys)
            holders = await self._recordings.holders(self._audio_bucket, keys)
            erased = {one.recording_id for one in holders.values() if one.state is State.ERASED}
            await self._wake_erased(sorted(erased), found)
            for key in sorted(keys - holders.keys()):
                found.unaccounted += 1
                log.error("audio_unaccounted", bucket=self._audio_bucket, key=key)

    async def _compare_uploads(self, found: Findings) -> None:
        originals = await self._audio.list_uploads(self._recordings_bucket)
        derived = await self._audio.list_uploads(self._audio_bucket)
        found.unfinished_uploads = len(originals) + len(derived)
        of_keys = await self._recordings.of_versions(self._recordings_bucket, {one.key for one in originals})
        holders = await self._recordings.holders(self._audio_bucket, {one.key for one in derived})
        erased = {one.recording_id for one in (*of_keys, *holders.values()) if one.state is State.ERASED}
        await self._wake_erased(sorted(erased), found)

    async def _wake_erased(self, recording_ids: Sequence[str], found: Findings) -> None:
        if recording_ids:
            found.came_back += len(recording_ids)
            log.warning("erased_audio_found", recording_ids=list(recording_ids))
            await self._recordings.look_now(recording_ids, self._now())
