"""What makes no sense is set aside with the reason, deleted only then, and counted."""

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from recording_svc.metrics import Metrics
from recording_svc.store import Recordings
from tests.recording.faults import unreachable
from tests.recording.strain import KEYS, CountingSqs
from tests.recording.surroundings import Clock, Cloud
from tests.recording.test_intake import KEY, announce_all, drain, emptied, intake, notification, send, waiting


def told(registry: CollectorRegistry) -> dict[str, float]:
    """Notifications by outcome, those that there were."""
    name = "assent_recording_notifications_total"
    samples = [one for metric in registry.collect() for one in metric.samples if one.name == name]
    return {one.labels["outcome"]: one.value for one in samples if one.value}


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
