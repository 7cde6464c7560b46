"""Compares what lies in the buckets with what the tables say, and brings them together.

Objects that no event announced become recordings, erased audio that came back becomes due for erasure, and
what nobody can account for is said in the log: nothing is removed here, since removing needs a reason.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from recording_svc.buckets import AudioBuckets
from recording_svc.canary import CANARY_KEY
from recording_svc.domain.recordings import Arrival, State
from recording_svc.listings import Listing, Listings, Mark
from recording_svc.metrics import Metrics
from recording_svc.notifications import is_recording
from recording_svc.remnants import Remnant, RemnantKind
from recording_svc.store import Recordings

log = structlog.get_logger()

_PURPOSE = "reconciliation"
_STALE = timedelta(minutes=10)
"""R3: what lies in the part that was listed before has to be found within this time."""
_ORPHANS = {
    "unannounced": "taken_in",
    "came_back": "came_back",
    "missing": "missing",
    "unaccounted": "unaccounted",
    "empty": "empty",
    "unfinished_uploads": "unfinished_uploads",
}


@dataclass
class Findings:
    """What one comparison found. Of a listing that was taken up again, what its rest showed."""

    objects: int = 0
    taken_in: int = 0
    came_back: int = 0
    missing: int = 0
    unaccounted: int = 0
    empty: int = 0
    unfinished_uploads: int = 0
    resumed: int = 0


@dataclass(frozen=True)
class _Range:
    """The keys that a page is about, both ends included; what is asked for was there before `since`."""

    since: datetime
    first: str
    last: str


_Compare = Callable[[Sequence[Remnant], _Range, Findings], Awaitable[None]]


class Reconciliation:
    """Compares both buckets with the tables.

    A listing shows keys in their order and cannot be asked for what is new; keys begin with the room, so no
    prefix names it either. Each comparison therefore lists all of it, a page at a time, and every page is
    judged by itself: what a listing has not come to yet, nobody calls missing.
    """

    def __init__(
        self,
        audio: AudioBuckets,
        recordings_bucket: str,
        audio_bucket: str,
        recordings: Recordings,
        listings: Listings,
        take_in: Callable[[Sequence[Arrival]], Awaitable[int]],
        now: Callable[[], datetime],
        metrics: Metrics | None = None,
    ) -> None:
        self._audio = audio
        self._recordings_bucket = recordings_bucket
        self._audio_bucket = audio_bucket
        self._recordings = recordings
        self._listings = listings
        self._take_in = take_in
        self._now = now
        self._metrics = metrics

    async def reconcile(self) -> Findings:
        """One comparison of everything; one that was broken off goes on where it was left.

        Raises where S3 or the database does not answer, once the other bucket has been looked at.
        """
        found, failures = Findings(), []
        for bucket, compare in (
            (self._recordings_bucket, self._compare_recordings),
            (self._audio_bucket, self._compare_derived),
        ):
            try:
                await self._list(bucket, compare, found)
            except Exception as error:
                log.warning("listing_broken_off", bucket=bucket, error=f"{type(error).__name__}: {error}")
                failures.append(error)
        if failures:
            raise failures[0]
        await self._compare_uploads(found)
        self._tell(found)
        return found

    async def _list(self, bucket: str, compare: _Compare, found: Findings) -> None:
        left = await self._listings.left(bucket, _PURPOSE)
        if left:
            log.info("listing_taken_up", bucket=bucket, key=left.mark.key, begun_at=left.begun_at.isoformat())
            found.resumed += 1
            await self._list_from(bucket, left.mark, left.begun_at, compare, found)
        begun_at = self._now()
        if left is None or begun_at - left.begun_at >= _STALE:
            await self._list_from(bucket, None, begun_at, compare, found)

    async def _list_from(
        self, bucket: str, mark: Mark | None, begun_at: datetime, compare: _Compare, found: Findings
    ) -> None:
        since, was_left, first = self._now(), mark is not None, mark.key if mark else ""
        async for page, following in self._audio.list_versions(bucket, mark):
            await compare(page, _Range(since, first, following.key if following else ""), found)
            if following:
                await self._listings.leave(bucket, _PURPOSE, Listing(begun_at, following))
                since, was_left, first = self._now(), True, following.key
        if was_left:
            await self._listings.finish(bucket, _PURPOSE)

    async def _compare_recordings(self, page: Sequence[Remnant], keys: _Range, found: Findings) -> None:
        lying = [one for one in page if one.kind is RemnantKind.VERSION and is_recording(one.key)]
        await self._account_for(lying, found)
        seen = {(one.bucket, one.key, one.version_id) for one in lying}
        # Asked for after the listing: what is being erased by now is not missing.
        expected = await self._recordings.with_original(keys.since, keys.first, keys.last)
        for recording_id, place in expected.items():
            if place not in seen and await self._is_gone(*place):
                found.missing += 1
                log.error("original_missing", recording_id=recording_id, bucket=place[0], object_key=place[1],
                          version_id=place[2])  # fmt: skip
                await self._recordings.lose_original(recording_id, self._now())

    async def _is_gone(self, bucket: str, key: str, version_id: str) -> bool:
        """Asked of the key alone: the versions of one key may lie on two pages, one of them read before a restart."""
        return version_id not in {one.version_id for one in await self._audio.versions_of(bucket, key)}

    async def _account_for(self, lying: Sequence[Remnant], found: Findings) -> None:
        found.objects += len(lying)
        known = {
            (one.object_key, one.version_id): one
            for one in await self._recordings.of_versions(self._recordings_bucket, {one.key for one in lying})
        }
        new = [one for one in lying if (one.key, one.version_id) not in known]
        # As of a notification of one: there is no audio in it, and somebody is told by the dead letter.
        found.empty += sum(not one.size_bytes for one in new)
        found.taken_in += await self._take_in(
            [Arrival(one.bucket, one.key, one.version_id, one.size_bytes) for one in new if one.size_bytes]
        )
        here = [known[one.key, one.version_id] for one in lying if (one.key, one.version_id) in known]
        await self._wake_erased([one.recording_id for one in here if one.state is State.ERASED], found)

    async def _compare_derived(self, page: Sequence[Remnant], _: _Range, found: Findings) -> None:
        keys = {one.key for one in page if one.kind is RemnantKind.VERSION}
        found.objects += len(keys)
        holders = await self._recordings.holders(self._audio_bucket, keys)
        erased = {one.recording_id for one in holders.values() if one.state is State.ERASED}
        await self._wake_erased(sorted(erased), found)
        for key in sorted(keys - holders.keys() - {CANARY_KEY}):
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

    def _tell(self, found: Findings) -> None:
        log.info("reconciled", **vars(found))
        if self._metrics:
            for kind, figure in _ORPHANS.items():
                self._metrics.orphans.labels(kind).set(getattr(found, figure))
