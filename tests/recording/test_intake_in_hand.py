"""What intake has in hand: others do not see it, for a time; what is not done goes back; it is never too much."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from chassis.errors import Unavailable
from recording_svc.intake import Pace
from recording_svc.queues import Hold
from recording_svc.store import Recordings
from tests.eventually import eventually
from tests.recording.strain import KEYS, CountingSqs, Watched, running
from tests.recording.surroundings import Clock, Cloud
from tests.recording.test_intake import announce_all, emptied, intake, waiting


@asynccontextmanager
async def stuck(
    cloud: Cloud, watched: Watched, recordings: Recordings, clock: Clock, **more: Any
) -> AsyncIterator[Any]:
    """One message is in hand, and does not get on until the test lets it; what comes of it is yielded."""
    await emptied(cloud, recordings, clock)
    announce_all(cloud, KEYS[:1])
    watched.gate.clear()
    taking = asyncio.create_task(intake(cloud, watched, clock, **more).receive(wait_seconds=0))
    await watched.asked.wait()
    yield
    watched.gate.set()
    assert await taking == 1


async def test_what_takes_long_stays_hidden_from_others(
    cloud: Cloud, watched: Watched, recordings: Recordings, clock: Clock
) -> None:
    sqs = CountingSqs(cloud.sqs)
    async with stuck(cloud, watched, recordings, clock, sqs=sqs, hold=Hold(1)):
        assert await intake(cloud, recordings, clock).receive(wait_seconds=2) == 0
    extended = sqs.of("change_message_visibility_batch")
    assert len(extended) >= 2
    assert {entry["VisibilityTimeout"] for call in extended for entry in call["Entries"]} == {1}
    assert waiting(cloud, cloud.queue) == 0


async def test_what_takes_too_long_is_held_no_longer(
    cloud: Cloud, watched: Watched, recordings: Recordings, clock: Clock
) -> None:
    async with stuck(cloud, watched, recordings, clock, hold=Hold(1, at_most=1)):
        assert await intake(cloud, recordings, clock).receive(wait_seconds=10) == 1
    assert len(await recordings.of_versions(cloud.recordings, KEYS)) == 1


async def test_what_failed_is_given_back_at_once(
    cloud: Cloud, watched: Watched, recordings: Recordings, clock: Clock
) -> None:
    announce_all(cloud, KEYS[:2])
    watched.away = True
    with pytest.raises(Unavailable):
        await intake(cloud, watched, clock).receive(wait_seconds=0)
    assert await intake(cloud, recordings, clock).receive(wait_seconds=0) > 0


async def test_a_process_that_ends_gives_back_what_it_had_in_hand(
    cloud: Cloud, watched: Watched, recordings: Recordings, clock: Clock
) -> None:
    await emptied(cloud, recordings, clock)
    announce_all(cloud, KEYS[:2])
    watched.gate.clear()
    # One batch: the local queue hands what is given back to a receiver of ours that is no longer there.
    async with running(intake(cloud, watched, clock, pace=Pace(batches=1))):
        await watched.asked.wait()
    assert await intake(cloud, recordings, clock).receive(wait_seconds=0) == 2


async def test_no_more_batches_are_in_work_than_allowed(
    cloud: Cloud, watched: Watched, recordings: Recordings, clock: Clock
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
