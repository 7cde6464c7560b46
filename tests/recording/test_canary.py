"""The canary: what it shows, what it says where a bucket refuses, and that it touches nothing else."""

import asyncio
import math
from typing import Any

import pytest
import structlog

from recording_svc.buckets import AudioBuckets
from recording_svc.canary import CANARY_KEY, Canary
from recording_svc.erasure import Erasure
from recording_svc.metrics import Metrics
from recording_svc.notifications import is_recording
from recording_svc.store import Recordings
from tests.eventually import eventually
from tests.recording.conftest import both_servers
from tests.recording.faults import FaultyS3, denied, unreachable
from tests.recording.surroundings import Clock, Cloud
from tests.recording.test_intake import drain, intake, waiting
from tests.recording.world import KEY, World


def canary(cloud: Cloud, recordings: Recordings, clock: Clock, metrics: Metrics, s3: Any = None) -> Canary:
    client = s3 or cloud.s3
    erasure = Erasure(AudioBuckets(client), clock, pause=lambda _: asyncio.sleep(0))
    return Canary(client, erasure, (cloud.recordings, cloud.audio), recordings, metrics, clock)


def age(metrics: Metrics) -> float:
    value = metrics.registry.get_sample_value("assent_recording_canary_age_seconds")
    assert value is not None
    return value


@pytest.fixture
def metrics(clock: Clock) -> Metrics:
    return Metrics(clock)


@both_servers
async def test_it_comes_through_and_leaves_nothing(
    cloud: Cloud, recordings: Recordings, clock: Clock, metrics: Metrics
) -> None:
    assert math.isnan(age(metrics))
    with structlog.testing.capture_logs() as logs:
        assert await canary(cloud, recordings, clock, metrics).sing()
    assert [one["event"] for one in logs] == ["canary_passed"]
    assert (cloud.lying(cloud.recordings), cloud.lying(cloud.audio)) == ([], [])
    clock.advance(seconds=90)
    assert age(metrics) == 90


async def test_without_versions_it_comes_through_too(
    cloud: Cloud, recordings: Recordings, clock: Clock, metrics: Metrics
) -> None:
    for bucket in (cloud.recordings, cloud.audio):
        cloud.oracle.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    assert await canary(cloud, recordings, clock, metrics).sing()
    assert (cloud.lying(cloud.recordings), cloud.lying(cloud.audio)) == ([], [])


async def test_what_one_left_that_was_stopped_goes_with_the_next(
    cloud: Cloud, recordings: Recordings, clock: Clock, metrics: Metrics
) -> None:
    cloud.put(CANARY_KEY)
    assert await canary(cloud, recordings, clock, metrics).sing()
    assert cloud.lying(cloud.recordings) == []


async def test_it_is_no_recording_and_no_dead_letter(
    cloud: Cloud, recordings: Recordings, clock: Clock, metrics: Metrics
) -> None:
    assert await canary(cloud, recordings, clock, metrics).sing()
    await drain(intake(cloud, recordings, clock))
    assert not is_recording(CANARY_KEY)
    assert await recordings.of_versions(cloud.recordings, {CANARY_KEY}) == []
    assert (waiting(cloud, cloud.queue), waiting(cloud, cloud.dead_letters)) == (0, 0)


def refusing(**_: Any) -> Any:
    raise denied("DeleteObjects")


def away(**_: Any) -> Any:
    raise unreachable()


def silent(**_: Any) -> Any:
    return {}


def empty(**asked: Any) -> Any:
    return {"Name": asked["Bucket"], "Prefix": asked["Prefix"], "IsTruncated": False}


@pytest.mark.parametrize(
    ("operation", "fault", "said"),
    [
        ("put_object", refusing, "AccessDenied"),
        ("put_object", away, "endpoint URL"),
        ("delete_objects", refusing, "DELETION_DENIED"),
        ("delete_objects", silent, "DELETION_INCOMPLETE"),
        ("list_object_versions", refusing, "S3_ACCESS_DENIED"),
        ("list_object_versions", away, "S3_UNREACHABLE"),
        ("list_object_versions", silent, "S3_UNREACHABLE"),
        ("list_object_versions", empty, "was not listed"),
    ],
)
async def test_a_bucket_that_refuses_is_said_and_no_recording_is_touched(
    world: World, metrics: Metrics, operation: str, fault: Any, said: str
) -> None:
    recording = await world.arrive()
    mp3 = await world.write_mp3(recording)
    await world.settle(recording)
    before = await world.now(recording)
    s3 = Refusing(world.cloud.s3, operation, fault)
    metrics.canary_came_through(world.clock())
    world.clock.advance(hours=2)
    with structlog.testing.capture_logs() as logs:
        assert not await canary(world.cloud, world.recordings, world.clock, metrics, s3).sing()
    failed = [one for one in logs if one["event"] == "canary_failed"]
    assert {one["where"] for one in failed} == {world.cloud.recordings, world.cloud.audio}
    assert all(said in one["fault"] for one in failed)
    assert age(metrics) == 7200
    assert await world.now(recording) == before
    lying = [one for one in world.lying() if one[1] != CANARY_KEY]
    assert lying == [("version", KEY), ("version", mp3)]


class Refusing(FaultyS3):
    """One operation fails, also putting."""

    def __init__(self, s3: Any, operation: str, fault: Any) -> None:
        super().__init__(s3)
        self.before[operation] = fault
        self._operation = operation
        self._fault = fault

    async def put_object(self, **arguments: Any) -> Any:
        if self._operation == "put_object":
            return self._fault(**arguments)
        return await self._s3.put_object(**arguments)


async def test_two_replicas_do_not_take_each_others(
    cloud: Cloud, recordings: Recordings, clock: Clock, metrics: Metrics
) -> None:
    ours = canary(cloud, recordings, clock, metrics)
    async with recordings.exclusively("assent-canary"):
        assert not await ours.sing()
    assert math.isnan(age(metrics))
    assert await ours.sing()


async def test_off_it_puts_nothing(cloud: Cloud, recordings: Recordings, clock: Clock, metrics: Metrics) -> None:
    await canary(cloud, recordings, clock, metrics).run(0)
    assert math.isnan(age(metrics))
    assert cloud.lying(cloud.recordings) == []


async def test_its_age_grows_from_the_start_where_it_never_comes_through(world: World, metrics: Metrics) -> None:
    s3 = Refusing(world.cloud.s3, "put_object", refusing)
    singing = asyncio.create_task(canary(world.cloud, world.recordings, world.clock, metrics, s3).run(3600))

    async def began() -> bool:
        return not math.isnan(age(metrics))

    await eventually(began)
    world.clock.advance(hours=3)
    assert age(metrics) == 3 * 3600
    singing.cancel()
    await asyncio.wait([singing])


async def test_what_a_canary_left_is_no_audio_that_nobody_accounts_for(world: World) -> None:
    world.cloud.put(CANARY_KEY, bucket=world.cloud.audio)
    world.cloud.put(CANARY_KEY)
    assert (await world.reconciliation.reconcile()).unaccounted == 0
