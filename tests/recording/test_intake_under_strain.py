"""Intake while something is slow, away, or fed with what it cannot hold."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from chassis.errors import Unavailable
from deploy.local.buckets import ATTEMPTS
from recording_svc.domain.recordings import Arrival
from recording_svc.intake import Intake, Pace
from recording_svc.metrics import Metrics
from recording_svc.queues import Hold
from recording_svc.store import Recordings
from tests.eventually import eventually
from tests.recording.faults import FaultyS3, denied, unreachable
from tests.recording.surroundings import Clock, Cloud
from tests.recording.test_intake import KEY, drain, intake, notification, send, taken_in, waiting

KEYS = [f"room-{number:02}-2026-11-22T11:20:00Z.mp4" for number in range(10)]
BRISK = Pace(first_pause=0.05, longest_pause=0.1)


class Watched:
    """A store that passes everything on, and lets a test stand in the way of `take_in`."""

    def __init__(self, recordings: Recordings) -> None:
        self._recordings = recordings
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.refused = ""
        self.away = False
        self.in_work = self.most_in_work = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._recordings, name)

    async def of_versions(self, bucket: str, keys: Any) -> Any:
        if self.away:
            raise Unavailable("away", reason="DATABASE_UNAVAILABLE")
        return await self._recordings.of_versions(bucket, keys)

    async def take_in(self, arrivals: Sequence[Arrival], now: datetime) -> Any:
        if self.away:
            raise Unavailable("away", reason="DATABASE_UNAVAILABLE")
        if any(one.key == self.refused for one in arrivals):
            raise ValueError(f"{self.refused} fits in no row")
        self.in_work += 1
        self.most_in_work = max(self.most_in_work, self.in_work)
        self.asked.set()
        await self.gate.wait()
        self.in_work -= 1
        return await self._recordings.take_in(arrivals, now)


class CountingSqs:
    """Passes every call on, and remembers it."""

    def __init__(self, sqs: Any) -> None:
        self._sqs = sqs
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.handed_out: list[str] = []

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._sqs, name)

        async def call(**arguments: Any) -> Any:
            self.calls.append((name, arguments))
            reply = await real(**arguments)
            if name == "receive_message":
                self.handed_out += [one["MessageId"] for one in reply.get("Messages", [])]
            return reply

        return call

    def of(self, name: str) -> list[dict[str, Any]]:
        return [arguments for called, arguments in self.calls if called == name]


@pytest.fixture
def watched(recordings: Recordings) -> Any:
    return Watched(recordings)


@asynccontextmanager
async def running(taking: Intake) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(taking.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


def told(registry: CollectorRegistry) -> dict[str, float]:
    """Notifications by outcome, those that there were."""
    name = "assent_recording_notifications_total"
    samples = [one for metric in registry.collect() for one in metric.samples if one.name == name]
    return {one.labels["outcome"]: one.value for one in samples if one.value}


def announce_all(cloud: Cloud, keys: Sequence[str]) -> None:
    """Tell of objects with their versions, as AWS does; nothing lies there, and nobody has to look."""
    bodies = [notification(cloud, key, version=f"v-{key}") for key in keys]
    entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)]
    cloud.sqs_oracle.send_message_batch(QueueUrl=cloud.queue, Entries=entries)


async def emptied(cloud: Cloud, recordings: Recordings, clock: Clock) -> None:
    """Take the test event, which every bucket begins with, out of the way."""
    await drain(intake(cloud, recordings, clock))


async def test_one_that_the_store_cannot_hold_stops_none_of_nine_others(
    cloud: Cloud, watched: Any, recordings: Recordings, clock: Clock
) -> None:
    await emptied(cloud, recordings, clock)
    announce_all(cloud, KEYS)
    watched.refused = KEYS[3]
    with pytest.raises(ValueError, match="fits in no row"):
        await intake(cloud, watched, clock).receive(wait_seconds=0)
    assert sorted(one.object_key for one in await recordings.of_versions(cloud.recordings, KEYS)) == [
        key for key in KEYS if key != KEYS[3]
    ]
    assert waiting(cloud, cloud.queue) == 1


async def test_one_whose_bucket_does_not_answer_keeps_none_of_nine_others_waiting(
    cloud: Cloud, recordings: Recordings, clock: Clock
) -> None:
    await emptied(cloud, recordings, clock)
    announce_all(cloud, KEYS[:9])
    version = cloud.put(KEY)
    answer, s3 = asyncio.Event(), FaultyS3(cloud.s3)

    async def answered(_: Any) -> None:
        await answer.wait()

    s3.after["list_object_versions"] = answered
    taking = asyncio.create_task(intake(cloud, recordings, clock, s3=s3).receive(wait_seconds=0))

    async def only_one_waits() -> bool:
        return waiting(cloud, cloud.queue) == 1

    await eventually(only_one_waits)
    assert len(await recordings.of_versions(cloud.recordings, KEYS)) == 9
    answer.set()
    assert await taking == 10
    assert await taken_in(recordings, cloud) == [(KEY, version)]
    assert waiting(cloud, cloud.queue) == 0


async def test_what_takes_long_stays_hidden_from_others(
    cloud: Cloud, watched: Any, recordings: Recordings, clock: Clock
) -> None:
    await emptied(cloud, recordings, clock)
    announce_all(cloud, KEYS[:1])
    watched.gate.clear()
    sqs = CountingSqs(cloud.sqs)
    taking = asyncio.create_task(intake(cloud, watched, clock, sqs=sqs, hold=Hold(1)).receive(wait_seconds=0))
    await watched.asked.wait()
    assert await intake(cloud, recordings, clock).receive(wait_seconds=2) == 0
    watched.gate.set()
    assert await taking == 1
    extended = sqs.of("change_message_visibility_batch")
    assert len(extended) >= 2
    assert {entry["VisibilityTimeout"] for call in extended for entry in call["Entries"]} == {1}
    assert waiting(cloud, cloud.queue) == 0


async def test_what_takes_too_long_is_held_no_longer(
    cloud: Cloud, watched: Any, recordings: Recordings, clock: Clock
) -> None:
    await emptied(cloud, recordings, clock)
    announce_all(cloud, KEYS[:1])
    watched.gate.clear()
    slow = intake(cloud, watched, clock, hold=Hold(1, at_most=1))
    taking = asyncio.create_task(slow.receive(wait_seconds=0))
    await watched.asked.wait()
    assert await intake(cloud, recordings, clock).receive(wait_seconds=10) == 1
    watched.gate.set()
    await taking
    assert len(await recordings.of_versions(cloud.recordings, KEYS)) == 1


async def test_what_failed_is_given_back_at_once(
    cloud: Cloud, watched: Any, recordings: Recordings, clock: Clock
) -> None:
    announce_all(cloud, KEYS[:2])
    watched.away = True
    with pytest.raises(Unavailable):
        await intake(cloud, watched, clock).receive(wait_seconds=0)
    assert await intake(cloud, recordings, clock).receive(wait_seconds=0) > 0


async def test_a_process_that_ends_gives_back_what_it_had_in_hand(
    cloud: Cloud, watched: Any, recordings: Recordings, clock: Clock
) -> None:
    await emptied(cloud, recordings, clock)
    announce_all(cloud, KEYS[:2])
    watched.gate.clear()
    async with running(intake(cloud, watched, clock)):
        await watched.asked.wait()
    assert await intake(cloud, recordings, clock).receive(wait_seconds=0) == 2


async def test_r2_while_the_database_is_away_no_message_comes_nearer_to_burial(
    cloud: Cloud, watched: Any, recordings: Recordings, clock: Clock
) -> None:
    await emptied(cloud, recordings, clock)
    announce_all(cloud, KEYS)
    watched.away, sqs = True, CountingSqs(cloud.sqs)
    taking = intake(cloud, watched, clock, sqs=sqs, pace=BRISK, hold=Hold(2))
    async with running(taking), running(taking):

        async def held_on_to() -> bool:
            return len(sqs.of("change_message_visibility_batch")) > 2

        await eventually(held_on_to)
        watched.away = False

        async def empty() -> bool:
            return waiting(cloud, cloud.queue) == 0

        await eventually(empty)
    assert len(await recordings.of_versions(cloud.recordings, KEYS)) == 10
    assert len(sqs.handed_out) == len(set(sqs.handed_out)) == 10


async def test_while_the_bucket_is_away_receivers_wait_for_it(
    cloud: Cloud, recordings: Recordings, clock: Clock
) -> None:
    await emptied(cloud, recordings, clock)
    s3, version, sqs = FaultyS3(cloud.s3), cloud.put(KEY), CountingSqs(cloud.sqs)

    def away(**_: Any) -> None:
        raise unreachable()

    s3.before["list_object_versions"] = away
    async with running(intake(cloud, recordings, clock, s3=s3, sqs=sqs, pace=BRISK)):

        async def asked_often() -> bool:
            return len(s3.calls) > 8

        await eventually(asked_often)
        s3.before.clear()

        async def there() -> bool:
            return await taken_in(recordings, cloud) == [(KEY, version)]

        await eventually(there)
    assert len(sqs.handed_out) == 1


async def test_what_s3_refuses_for_good_does_not_keep_the_room_for_ever(
    cloud: Cloud, recordings: Recordings, clock: Clock
) -> None:
    await emptied(cloud, recordings, clock)
    s3, sqs = FaultyS3(cloud.s3), CountingSqs(cloud.sqs)
    send(cloud, notification(cloud))

    def refuse(**_: Any) -> None:
        raise denied("ListObjectVersions", "InternalError")

    s3.before["list_object_versions"] = refuse
    pace = Pace(batches=1, first_pause=0.05, longest_pause=0.1)
    async with running(intake(cloud, recordings, clock, s3=s3, sqs=sqs, pace=pace, hold=Hold(2, at_most=0))):

        async def buried() -> bool:
            return waiting(cloud, cloud.dead_letters) == 1

        await eventually(buried)
    assert len(sqs.handed_out) == ATTEMPTS


async def test_no_more_batches_are_in_work_than_allowed(
    cloud: Cloud, watched: Any, recordings: Recordings, clock: Clock
) -> None:
    await emptied(cloud, recordings, clock)
    for start in range(0, 40, 10):
        announce_all(cloud, [f"room-{n:02}-2026-11-22T11:20:00Z.mkv" for n in range(start, start + 10)])
    watched.gate.clear()
    sqs = CountingSqs(cloud.sqs)
    async with running(intake(cloud, watched, clock, sqs=sqs, pace=Pace(batches=2))):

        async def two_in_work() -> bool:
            return bool(watched.in_work == 2)

        await eventually(two_in_work)
        assert len(sqs.of("receive_message")) == 2
        watched.gate.set()

        async def empty() -> bool:
            return waiting(cloud, cloud.queue) == 0

        await eventually(empty)
    assert watched.most_in_work == 2


async def test_r2_twelve_that_make_no_sense_are_set_aside_ten_at_a_time(
    cloud: Cloud, recordings: Recordings, clock: Clock
) -> None:
    await emptied(cloud, recordings, clock)
    send(cloud, "{ no JSON", times=12)
    sqs, metrics = CountingSqs(cloud.sqs), Metrics(clock)
    await drain(intake(cloud, recordings, clock, sqs=sqs, metrics=metrics))
    assert [len(call["Entries"]) for call in sqs.of("send_message_batch")] == [10, 2]
    assert (waiting(cloud, cloud.queue), waiting(cloud, cloud.dead_letters)) == (0, 12)
    assert told(metrics.registry) == {"buried": 12}


@pytest.mark.parametrize("answer", [{"Failed": [{"Id": "0", "SenderFault": True, "Code": "no"}]}, unreachable()])
async def test_r2_what_cannot_be_set_aside_stays_and_stops_nobody(
    cloud: Cloud, recordings: Recordings, clock: Clock, answer: Any
) -> None:
    await emptied(cloud, recordings, clock)
    send(cloud, "{ no JSON")
    announce_all(cloud, KEYS[:3])

    class Refusing(CountingSqs):
        async def send_message_batch(self, **_: Any) -> Any:
            if isinstance(answer, Exception):
                raise answer
            return answer

    await intake(cloud, recordings, clock, sqs=Refusing(cloud.sqs)).receive(wait_seconds=0)
    assert len(await recordings.of_versions(cloud.recordings, KEYS)) == 3
    assert (waiting(cloud, cloud.queue), waiting(cloud, cloud.dead_letters)) == (1, 0)


async def test_r2_large_nonsense_is_set_aside_in_as_many_calls_as_it_takes(
    cloud: Cloud, recordings: Recordings, clock: Clock
) -> None:
    await emptied(cloud, recordings, clock)
    send(cloud, "n" * 100_000, times=5)
    await drain(intake(cloud, recordings, clock))
    assert (waiting(cloud, cloud.queue), waiting(cloud, cloud.dead_letters)) == (0, 5)


async def test_r2_an_empty_object_and_an_impossible_one_are_set_aside_with_the_reason(
    cloud: Cloud, recordings: Recordings, clock: Clock
) -> None:
    await emptied(cloud, recordings, clock)
    send(cloud, notification(cloud, version="v1", size=0))
    send(cloud, notification(cloud, version="v2", size=10**14))
    await drain(intake(cloud, recordings, clock))
    assert await recordings.of_versions(cloud.recordings, {KEY}) == []
    dead = cloud.sqs_oracle.receive_message(
        QueueUrl=cloud.dead_letters, MessageAttributeNames=["All"], MaxNumberOfMessages=10
    )["Messages"]
    reasons = sorted(one["MessageAttributes"]["reason"]["StringValue"] for one in dead)
    assert ["S3 cannot store" in reasons[0], "empty object" in reasons[1]] == [True, True]


async def test_every_outcome_is_counted(cloud: Cloud, recordings: Recordings, clock: Clock) -> None:
    metrics = Metrics(clock)
    announce_all(cloud, KEYS[:2])
    announce_all(cloud, KEYS[:1])
    send(cloud, notification(cloud).replace(cloud.recordings, "foreign"))
    send(cloud, notification(cloud, "notes.txt"))
    send(cloud, notification(cloud, "folder/", size=0))
    send(cloud, "{")
    await drain(intake(cloud, recordings, clock, metrics=metrics))
    expected = {"taken_in": 2, "known": 1, "foreign": 1, "ignored": 2, "test_event": 1, "buried": 1}
    assert told(metrics.registry) == expected
