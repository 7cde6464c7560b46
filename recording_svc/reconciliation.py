"""Compares what lies in the buckets with what the tables say, and brings them together.

Objects that no event announced become recordings, erased audio that came back becomes due for erasure, and
what nobody can account for is said in the log: nothing is removed here, since removing needs a reason.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from chassis.errors import Unavailable
from recording_svc.buckets import AudioBuckets
from recording_svc.canary import CANARY_KEY
from recording_svc.domain.recordings import Arrival, Recording, State
from recording_svc.listings import Listing, Listings, Mark
from recording_svc.metrics import Metrics
from recording_svc.notifications import is_recording
from recording_svc.remnants import Remnant, RemnantKind
from recording_svc.store import Recordings

log = structlog.get_logger()

_PURPOSE = "reconciliation"
_STALE = timedelta(minutes=10)
"""R3: what lies in the part that was listed before has to be found within this time."""
_ABANDONED = timedelta(days=1)
"""No recording takes that long to be uploaded; the buckets' own rule should have aborted it by then."""
_BATCH = 1000
"""Most keys that the store is asked about at once."""
_TOLD = 100
"""Most keys in one line of the log."""
_ORPHANS = {
    "unannounced": "taken_in",
    "came_back": "came_back",
    "missing": "missing",
    "unaccounted": "unaccounted",
    "empty": "empty",
    "unfinished_uploads": "unfinished_uploads",
    "stale_uploads": "stale_uploads",
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
    stale_uploads: int = 0
    resumed: int = 0


@dataclass(frozen=True)
class _Range:
    """The keys that a page is about, both ends included; what is asked for was there before `since`."""

    since: datetime
    first: str
    last: str


_Compare = Callable[[Sequence[Remnant], _Range, Findings], Awaitable[None]]
_Judge = Callable[[Sequence[Remnant], Findings], Awaitable[None]]


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
        # Each is noted as missing once: what a comparison found that broke off, the next one has to tell.
        self._missing_untold = 0

    async def reconcile(self) -> Findings:
        """One comparison of everything; one that was broken off goes on where it was left.

        Raises where S3 or the database does not answer, once the other bucket has been looked at.
        """
        found, failures = Findings(missing=self._missing_untold), []
        for bucket, compare in (
            (self._recordings_bucket, self._compare_recordings),
            (self._audio_bucket, self._compare_derived),
        ):
            try:
                await self._list(bucket, compare, found)
            except Exception as error:
                log.warning("listing_broken_off", bucket=bucket, error=f"{type(error).__name__}: {error}")
                failures.append(error)
        self._missing_untold = found.missing
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
            left = _storable(following) if following else None
            await compare(page, _Range(since, first, left.key if left else ""), found)
            if left:
                await self._listings.leave(bucket, _PURPOSE, Listing(begun_at, left))
                since, was_left, first = self._now(), True, left.key
        if was_left:
            await self._listings.finish(bucket, _PURPOSE)

    async def _compare_recordings(self, page: Sequence[Remnant], keys: _Range, found: Findings) -> None:
        versions = [one for one in page if one.kind is RemnantKind.VERSION]
        lying = [one for one in versions if is_recording(one.key)]
        found.objects += len(lying)
        await self._judge(lying, self._account_for, found)
        self._say_strangers([one for one in versions if not is_recording(one.key)], found)
        await self._miss({(one.key, one.version_id) for one in lying}, keys, found)

    async def _judge(self, listed: Sequence[Remnant], judge: _Judge, found: Findings) -> None:
        """Judge all together. Where the store refuses that, halve it until it is known what it cannot hold."""
        if not listed:
            return
        try:
            await judge(listed, found)
        except (Unavailable, OSError):
            raise
        except Exception as error:
            if len(listed) == 1:
                self._say_unaccounted(listed[0], found, error=f"{type(error).__name__}: {error}")
                return
            half = len(listed) // 2
            await self._judge(listed[:half], judge, found)
            await self._judge(listed[half:], judge, found)

    async def _account_for(self, lying: Sequence[Remnant], found: Findings) -> None:
        known = {
            (one.object_key, one.version_id): one
            for one in await self._recordings.of_versions(self._recordings_bucket, {one.key for one in lying})
        }
        new = [one for one in lying if (one.key, one.version_id) not in known]
        found.taken_in += await self._take_in(
            [Arrival(one.bucket, one.key, one.version_id, one.size_bytes) for one in new if one.size_bytes]
        )
        here = [known[one.key, one.version_id] for one in lying if (one.key, one.version_id) in known]
        if again := await self._recordings.find_originals([one.recording_id for one in here]):
            log.warning("original_found_again", recording_ids=again)
        await self._wake_erased([one.recording_id for one in here if one.state is State.ERASED], found)
        # As of a notification of one: there is no audio in it, and somebody is told by the dead letter.
        found.empty += sum(not one.size_bytes for one in new)

    async def _miss(self, seen: set[tuple[str, str]], keys: _Range, found: Findings) -> None:
        bucket = self._recordings_bucket
        # Asked for after the listing: what is being erased by now is not missing.
        expected = await self._recordings.with_original(bucket, keys.since, keys.first, keys.last)
        for recording_id, place in expected.items():
            if place not in seen and await self._is_gone(*place):
                found.missing += 1
                log.error("original_missing", recording_id=recording_id, bucket=bucket, object_key=place[0],
                          version_id=place[1])  # fmt: skip
                await self._recordings.lose_original(recording_id, self._now())

    async def _is_gone(self, key: str, version_id: str) -> bool:
        """Asked of the key alone: the versions of one key may lie on two pages, one of them read before a restart."""
        try:
            versions = await self._audio.versions_of(self._recordings_bucket, key)
        except Exception as error:
            # It stays expected: the next comparison asks again.
            log.warning("original_not_looked_for", bucket=self._recordings_bucket, object_key=key,
                        error=f"{type(error).__name__}: {error}")  # fmt: skip
            return False
        return version_id not in {one.version_id for one in versions}

    async def _compare_derived(self, page: Sequence[Remnant], _: _Range, found: Findings) -> None:
        lying = {one.key: one for one in page if one.kind is RemnantKind.VERSION}
        found.objects += len(lying)
        await self._judge(list(lying.values()), self._account_for_derived, found)

    async def _account_for_derived(self, lying: Sequence[Remnant], found: Findings) -> None:
        known = await self._known(lying)
        await self._wake_erased(_erased(known), found)
        self._say_strangers([one for one in lying if one.key not in known], found)

    async def _compare_uploads(self, found: Findings) -> None:
        for bucket in (self._recordings_bucket, self._audio_bucket):
            uploads = await self._audio.list_uploads(bucket)
            found.unfinished_uploads += len(uploads)
            for start in range(0, len(uploads), _BATCH):
                await self._judge(uploads[start : start + _BATCH], self._account_for_uploads, found)

    async def _account_for_uploads(self, uploads: Sequence[Remnant], found: Findings) -> None:
        known = await self._known(uploads)
        await self._wake_erased(_erased(known), found)
        begun_before = self._now() - _ABANDONED
        stale = [one for one in uploads if one.modified_at < begun_before and one.key not in known]
        if stale:
            found.stale_uploads += len(stale)
            keys = sorted({one.key for one in stale})
            log.error("stale_uploads", bucket=stale[0].bucket, uploads=len(stale), keys=keys[:_TOLD])

    async def _known(self, listed: Sequence[Remnant]) -> Mapping[str, Sequence[Recording]]:
        """Whose audio these keys, all of one bucket, may hold: originals by their own key, mp3s as registered."""
        bucket, keys = listed[0].bucket, {one.key for one in listed}
        if bucket == self._audio_bucket:
            return {key: [one] for key, one in (await self._recordings.holders(bucket, keys)).items()}
        known: dict[str, list[Recording]] = {}
        for one in await self._recordings.of_versions(bucket, keys):
            known.setdefault(one.object_key, []).append(one)
        return known

    async def _wake_erased(self, recording_ids: Sequence[str], found: Findings) -> None:
        for start in range(0, len(recording_ids), _BATCH):
            woken = recording_ids[start : start + _BATCH]
            log.warning("erased_audio_found", recording_ids=list(woken))
            await self._recordings.look_now(woken, self._now())
            found.came_back += len(woken)

    def _say_strangers(self, strangers: Sequence[Remnant], found: Findings) -> None:
        """Objects that nobody put here for us. What is empty, as a folder that a console made, holds no audio."""
        by_key = {one.key: one for one in strangers if one.size_bytes and one.key != CANARY_KEY}
        found.empty += len({one.key for one in strangers if not one.size_bytes} - by_key.keys())
        for _, one in sorted(by_key.items()):
            self._say_unaccounted(one, found)

    def _say_unaccounted(self, one: Remnant, found: Findings, **why: str) -> None:
        found.unaccounted += 1
        log.error("audio_unaccounted", bucket=one.bucket, key=one.key, **why)

    def _tell(self, found: Findings) -> None:
        log.info("reconciled", **vars(found))
        self._missing_untold = 0
        if self._metrics:
            for kind, figure in _ORPHANS.items():
                self._metrics.orphans.labels(kind).set(getattr(found, figure))


def _erased(known: Mapping[str, Sequence[Recording]]) -> list[str]:
    return sorted({one.recording_id for some in known.values() for one in some if one.state is State.ERASED})


def _storable(mark: Mark) -> Mark:
    """A mark that no column refuses. Where it is cut, the listing goes on a little earlier."""
    key, nul, _ = mark.key.partition("\0")
    return Mark(key) if nul else mark
