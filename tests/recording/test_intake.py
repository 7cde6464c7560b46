"""Intake from a real queue and bucket."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from recording_svc.buckets import AudioBuckets
from recording_svc.intake import Intake, Queues
from recording_svc.queues import Hold
from recording_svc.store import Page, Recordings
from recording_svc.store.postgres import PostgresRecordings
from tests.recording.surroundings import Clock, Cloud

KEY = "folder/a room-2026-11-22T11:20:00Z.mp4"


class Woken:
    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


def intake(
    cloud: Cloud,
    recordings: Recordings,
    clock: Clock,
    woken: Woken | None = None,
    sqs: Any = None,
    s3: Any = None,
    **more: Any,
) -> Intake:
    queues = Queues(cloud.queue, cloud.dead_letters)
    audio = AudioBuckets(s3 or cloud.s3)
    return Intake(sqs or cloud.sqs, queues, cloud.recordings, audio, recordings, clock, woken or Woken(), **more)


async def drain(taking: Intake) -> int:
    """Receive until the queue is empty; returns how many messages there were."""
    total = 0
    while received := await taking.receive(wait_seconds=0):
        total += received
    return total


async def taken_in(recordings: Recordings, cloud: Cloud) -> list[tuple[str, str]]:
    keys = {one["Key"] for one in cloud.oracle.list_object_versions(Bucket=cloud.recordings).get("Versions", [])}
    return sorted((one.object_key, one.version_id) for one in await recordings.of_versions(cloud.recordings, keys))


def send(cloud: Cloud, body: str, times: int = 1) -> None:
    sqs = cloud.sqs_oracle
    for _ in range(times):
        sqs.send_message(QueueUrl=cloud.queue, MessageBody=body)


def waiting(cloud: Cloud, queue: str) -> int:
    """Messages in a queue, in flight or not."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = cloud.sqs_oracle.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
    return sum(int(attributes[name]) for name in names)


def notification(cloud: Cloud, key: str = KEY, version: str | None = None, size: int = 5) -> str:
    encoded = key.replace("/", "%2F").replace(" ", "+").replace(":", "%3A")
    described: dict[str, Any] = {"key": encoded, "size": size}
    if version:
        described["versionId"] = version
    s3 = {"bucket": {"name": cloud.recordings}, "object": described}
    return json.dumps({"Records": [{"eventName": "ObjectCreated:Put", "s3": s3}]})


def notifications(cloud: Cloud, *keys: str) -> str:
    """One message that tells of many objects, each with its version."""
    records = [json.loads(notification(cloud, key, version=f"v-{key}"))["Records"][0] for key in keys]
    return json.dumps({"Records": records})


def announce_all(cloud: Cloud, keys: Sequence[str]) -> None:
    """Tell of objects with their versions, as AWS does; nothing lies there, and nobody has to look."""
    bodies = [notification(cloud, key, version=f"v-{key}") for key in keys]
    entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)]
    cloud.sqs_oracle.send_message_batch(QueueUrl=cloud.queue, Entries=entries)


async def emptied(cloud: Cloud, recordings: Recordings, clock: Clock) -> None:
    """Take the test event, which every bucket begins with, out of the way."""
    await drain(intake(cloud, recordings, clock))


async def test_what_whereby_puts_becomes_a_recording(cloud: Cloud, recordings: Recordings, clock: Clock) -> None:
    version, woken = cloud.put(KEY), Woken()
    await drain(intake(cloud, recordings, clock, woken))
    assert await taken_in(recordings, cloud) == [(KEY, version)]
    assert woken.times
    assert (waiting(cloud, cloud.queue), waiting(cloud, cloud.dead_letters)) == (0, 0)


async def test_r1_five_deliveries_give_one_row(cloud: Cloud, recordings: Recordings, clock: Clock) -> None:
    version = cloud.put(KEY)
    send(cloud, notification(cloud, version=version), times=5)
    await drain(intake(cloud, recordings, clock))
    assert await taken_in(recordings, cloud) == [(KEY, version)]
    assert waiting(cloud, cloud.queue) == 0


async def test_r1_each_version_of_a_key_is_taken_in_though_no_event_names_it(
    cloud: Cloud, recordings: Recordings, clock: Clock
) -> None:
    versions = [cloud.put(KEY, b"%d" % number) for number in range(3)]
    cloud.oracle.delete_object(Bucket=cloud.recordings, Key=KEY)
    await drain(intake(cloud, recordings, clock))
    assert await taken_in(recordings, cloud) == sorted((KEY, version) for version in versions)


