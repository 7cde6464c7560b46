"""What a comparison of buckets and tables says about what it cannot account for, and what stops it not."""

from collections.abc import Collection
from typing import Any

import pytest
import structlog

from chassis.errors import InvalidArgument, Unavailable
from recording_svc.canary import CANARY_KEY
from recording_svc.domain.recordings import Arrival, CopyKind, CopyState, State
from recording_svc.metrics import Metrics
from tests.recording.comparing import Overlaid, comparing, orphans
from tests.recording.conftest import both_servers
from tests.recording.faults import denied, unreachable
from tests.recording.world import KEY, World

KEYS = [f"room-{number:02}-2026-11-22T11:20:00Z.mp4" for number in range(10)]

on_postgres = pytest.mark.parametrize("recordings", ["postgres"], indirect=True)
"""Cases about what a real column refuses."""


async def known(world: World) -> list[str]:
    found = await world.recordings.of_versions(world.cloud.recordings, KEYS)
    return sorted(one.object_key for one in found)


async def state_of_original(world: World, recording_id: str) -> CopyState:
    [copy] = [one for one in await world.recordings.copies(recording_id) if one.kind is CopyKind.ORIGINAL]
    return copy.state


async def test_r3_a_recording_of_a_bucket_that_is_no_longer_ours_ends_no_comparison(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recording_svc.buckets._BATCH", 3)
    before = "room-01-2025-11-22T11:20:00Z.mp4"
    [old] = await world.recordings.take_in([Arrival("bucket-that-is-gone", before, "v1", 5)], world.clock())
    world.clock.advance(seconds=1)
    for key in KEYS:
        world.cloud.put(key)
    found = await world.reconciliation.reconcile()
    assert (found.taken_in, found.missing) == (10, 0)
    assert await known(world) == KEYS
    assert await state_of_original(world, old.recording_id) is CopyState.PRESENT


@pytest.mark.parametrize("fault", [unreachable(), denied("ListObjectVersions", "InternalError"), KeyError("Versions")])
async def test_a_question_about_one_key_without_an_answer_ends_no_comparison(world: World, fault: Exception) -> None:
    lost = [await world.arrive(key) for key in KEYS[:2]]
    for one in lost:
        where = {"Bucket": one.bucket, "Key": one.object_key, "VersionId": one.version_id}
        world.cloud.oracle.delete_object(**where)
    world.cloud.put(KEYS[5])
    world.cloud.put("stranger.mp3", bucket=world.cloud.audio)
    world.clock.advance(seconds=1)

    def silent(**asked: Any) -> None:
        if asked.get("Prefix") == KEYS[0]:
            raise fault

    world.s3.before["list_object_versions"] = silent
    with structlog.testing.capture_logs() as logs:
        found = await world.reconciliation.reconcile()
    assert (found.taken_in, found.missing, found.unaccounted) == (1, 1, 1)
    assert [one["object_key"] for one in logs if one["event"] == "original_not_looked_for"] == [KEYS[0]]
    world.s3.before.clear()
    assert (await world.reconciliation.reconcile()).missing == 1


@pytest.mark.parametrize("question", ["of_versions", "take_in"])
@pytest.mark.parametrize("number", [0, 4, 9])
async def test_r3_one_object_that_the_store_cannot_hold_keeps_none_of_its_page_out(
    world: World, question: str, number: int
) -> None:
    for key in KEYS:
        world.cloud.put(key)
    real = getattr(world.recordings, question)

    async def refuse(*arguments: Any) -> Any:
        asked = arguments[0] if question == "take_in" else arguments[1]
        if KEYS[number] in {one.key if isinstance(one, Arrival) else one for one in asked}:
            raise InvalidArgument("no column can hold it", reason="VALUE_INVALID")
        return await real(*arguments)

    store = Overlaid(world.recordings, **{question: refuse})
    world.intake._recordings = store
    with structlog.testing.capture_logs() as logs:
        found = await comparing(world, recordings=store).reconcile()
    assert (found.objects, found.taken_in, found.unaccounted, found.missing) == (10, 9, 1, 0)
    assert [one["key"] for one in logs if one["event"] == "audio_unaccounted"] == [KEYS[number]]
    assert await known(world) == [key for key in KEYS if key != KEYS[number]]


async def test_r3_a_store_that_is_away_is_not_asked_object_by_object(world: World) -> None:
    for key in KEYS:
        world.cloud.put(key)
    asked = []

    async def away(_: str, keys: Collection[str]) -> Any:
        asked.append(keys)
        raise Unavailable("away", reason="DATABASE_UNAVAILABLE")

    with pytest.raises(Unavailable):
        await comparing(world, recordings=Overlaid(world.recordings, of_versions=away)).reconcile()
    assert len(asked) == 1


class Renamed:
    """A bucket whose listings bear other keys than it was given: some that no store of ours can hold."""

    def __init__(self, s3: Any, names: dict[str, str]) -> None:
        self._s3 = s3
        self._names = names

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._s3, name)
        if name != "list_object_versions":
            return real

        async def call(**asked: Any) -> Any:
            if "KeyMarker" in asked:
                given = {name: key for key, name in self._names.items()}
                asked["KeyMarker"] = given.get(asked["KeyMarker"], asked["KeyMarker"])
            page = await real(**asked)
            for one in page.get("Versions", []):
                one["Key"] = self._names.get(one["Key"], one["Key"])
            for marker in page.keys() & {"NextKeyMarker"}:
                page[marker] = self._names.get(page[marker], page[marker])
            return page

        return call


