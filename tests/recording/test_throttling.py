"""S3 is too busy: erasure waits longer each time, and is done by nothing but an empty listing."""

from collections import Counter
from typing import Any

import pytest
from aiohttp import web
from botocore.exceptions import ClientError

from chassis.settings import AwsSettings
from recording_svc.buckets import AudioBuckets
from recording_svc.clients import open_s3_and_sqs
from recording_svc.domain.recordings import State
from recording_svc.erasure import Erasure, Gone, Outcome, Pending
from recording_svc.remnants import Place
from tests.recording.conftest import both_servers
from tests.recording.erasing import Notes
from tests.recording.faults import FaultyS3, denied
from tests.recording.surroundings import Clock, Cloud
from tests.recording.world import KEY, World

_CALLERS_WAIT_SECONDS = 25


class Busy:
    """Says of every key that S3 is too busy to delete it, so many times; then S3 does its work."""

    def __init__(self, times: int) -> None:
        self.left = times

    def __call__(self, **arguments: Any) -> dict[str, Any] | None:
        if not self.left:
            return None
        self.left -= 1
        spared = [{**one, "Code": "SlowDown", "Message": "reduce"} for one in arguments["Delete"]["Objects"]]
        return {"Errors": spared}


async def erase_patiently(cloud: Cloud, clock: Clock, s3: FaultyS3) -> tuple[Outcome, list[float]]:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    audio: Any = AudioBuckets(s3)  # type: ignore[arg-type]  # a client with faults
    return await Erasure(audio, clock, pause).erase([Place(cloud.audio, KEY)], Notes()), pauses


@both_servers
async def test_d5_keys_that_s3_is_too_busy_for_are_tried_again_after_growing_pauses(cloud: Cloud, clock: Clock) -> None:
    for _ in range(3):
        cloud.put(KEY, bucket=cloud.audio)
    s3 = FaultyS3(cloud.s3)
    s3.before["delete_objects"] = Busy(3)
    outcome, pauses = await erase_patiently(cloud, clock, s3)
    assert isinstance(outcome, Gone)
    assert pauses == [0.1, 0.2, 0.4]
    assert s3.calls[-2:] == ["list_object_versions", "list_multipart_uploads"]
    assert cloud.lying(cloud.audio) == []


async def test_d5_an_s3_that_stays_busy_is_neither_done_nor_blocked(cloud: Cloud, clock: Clock) -> None:
    cloud.put(KEY, bucket=cloud.audio)
    s3 = FaultyS3(cloud.s3)
    s3.before["delete_objects"] = Busy(100)
    outcome, pauses = await erase_patiently(cloud, clock, s3)
    assert outcome == Pending("DELETION_INCOMPLETE")
    assert pauses == sorted(set(pauses))
    assert cloud.lying(cloud.audio) == [("version", KEY)]


async def test_d5_what_was_removed_before_s3_was_busy_needs_no_pause(cloud: Cloud, clock: Clock) -> None:
    cloud.put(KEY, bucket=cloud.audio)
    assert (await erase_patiently(cloud, clock, FaultyS3(cloud.s3)))[1] == []


@both_servers
@pytest.mark.parametrize(
    ("operation", "expected"),
    # What cannot be listed is weighed anew each time, since nothing was removed: that is a look too.
    [("delete_objects", [2, 4, 8, 16, 30, 30]), ("list_object_versions", [2, 8, 30, 30, 30, 30])],
)
async def test_d5_a_503_puts_the_recording_off_for_longer_each_time(
    world: World, operation: str, expected: list[float]
) -> None:
    recording = await world.arrive()
    world.neighbours.refuse()

    def slow_down(**_: Any) -> None:
        raise denied(operation, "SlowDown")

    world.s3.before[operation] = slow_down
    waits = []
    for _ in range(6):
        put_off = await world.settle(recording)
        assert (put_off.state, put_off.reason, put_off.certificate) == (State.ERASING, "S3_BUSY", "")
        assert put_off.next_look_at is not None
        waits.append((put_off.next_look_at - world.clock.now).total_seconds())
        world.clock.now = put_off.next_look_at
    assert waits == expected
    assert world.lying() == [("version", KEY)]
    world.s3.before.clear()
    assert (await world.settle(recording)).state is State.ERASED
    assert world.lying() == []


async def test_a_503_is_tried_again_at_once_only_once_and_all_attempts_end_before_callers_do() -> None:
    asked: Counter[str] = Counter()

    async def slow_down(request: web.Request) -> web.Response:
        asked[request.method] += 1
        return web.Response(status=503, text="<Error><Code>SlowDown</Code><Message>reduce</Message></Error>")

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", slow_down)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        there = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{runner.addresses[0][1]}", "AWS_REGION": "eu-central-1"}
        settings = AwsSettings.model_validate({**there, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"})
        async with open_s3_and_sqs(settings) as (s3, _):
            with pytest.raises(ClientError, match="SlowDown"):
                await s3.list_object_versions(Bucket="busy")
            config: Any = s3.meta.config
    finally:
        await runner.cleanup()
    attempts = config.retries["total_max_attempts"]
    assert asked == {"GET": attempts}
    slowest = attempts * (config.connect_timeout + config.read_timeout) + sum(2**n for n in range(attempts - 1))
    assert (config.retries["mode"], slowest < _CALLERS_WAIT_SECONDS) == ("standard", True)