async def test_r1_a_multipart_upload_tells_twice_and_is_taken_in_once(
    cloud: Cloud, recordings: Recordings, clock: Clock
) -> None:
    begun = cloud.oracle.create_multipart_upload(Bucket=cloud.recordings, Key=KEY)
    part = {"Bucket": cloud.recordings, "Key": KEY, "UploadId": begun["UploadId"]}
    etag = cloud.oracle.upload_part(**part, PartNumber=1, Body=b"audio")["ETag"]
    parts = {"Parts": [{"ETag": etag, "PartNumber": 1}]}
    cloud.oracle.complete_multipart_upload(**part, MultipartUpload=parts)
    await drain(intake(cloud, recordings, clock))
    assert len(await taken_in(recordings, cloud)) == 1


class Killed(BaseException):
    """The process ends here."""


class DyingSqs:
    """Dies on the first deletion, as a process that is killed after its commit: from then on it calls nothing."""

    def __init__(self, sqs: Any) -> None:
        self._sqs = sqs
        self.died = False

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._sqs, name)

        async def call(**arguments: Any) -> Any:
            self.died = self.died or name == "delete_message_batch"
            if self.died:
                raise Killed
            return await real(**arguments)

        return call


async def test_r2_killed_between_commit_and_deletion_loses_and_doubles_nothing(
    cloud: Cloud, recordings: Recordings, clock: Clock
) -> None:
    await drain(intake(cloud, recordings, clock))
    version = cloud.put(KEY)
    with pytest.raises(Killed):
        await drain(intake(cloud, recordings, clock, sqs=DyingSqs(cloud.sqs), hold=Hold(1)))
    assert await taken_in(recordings, cloud) == [(KEY, version)]
    assert waiting(cloud, cloud.queue) > 0
    assert await intake(cloud, recordings, clock).receive(wait_seconds=5) == 1
    assert await taken_in(recordings, cloud) == [(KEY, version)]
    assert waiting(cloud, cloud.queue) == 0


async def test_r2_a_row_that_is_not_committed_keeps_its_message(
    cloud: Cloud, postgres_recordings: PostgresRecordings, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = cloud.put(KEY)
    taking = intake(cloud, postgres_recordings, clock)

    async def fail(*_: Any) -> None:
        raise ConnectionResetError("the database is away")

    with monkeypatch.context() as patched:
        patched.setattr("recording_svc.store.postgres.outbox.put", fail)
        with pytest.raises(Exception, match="database"):
            await drain(taking)
    assert await taken_in(postgres_recordings, cloud) == []
    assert waiting(cloud, cloud.queue) > 0
    await drain(taking)
    assert await taken_in(postgres_recordings, cloud) == [(KEY, version)]


async def test_r2_poison_goes_to_the_dead_letters_with_its_reason_and_stops_nobody(
    cloud: Cloud, recordings: Recordings, clock: Clock
) -> None:
    send(cloud, "{ this is no JSON")
    version = cloud.put(KEY)
    await drain(intake(cloud, recordings, clock))
    assert await taken_in(recordings, cloud) == [(KEY, version)]
    assert waiting(cloud, cloud.queue) == 0
    dead = cloud.sqs_oracle.receive_message(
        QueueUrl=cloud.dead_letters, MessageAttributeNames=["All"], MaxNumberOfMessages=10
    )["Messages"]
    assert [one["Body"] for one in dead] == ["{ this is no JSON"]
    assert "no JSON" in dead[0]["MessageAttributes"]["reason"]["StringValue"]


async def test_the_test_event_and_foreign_buckets_are_acknowledged(
    cloud: Cloud, recordings: Recordings, clock: Clock
) -> None:
    send(cloud, notification(cloud).replace(cloud.recordings, "foreign"))
    assert await drain(intake(cloud, recordings, clock)) == 2
    assert (waiting(cloud, cloud.queue), waiting(cloud, cloud.dead_letters)) == (0, 0)
    assert await recordings.page(Page(owner_id="")) == []


async def test_an_object_that_is_gone_again_stops_nobody(cloud: Cloud, recordings: Recordings, clock: Clock) -> None:
    send(cloud, notification(cloud, "gone-2026-11-22T11:20:00Z.mp4"))
    version = cloud.put(KEY)
    await drain(intake(cloud, recordings, clock))
    assert await taken_in(recordings, cloud) == [(KEY, version)]
    assert waiting(cloud, cloud.queue) == 0


async def test_twenty_five_objects_come_in_batches(cloud: Cloud, recordings: Recordings, clock: Clock) -> None:
    put = [(key, cloud.put(key)) for key in (f"room-{n:02}-2026-11-22T11:20:00Z.mkv" for n in range(25))]
    assert await drain(intake(cloud, recordings, clock)) == 26
    assert await taken_in(recordings, cloud) == put