@on_postgres
@pytest.mark.parametrize("number", [3, 5], ids=["first of a page", "last of a page"])
async def test_r3_a_key_with_a_nul_keeps_no_other_out_of_postgres(
    world: World, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr("recording_svc.buckets._BATCH", 3)
    for key in KEYS:
        world.cloud.put(key)
        world.cloud.put(key.replace("mp4", "mp3"), bucket=world.cloud.audio)
    names = {KEYS[number]: KEYS[number].replace("-", "\0")}
    names |= {one.replace("mp4", "mp3"): other.replace("mp4", "mp3") for one, other in names.items()}
    world.s3._s3 = Renamed(world.s3._s3, names)
    found = await comparing(world).reconcile()
    assert (found.taken_in, found.unaccounted) == (9, 1 + 10)
    assert await known(world) == [key for key in KEYS if key != KEYS[number]]
    assert (await comparing(world).reconcile()).missing == 0


@pytest.mark.parametrize(
    "key", ["a-2026-11-22T11:20:00Z.webm", "a-2026-11-22T11:20:00Z.m4a", "a-2026-11-22T11:20:00Z.mp4.part", "a"]
)
async def test_r5_an_object_beside_the_recordings_is_said_and_left(world: World, key: str) -> None:
    world.cloud.put(key)
    world.cloud.put(key)
    with structlog.testing.capture_logs() as logs:
        found = await world.reconciliation.reconcile()
    assert (found.objects, found.taken_in, found.unaccounted) == (0, 0, 1)
    said = [(one["bucket"], one["key"]) for one in logs if one["event"] == "audio_unaccounted"]
    assert said == [(world.cloud.recordings, key)]
    assert world.lying() == [("version", key)] * 2


async def test_what_holds_no_audio_beside_the_recordings_is_accounted_for(world: World) -> None:
    world.cloud.put(CANARY_KEY)
    world.cloud.put(CANARY_KEY, bucket=world.cloud.audio)
    world.cloud.put("folder/", b"")
    found = await world.reconciliation.reconcile()
    assert (found.unaccounted, found.empty) == (0, 1)


@both_servers
async def test_an_original_that_lies_there_after_all_is_present_again(world: World) -> None:
    recording = await world.arrive()
    await world.settle(recording)
    await world.recordings.lose_original(recording.recording_id, world.clock())
    assert await state_of_original(world, recording.recording_id) is CopyState.GONE
    world.clock.advance(seconds=1)
    with structlog.testing.capture_logs() as logs:
        await world.reconciliation.reconcile()
    assert [one["recording_ids"] for one in logs if one["event"] == "original_found_again"] == [
        [recording.recording_id]
    ]
    assert await state_of_original(world, recording.recording_id) is CopyState.PRESENT
    where = {"Bucket": recording.bucket, "Key": KEY, "VersionId": recording.version_id}
    world.cloud.oracle.delete_object(**where)
    assert (await world.reconciliation.reconcile()).missing == 1


async def test_d5_an_erased_original_is_not_present_because_a_listing_of_before_showed_it(world: World) -> None:
    recording = await world.arrive()
    world.clock.advance(seconds=1)

    async def erase(_: Any) -> None:
        world.s3.after.clear()
        world.neighbours.refuse()
        assert (await world.settle(recording)).state is State.ERASED

    world.s3.after["list_object_versions"] = erase
    await world.reconciliation.reconcile()
    assert await state_of_original(world, recording.recording_id) is CopyState.GONE


async def test_what_was_missing_when_a_comparison_broke_off_is_told_by_the_next(world: World) -> None:
    recording = await world.arrive()
    where = {"Bucket": recording.bucket, "Key": KEY, "VersionId": recording.version_id}
    world.cloud.oracle.delete_object(**where)
    world.clock.advance(seconds=1)

    def away(**asked: Any) -> None:
        if asked["Bucket"] == world.cloud.audio:
            raise unreachable()

    world.s3.before["list_object_versions"] = away
    metrics = Metrics(world.clock)
    reconciliation = comparing(world, metrics=metrics)
    with pytest.raises(Exception, match="endpoint URL"):
        await reconciliation.reconcile()
    world.s3.before.clear()
    await reconciliation.reconcile()
    assert orphans(metrics)["missing"] == 1
    await reconciliation.reconcile()
    assert orphans(metrics)["missing"] == 0
