"""Intake while the store or the bucket is away, slow, or refuses one of many."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest

from chassis.database import group_commit
from deploy.local.buckets import ATTEMPTS
from recording_svc.domain.recordings import Arrival, Recording
from recording_svc.intake import Pace
from recording_svc.queues import Hold
from recording_svc.store import Recordings
from tests.eventually import eventually
from tests.recording.faults import FaultyS3, denied, unreachable
from tests.recording.memory import MemoryRecordings
from tests.recording.strain import BRISK, KEYS, CountingSqs, Watched, running
from tests.recording.surroundings import Clock, Cloud
from tests.recording.test_intake import (
    KEY,
    announce_all,
    emptied,
    intake,
    notification,
    notifications,
    send,
    taken_in,
    waiting,
)


async def test_one_that_the_store_cannot_hold_stops_none_of_nine_others(
    cloud: Cloud, watched: Watched, recordings: Recordings, clock: Clock
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


class Unhurried:
    """A store that takes half a millisecond for each arrival, and knew it before."""

    def __init__(self) -> None:
        self.told: set[str] = set()

    async def take_in(self, arrivals: Sequence[Arrival], now: datetime) -> list[Recording]:
        await asyncio.sleep(0.0005 * len(arrivals))
        self.told.update(one.key for one in arrivals)
        return []


async def test_messages_that_each_tell_of_a_thousand_are_not_committed_all_at_once(
    cloud: Cloud, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory: Any = MemoryRecordings()
    await emptied(cloud, memory, clock)
    # All ten thousand take five seconds: in one piece, longer than a commit may take, and so for ever.
    monkeypatch.setattr(group_commit, "LONGEST", 4)
    every = [f"room-{number}-2026-11-22T11:20:00Z.mp4" for number in range(10_000)]
    for start in range(0, len(every), 1000):
        send(cloud, notifications(cloud, *every[start : start + 1000]))
    recordings: Any = Unhurried()
    assert await intake(cloud, recordings, clock).receive(wait_seconds=0) == 10
    assert recordings.told == set(every)
    assert waiting(cloud, cloud.queue) == 0


async def test_r2_while_the_database_is_away_no_message_comes_nearer_to_burial(
    cloud: Cloud, watched: Watched, recordings: Recordings, clock: Clock
) -> None:
    await emptied(cloud, recordings, clock)
    announce_all(cloud, KEYS)
    watched.away, sqs = True, CountingSqs(cloud.sqs)
    taking = intake(cloud, watched, clock, sqs=sqs, pace=BRISK, hold=Hold(4))
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
