"""Intake while what it depends on is away for long, and while SQS answers without saying anything."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Any

import pytest
import structlog

from recording_svc.domain.recordings import Arrival
from recording_svc.intake import Pace
from recording_svc.queues import Hold
from recording_svc.store import Recordings
from tests.eventually import eventually
from tests.recording.faults import FaultyS3, unreachable
from tests.recording.strain import BRISK, KEYS, CountingSqs, Watched, running
from tests.recording.surroundings import Clock, Cloud
from tests.recording.test_intake import KEY, announce_all, emptied, intake, taken_in, waiting


async def prolonged(sqs: CountingSqs, times: int) -> None:
    """Wait until messages in hand were kept hidden so many times more."""
    enough = len(sqs.of("change_message_visibility_batch")) + times

    async def often_enough() -> bool:
        return len(sqs.of("change_message_visibility_batch")) >= enough

    await eventually(often_enough)


async def done(cloud: Cloud) -> None:
    """Wait until the queue is empty."""

    async def empty() -> bool:
        return waiting(cloud, cloud.queue) == 0

    await eventually(empty)


async def test_r2_an_outage_of_many_times_the_patience_with_one_message_buries_none(
    cloud: Cloud, watched: Watched, recordings: Recordings, clock: Clock
) -> None:
    await emptied(cloud, recordings, clock)
    watched.away, sqs = True, CountingSqs(cloud.sqs)
    announce_all(cloud, KEYS[:1])
    async with AsyncExitStack() as pods:
        for _ in range(4):
            pod = intake(cloud, watched, clock, sqs=sqs, pace=BRISK, hold=Hold(1, at_most=1))
            await pods.enter_async_context(running(pod))
        await prolonged(sqs, 7)
        watched.away = False
        await done(cloud)
    assert len(sqs.handed_out) == 1
    assert waiting(cloud, cloud.dead_letters) == 0
    assert [one.object_key for one in await recordings.of_versions(cloud.recordings, KEYS)] == KEYS[:1]


async def test_r2_while_s3_cannot_be_reached_for_long_its_message_is_not_buried(
    cloud: Cloud, recordings: Recordings, clock: Clock
) -> None:
    await emptied(cloud, recordings, clock)
    s3, version, sqs = FaultyS3(cloud.s3), cloud.put(KEY), CountingSqs(cloud.sqs)

    def away(**_: Any) -> None:
        raise unreachable()

    s3.before["list_object_versions"] = away
    pods = [intake(cloud, recordings, clock, s3=s3, sqs=sqs, pace=BRISK, hold=Hold(1, at_most=0)) for _ in range(2)]
    async with running(pods[0]), running(pods[1]):
        await prolonged(sqs, 6)
        s3.before.clear()
        await done(cloud)
    assert len(sqs.handed_out) == 1
    assert await taken_in(recordings, cloud) == [(KEY, version)]


async def test_r2_nothing_more_is_received_while_a_message_waits_for_the_database(
    cloud: Cloud, watched: Watched, recordings: Recordings, clock: Clock
) -> None:
    await emptied(cloud, recordings, clock)
    watched.away, sqs = True, CountingSqs(cloud.sqs)
    taking = intake(cloud, watched, clock, sqs=sqs, pace=Pace(batches=9, first_pause=0.05, longest_pause=0.1),
                    hold=Hold(1))  # fmt: skip
    async with running(taking), running(taking):
        announce_all(cloud, KEYS[:1])
        await prolonged(sqs, 1)
        # The other receiver, and the one that follows, asked before anybody knew.
        for key in KEYS[1:3]:
            announce_all(cloud, [key])
            await prolonged(sqs, 3)
        asked, in_hand = len(sqs.of("receive_message")), len(sqs.handed_out)
        announce_all(cloud, KEYS[3:])
        await prolonged(sqs, 4 * in_hand)
        assert (len(sqs.of("receive_message")), len(sqs.handed_out)) == (asked, in_hand)
        watched.away = False
        await done(cloud)
    assert len(sqs.handed_out) == len(set(sqs.handed_out)) == 10
    assert len(await recordings.of_versions(cloud.recordings, KEYS)) == 10


class Vague(CountingSqs):
    """Answers at once and says nothing, so many times."""

    def __init__(self, sqs: Any, answer: Any, times: int) -> None:
        super().__init__(sqs)
        self._answer = answer
        self._times = times

    async def receive_message(self, **asked: Any) -> Any:
        self.calls.append(("receive_message", asked))
        if len(self.of("receive_message")) > self._times:
            return await self._sqs.receive_message(**asked)
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


@pytest.mark.parametrize(
    "answer", [{}, {"Messages": []}, {"Messages": [{"MessageId": "no handle"}]}, AttributeError("a list, no object")]
)
async def test_an_sqs_that_answers_at_once_and_says_nothing_is_asked_ever_more_seldom(
    cloud: Cloud, recordings: Recordings, clock: Clock, answer: Any
) -> None:
    await emptied(cloud, recordings, clock)
    announce_all(cloud, KEYS[:1])
    sqs = Vague(cloud.sqs, answer, times=4)
    with structlog.testing.capture_logs() as logs:
        async with running(intake(cloud, recordings, clock, sqs=sqs, pace=Pace(first_pause=0.05, longest_pause=0.2))):
            await done(cloud)
    paused = [one["seconds"] for one in logs if one["event"] == "intake_interrupted"]
    assert paused == [0.05, 0.1, 0.2, 0.2]
    assert len(await recordings.of_versions(cloud.recordings, KEYS)) == 1


async def test_more_arrivals_than_one_statement_may_hold_are_taken_in_in_parts(
    cloud: Cloud, watched: Watched, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts: list[Sequence[Arrival]] = []

    async def take_in(arrivals: Sequence[Arrival], _: datetime) -> Any:
        parts.append(arrivals)
        return []

    monkeypatch.setattr(watched, "take_in", take_in)
    arrivals = [Arrival(cloud.recordings, f"{number:05}.mp4", "v", 1) for number in range(2_500)]
    await intake(cloud, watched, clock).take_in(arrivals)
    assert [len(part) for part in parts] == [1000, 1000, 500]
    assert [one for part in parts for one in part] == arrivals
