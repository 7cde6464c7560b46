"""D5: only a listing of what was asked for proves that nothing lies there; what cannot be listed keeps nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiobotocore.session import get_session
from aiohttp import web

from recording_svc.buckets import AudioBuckets, ListingError
from recording_svc.domain.recordings import Recording, State
from recording_svc.erasure import Blocked, Erasure, Gone, Pending
from recording_svc.remnants import Place
from tests.recording.erasing import Notes
from tests.recording.faults import FaultyS3, denied, unreachable
from tests.recording.surroundings import NOON, Clock, Cloud
from tests.recording.world import KEY, World

NO_LISTING = [
    b"",
    b"<html><body>Welcome</body></html>",
    b"<ListVersionsResult/>",
    b"<ListVersionsResult><Name>b</Name><Prefix>k</Prefix></ListVersionsResult>",
    b"<ListVersionsResult><Name>b</Name><Prefix>k</Prefix><IsTruncated>true</IsTruncated></ListVersionsResult>",
    b"<ListVersionsResult><Name>another</Name><Prefix>k</Prefix><IsTruncated>false</IsTruncated></ListVersionsResult>",
    b"<ListVersionsResult><Name>b</Name><Prefix>z</Prefix><IsTruncated>false</IsTruncated></ListVersionsResult>",
]


@asynccontextmanager
async def answering(body: bytes) -> AsyncIterator[Any]:
    """A client of something that answers every call with these bytes and a 200."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/xml")

    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with get_session().create_client(
            "s3", region_name="eu-central-1", endpoint_url=endpoint, aws_access_key_id="x", aws_secret_access_key="y"
        ) as s3:
            yield s3
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("body", NO_LISTING)
async def test_d5_d6_an_answer_that_is_no_listing_proves_nothing(body: bytes) -> None:
    async with answering(body) as s3:
        outcome = await Erasure(AudioBuckets(s3), lambda: NOON).erase([Place("b", "k")], Notes())
        assert outcome == Pending("S3_UNREACHABLE")
        for listed in (AudioBuckets(s3).versions_at("b", "k"), AudioBuckets(s3).uploads_at("b", "k")):
            with pytest.raises(ListingError):
                await listed


async def test_d5_a_page_that_names_the_place_before_as_its_next_is_no_listing(cloud: Cloud, clock: Clock) -> None:
    s3 = FaultyS3(cloud.s3)
    turning = {"IsTruncated": True, "NextKeyMarker": "k", "NextVersionIdMarker": "v"}
    s3.before["list_object_versions"] = lambda **asked: {"Name": asked["Bucket"], "Prefix": asked["Prefix"], **turning}
    with pytest.raises(ListingError):
        await AudioBuckets(s3).versions_at(cloud.recordings, "k")  # type: ignore[arg-type]  # a client with faults


async def _denied(world: World) -> Recording:
    recording = await world.arrive()
    await world.write_mp3(recording)
    world.neighbours.refuse()
    return recording


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (denied("ListObjectVersions"), (State.BLOCKED, "S3_ACCESS_DENIED")),
        (unreachable(), (State.ERASING, "S3_UNREACHABLE")),
    ],
    ids=["denied", "away"],
)
@pytest.mark.parametrize("operation", ["list_object_versions", "delete_objects"])
async def test_d1_a_bucket_that_cannot_be_reached_keeps_nothing_in_the_other(
    world: World, operation: str, error: Exception, outcome: tuple[State, str]
) -> None:
    recording = await _denied(world)

    def fail(**asked: Any) -> None:
        if asked["Bucket"] == world.cloud.audio:
            raise error

    world.s3.before[operation] = fail
    after = await world.settle(recording)
    if operation == "delete_objects" and after.state is State.BLOCKED:
        outcome = (State.BLOCKED, "DELETION_DENIED")
    assert (after.state, after.reason) == outcome
    assert world.lying() == [("version", f"{recording.recording_id}.mp3")]
    world.s3.before.clear()
    world.clock.advance(minutes=6)
    assert (await world.settle(after)).state is State.ERASED
    assert world.lying() == []


async def test_d1_uploads_that_cannot_be_listed_keep_no_version(world: World) -> None:
    recording = await _denied(world)

    def fail(**_: Any) -> None:
        raise denied("ListMultipartUploads")

    world.s3.before["list_multipart_uploads"] = fail
    after = await world.settle(recording)
    assert (after.state, after.certificate, world.lying()) == (State.BLOCKED, "", [])


async def test_d4_a_grant_keeps_what_the_bucket_refused_to_delete(world: World) -> None:
    recording = await _denied(world)
    world.s3.before["delete_objects"] = _refusing_all
    blocked = await world.settle(recording)
    assert (blocked.state, blocked.removal_began) == (State.BLOCKED, False)
    world.neighbours.grant()
    world.s3.before.clear()
    world.clock.advance(minutes=6)
    assert (await world.settle(blocked)).state is State.KEPT
    assert len(world.lying()) == 2


async def test_d4_one_place_that_went_is_the_point_of_no_return(world: World) -> None:
    recording = await _denied(world)

    def refuse_here(**asked: Any) -> Any:
        return _refusing_all(**asked) if asked["Bucket"] == world.cloud.recordings else None

    world.s3.before["delete_objects"] = refuse_here
    blocked = await world.settle(recording)
    assert (blocked.state, blocked.removal_began) == (State.BLOCKED, True)
    assert world.lying() == [("version", KEY)]
    world.neighbours.grant()
    world.s3.before.clear()
    world.clock.advance(minutes=6)
    assert (await world.settle(blocked)).state is State.ERASED


def _refusing_all(**asked: Any) -> dict[str, Any]:
    return {"Errors": [{**one, "Code": "AccessDenied", "Message": "no"} for one in asked["Delete"]["Objects"]]}


async def test_d7_a_refusal_that_comes_back_still_says_since_when(world: World) -> None:
    recording = await _denied(world)

    def fail(**_: Any) -> None:
        raise denied("ListObjectVersions")

    world.s3.before["list_object_versions"] = fail
    first = await world.settle(recording)
    world.clock.advance(hours=3)
    again = await world.settle(first)
    assert first.grounds
    assert again.grounds
    assert (again.state, again.grounds.decided_at) == (State.BLOCKED, first.grounds.decided_at)


async def test_what_is_blocked_names_every_place_and_what_is_left(cloud: Cloud, clock: Clock) -> None:
    s3: Any = FaultyS3(cloud.s3)
    cloud.put(KEY)
    s3.before["delete_objects"] = _refusing_all
    outcome = await Erasure(AudioBuckets(s3), clock).erase([Place(cloud.recordings, KEY)], Notes())
    assert isinstance(outcome, Blocked)
    assert {(one.bucket, one.key) for one in outcome.left} == {(cloud.recordings, KEY)} == outcome.buckets_and_keys
    s3.before.clear()
    assert isinstance(await Erasure(AudioBuckets(s3), clock).erase([Place(cloud.recordings, KEY)], Notes()), Gone)
