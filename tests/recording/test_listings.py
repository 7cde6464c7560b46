"""Comparing buckets and tables page by page: broken off, taken up again, and right about what is missing."""

from typing import Any

import pytest

from recording_svc.listings import Listing, Listings, Mark
from recording_svc.metrics import Metrics
from recording_svc.reconciliation import Reconciliation
from recording_svc.store import Recordings
from recording_svc.store.listings import PostgresListings
from recording_svc.store.postgres import PostgresRecordings
from tests.recording.conftest import both_servers
from tests.recording.faults import unreachable
from tests.recording.memory_listings import MemoryListings
from tests.recording.surroundings import NOON, Clock
from tests.recording.world import World

KEYS = [f"room-{number:02}-2026-11-22T11:20:00Z.mp4" for number in range(10)]


@pytest.fixture
def listings(recordings: Recordings) -> Listings:
    """In memory beside the store in memory, in Postgres beside the other."""
    return PostgresListings(recordings._database) if isinstance(recordings, PostgresRecordings) else MemoryListings()


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recording_svc.buckets._BATCH", 3)


class BreakingOff:
    """S3 answers `pages` listings of whole buckets, then none until told otherwise."""

    def __init__(self, world: World, pages: int) -> None:
        self.left = pages
        world.s3.before["list_object_versions"] = self

    def __call__(self, **asked: Any) -> None:
        if asked.get("Prefix"):
            return
        self.left -= 1
        if self.left < 0:
            raise unreachable()


def restarted(world: World, listings: Listings, metrics: Metrics | None = None) -> Reconciliation:
    """As a process that has just begun: nothing is known but what is stored."""
    audio: Any = world.reconciliation._audio
    buckets = (world.cloud.recordings, world.cloud.audio)
    return Reconciliation(audio, *buckets, world.recordings, listings, world.intake.take_in, world.clock, metrics)


async def originals_expected(world: World) -> dict[str, tuple[str, str]]:
    """Whose originals should be in the bucket by now."""
    return await world.recordings.with_original(world.cloud.recordings, world.clock())


async def test_what_was_left_is_known_until_it_is_finished(listings: Listings) -> None:
    assert await listings.left("bucket", "purpose") is None
    for mark in (Mark("b.mp4", "v1"), Mark("c.mp4")):
        await listings.leave("bucket", "purpose", Listing(NOON, mark))
        assert await listings.left("bucket", "purpose") == Listing(NOON, mark)
    assert await listings.left("bucket", "another") is None
    await listings.finish("bucket", "purpose")
    assert await listings.left("bucket", "purpose") is None


@both_servers
@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("pages", range(1, 5))
async def test_r3_a_listing_broken_off_goes_on_where_it_was_left(world: World, listings: Listings, pages: int) -> None:
    for key in KEYS:
        world.cloud.put(key)
    BreakingOff(world, pages)
    with pytest.raises(Exception, match="endpoint URL"):
        await restarted(world, listings).reconcile()
    before = len(await world.recordings.of_versions(world.cloud.recordings, KEYS))
    assert before == min(3 * pages, 10)
    world.s3.before.clear()
    found = await restarted(world, listings).reconcile()
    assert (found.taken_in, found.missing) == (10 - before, 0)
    assert len(await world.recordings.of_versions(world.cloud.recordings, KEYS)) == 10
    assert await listings.left(world.cloud.recordings, "reconciliation") is None


@both_servers
@pytest.mark.usefixtures("small_pages")
async def test_nothing_is_missing_that_was_not_looked_at(world: World, listings: Listings) -> None:
    ids = {(await world.arrive(key)).recording_id: key for key in KEYS}
    lost = {KEYS[1], KEYS[5], KEYS[9]}
    for key in lost:
        [version] = world.cloud.oracle.list_object_versions(Bucket=world.cloud.recordings, Prefix=key)["Versions"]
        world.cloud.oracle.delete_object(Bucket=world.cloud.recordings, Key=key, VersionId=version["VersionId"])
    world.clock.advance(seconds=1)
    there = set(await originals_expected(world))
    for _ in range(4):
        BreakingOff(world, 1)
        with pytest.raises(Exception, match="endpoint URL"):
            await restarted(world, listings).reconcile()
        left = set(await originals_expected(world))
        assert {ids[one] for one in there - left} <= lost
    world.s3.before.clear()
    await restarted(world, listings).reconcile()
    left = set(await originals_expected(world))
    assert {ids[one] for one in there - left} == lost


@pytest.mark.usefixtures("small_pages")
async def test_where_nothing_is_missing_hardly_any_key_is_asked_for_by_itself(world: World, listings: Listings) -> None:
    for key in KEYS:
        await world.arrive(key)
    world.clock.advance(seconds=1)
    world.s3.calls.clear()
    assert (await restarted(world, listings).reconcile()).missing == 0
    # Four pages and an empty bucket; and once for each key that a page ends with.
    assert world.s3.calls.count("list_object_versions") <= 4 + 1 + 3


@both_servers
@pytest.mark.usefixtures("small_pages")
async def test_versions_of_one_key_on_two_pages_are_all_there(world: World, listings: Listings) -> None:
    for number in range(7):
        world.clock.advance(seconds=1)
        await world.arrive(KEYS[0], b"%d" % number)
    world.clock.advance(seconds=1)
    BreakingOff(world, 2)
    with pytest.raises(Exception, match="endpoint URL"):
        await restarted(world, listings).reconcile()
    world.s3.before.clear()
    assert (await restarted(world, listings).reconcile()).missing == 0
    assert len(await originals_expected(world)) == 7


