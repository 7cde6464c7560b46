"""Unfinished uploads of keys that no recording has: nobody may abort them, so somebody has to be told."""

from collections.abc import Collection
from datetime import timedelta
from typing import Any

import pytest
import structlog

from recording_svc.domain.recordings import State
from recording_svc.metrics import Metrics
from recording_svc.remnants import Remnant, RemnantKind
from tests.recording.comparing import Overlaid, comparing, orphans
from tests.recording.surroundings import NOON
from tests.recording.world import World

KEYS = [f"room-{number:02}-2026-11-22T11:20:00Z.mp4" for number in range(4)]


def upload(bucket: str, key: str, hours: float, number: int = 0) -> Remnant:
    """One that was begun so many hours before noon."""
    return Remnant(RemnantKind.UPLOAD, bucket, key, f"upload-{number}", 0, NOON - timedelta(hours=hours))


def with_uploads(world: World, uploads: list[Remnant]) -> Any:
    """The buckets, and in them these uploads: a server dates its own as it likes."""

    async def list_uploads(bucket: str, prefix: str = "") -> list[Remnant]:
        return [one for one in uploads if one.bucket == bucket and one.key.startswith(prefix)]

    return Overlaid(world.reconciliation._audio, list_uploads=list_uploads)


async def test_an_upload_of_no_recording_is_said_once_it_is_older_than_a_day(world: World) -> None:
    await world.arrive(KEYS[0])
    mp3 = await world.write_mp3(await world.arrive(KEYS[1]))
    ours, derived = world.cloud.recordings, world.cloud.audio
    uploads = [upload(ours, KEYS[0], 25), upload(derived, mp3, 25), upload(ours, KEYS[2], 23)]
    stale = [upload(ours, KEYS[3], 25), upload(ours, "a.webm", 300), upload(derived, "stranger.mp3", 25)]
    metrics = Metrics(world.clock)
    reconciliation = comparing(world, with_uploads(world, [*uploads, *stale]), metrics=metrics)
    with structlog.testing.capture_logs() as logs:
        found = await reconciliation.reconcile()
    assert (found.unfinished_uploads, found.stale_uploads) == (6, 3)
    said = {one["bucket"]: one["keys"] for one in logs if one["event"] == "stale_uploads"}
    assert said == {ours: ["a.webm", KEYS[3]], derived: ["stranger.mp3"]}
    assert (orphans(metrics)["stale_uploads"], orphans(metrics)["unfinished_uploads"]) == (3, 6)


async def test_more_uploads_than_one_question_may_name_are_asked_about_in_parts(world: World) -> None:
    recording = await world.arrive(KEYS[0])
    await world.settle(recording)
    world.neighbours.refuse()
    assert (await world.settle(recording)).state is State.ERASED
    ours = world.cloud.recordings
    uploads = [upload(ours, f"{number:05}.mp4", 25, number) for number in range(17_000)]
    uploads.append(upload(ours, KEYS[0], 1))
    asked: list[int] = []

    async def of_versions(bucket: str, keys: Collection[str]) -> Any:
        asked.append(len(keys))
        return await world.recordings.of_versions(bucket, keys)

    store = Overlaid(world.recordings, of_versions=of_versions)
    with structlog.testing.capture_logs() as logs:
        found = await comparing(world, with_uploads(world, uploads), store).reconcile()
    assert (found.stale_uploads, found.came_back, found.unaccounted) == (17_000, 1, 0)
    assert max(asked) <= 1000
    assert all(len(one["keys"]) <= 100 for one in logs if one["event"] == "stale_uploads")


@pytest.mark.parametrize("recordings", ["postgres"], indirect=True)
async def test_one_upload_that_the_store_cannot_hold_hides_no_other(world: World) -> None:
    uploads = [upload(world.cloud.recordings, key, 25) for key in (*KEYS[:3], "a\0b.mp4")]
    found = await comparing(world, with_uploads(world, uploads)).reconcile()
    assert (found.stale_uploads, found.unaccounted) == (3, 1)