@both_servers
@pytest.mark.usefixtures("small_pages")
async def test_r3_a_listing_goes_on_though_what_it_was_left_at_is_gone(world: World, listings: Listings) -> None:
    for key in KEYS[:5]:
        await world.arrive(key)
    for key in KEYS[5:]:
        world.cloud.put(key)
    world.clock.advance(seconds=1)
    BreakingOff(world, 1)
    with pytest.raises(Exception, match="endpoint URL"):
        await restarted(world, listings).reconcile()
    world.s3.before.clear()
    left = await listings.left(world.cloud.recordings, "reconciliation")
    assert left
    assert left.mark.key == KEYS[2]
    where = {"Bucket": world.cloud.recordings, "Key": left.mark.key, "VersionId": left.mark.version_id}
    world.cloud.oracle.delete_object(**where)
    found = [await restarted(world, listings).reconcile() for _ in range(2)]
    # The one that somebody deleted, and no other.
    assert sum(one.missing for one in found) == 1
    assert len(await world.recordings.of_versions(world.cloud.recordings, KEYS)) == 10


@both_servers
@pytest.mark.usefixtures("small_pages")
async def test_what_is_erased_while_the_bucket_is_listed_is_not_missing(world: World, listings: Listings) -> None:
    going = [await world.arrive(key) for key in KEYS[:4]]
    world.clock.advance(seconds=1)
    pages = 0

    async def erase_one(reply: Any) -> None:
        nonlocal pages
        pages += 1
        # The listing's own second page; the erasure lists too.
        if pages == 2:
            world.s3.after.clear()
            world.neighbours.refuse()
            for one in going:
                await world.settle(one)

    world.s3.after["list_object_versions"] = erase_one
    assert (await restarted(world, listings).reconcile()).missing == 0
    assert world.lying() == []


@pytest.mark.usefixtures("small_pages")
async def test_r3_what_was_left_long_ago_is_finished_and_then_all_is_looked_at(
    world: World, listings: Listings
) -> None:
    for key in KEYS[1:]:
        world.cloud.put(key)
    BreakingOff(world, 2)
    with pytest.raises(Exception, match="endpoint URL"):
        await restarted(world, listings).reconcile()
    world.s3.before.clear()
    world.cloud.put(KEYS[0])
    world.clock.advance(hours=1)
    assert (await restarted(world, listings).reconcile()).taken_in == 4
    assert len(await world.recordings.of_versions(world.cloud.recordings, KEYS)) == 10


async def test_one_bucket_that_cannot_be_listed_keeps_none_of_the_other_waiting(world: World) -> None:
    recording = await world.arrive()
    mp3 = await world.write_mp3(recording)
    world.neighbours.refuse()
    await world.settle(recording)
    world.cloud.put(mp3, b"from a worker that was paused", world.cloud.audio)

    def away(**asked: Any) -> None:
        if asked["Bucket"] == world.cloud.recordings:
            raise unreachable()

    world.s3.before["list_object_versions"] = away
    with pytest.raises(Exception, match="endpoint URL"):
        await world.reconciliation.reconcile()
    world.s3.before.clear()
    await world.sweep.settle_due()
    assert world.lying() == []


async def test_an_empty_object_is_no_recording(world: World, listings: Listings, clock: Clock) -> None:
    world.cloud.put(KEYS[0], b"")
    world.cloud.put("stranger.mp3", bucket=world.cloud.audio)
    metrics = Metrics(clock)
    found = await restarted(world, listings, metrics).reconcile()
    assert (found.empty, found.taken_in, found.unaccounted) == (1, 0, 1)
    samples = [one for metric in metrics.registry.collect() for one in metric.samples]
    told = {one.labels["kind"]: one.value for one in samples if one.name == "assent_recording_orphans"}
    assert (told["empty"], told["unaccounted"], told["missing"]) == (1, 1, 0)


class Full:
    """A bucket that says it holds these keys, a version each: to put so many takes moto minutes."""

    def __init__(self, bucket: str, keys: list[str], breaking_off: BreakingOff) -> None:
        self._bucket = bucket
        self._keys = keys
        self._breaking_off = breaking_off

    def __call__(self, **asked: Any) -> dict[str, Any] | None:
        self._breaking_off(**asked)
        if asked["Bucket"] != self._bucket:
            return None
        left = [key for key in self._keys if key > asked.get("KeyMarker", "")]
        page = left[: asked["MaxKeys"]]
        versions = [{"Key": key, "VersionId": f"v-{key}", "Size": 1, "LastModified": NOON} for key in page]
        more = {"NextKeyMarker": page[-1], "NextVersionIdMarker": f"v-{page[-1]}"} if len(left) > len(page) else {}
        return {"Name": self._bucket, "Prefix": "", "Versions": versions, "IsTruncated": bool(more), **more}


async def test_r3_2500_objects_are_found_though_the_listing_breaks_off_twice(world: World, listings: Listings) -> None:
    keys = [f"room-{number:04}-2026-11-22T11:20:00Z.mp4" for number in range(2500)]
    for expected, pages in ((1000, 1), (2000, 1), (2500, 9)):
        world.s3.before["list_object_versions"] = Full(world.cloud.recordings, keys, BreakingOff(world, pages))
        if pages == 1:
            with pytest.raises(Exception, match="endpoint URL"):
                await restarted(world, listings).reconcile()
        else:
            assert (await restarted(world, listings).reconcile()).taken_in == 500
        assert len(await world.recordings.of_versions(world.cloud.recordings, keys)) == expected
    world.clock.advance(seconds=1)
    assert len(await originals_expected(world)) == 2500
