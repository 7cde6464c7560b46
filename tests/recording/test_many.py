"""Many recordings, told of again and again and in any order, and two replicas that take them in.

`ASSENT_RECORDINGS=200` takes that many; the ordinary run makes do with fewer.
"""

import asyncio
import json
import os
import random
from typing import Any
from urllib.parse import quote_plus

from assent.recording.v1.recording_events_pb2 import AudioDeleted, RecordingDiscovered
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from recording_svc.domain.recordings import State
from recording_svc.store import Page
from recording_svc.store.postgres import PostgresRecordings
from tests.recording.conftest import published
from tests.recording.neighbours import COMPLETED, Neighbours
from tests.recording.surroundings import Clock, Cloud
from tests.recording.world import World

MANY, TIMES = int(os.environ.get("ASSENT_RECORDINGS", "40")), 5
KEYS = [f"büro {number}/meeting {number}-2026-11-22T11:20:00.000Z.mp4" for number in range(MANY)]
REFUSED = set(KEYS[::2])


async def test_r1_r2_d5_each_told_of_five_times_ends_once_by_an_oracle_that_reads_the_buckets(
    postgres_recordings: PostgresRecordings,
    cloud: Cloud,
    neighbours: Neighbours,
    clock: Clock,
    signing_key: Ed25519PrivateKey,
) -> None:
    replicas = [World(postgres_recordings, cloud, neighbours, clock, signing_key) for _ in range(2)]
    for number, key in enumerate(KEYS):
        neighbours.answers.meetings[key] = [f"meeting-of-{number}"]
        if key in REFUSED:
            neighbours.refuse(f"meeting-of-{number}")
    neighbours.written.default = None
    await asyncio.to_thread(_put_and_tell, cloud)
    while await _each(replicas, lambda world: world.intake.receive(wait_seconds=0)):
        pass
    assert await _waiting(cloud) == 0
    rows = await postgres_recordings.page(Page(size=1000))
    for row in rows:
        await replicas[0].write_mp3(row)

    neighbours.written.default = COMPLETED
    clock.advance(minutes=6)
    while await _each(replicas, lambda world: world.sweep.settle_due()):
        pass

    settled = await postgres_recordings.page(Page(size=1000))
    told = await published(postgres_recordings)
    discovered = [one.recording_id for one in told if isinstance(one, RecordingDiscovered)]
    deleted = [one.recording_id for one in told if isinstance(one, AudioDeleted)]
    assert sorted(row.object_key for row in settled) == sorted(KEYS)
    assert sorted(discovered) == sorted(row.recording_id for row in rows)
    assert sorted(deleted) == sorted(row.recording_id for row in settled if row.state is State.ERASED)
    originals, mp3s = await asyncio.to_thread(_lying, cloud)
    assert originals == {key: [key.encode()] for key in KEYS if key not in REFUSED}
    assert mp3s == {f"{row.recording_id}.mp3": [b"mp3"] for row in settled if row.object_key not in REFUSED}


def _put_and_tell(cloud: Cloud) -> None:
    """S3 tells of each once by itself; the other times are ours, shuffled."""
    versions = {key: cloud.put(key, key.encode()) for key in KEYS}
    bodies = [_notification(cloud, key, versions[key], times) for key in KEYS for times in range(TIMES - 1)]
    random.Random(7).shuffle(bodies)
    for start in range(0, len(bodies), 10):
        entries = [{"Id": str(place), "MessageBody": body} for place, body in enumerate(bodies[start : start + 10])]
        cloud.sqs_oracle.send_message_batch(QueueUrl=cloud.queue, Entries=entries)


def _notification(cloud: Cloud, key: str, version: str, times: int) -> str:
    described: dict[str, Any] = {
        "key": quote_plus(key),
        "size": len(key.encode()),
        "eTag": "e",
        "sequencer": f"{times}",
    }
    if times % 2:  # S3 leaves it out where there are no versions; some servers always do
        described["versionId"] = version
    s3 = {"bucket": {"name": cloud.recordings}, "object": described}
    return json.dumps({"Records": [{"eventName": "ObjectCreated:Put", "s3": s3}]})


async def _each(replicas: list[World], work: Any) -> int:
    """Twice at once in every replica."""
    return sum(await asyncio.gather(*(work(world) for world in replicas for _ in range(2))))


async def _waiting(cloud: Cloud) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    said = await asyncio.to_thread(cloud.sqs_oracle.get_queue_attributes, QueueUrl=cloud.queue, AttributeNames=names)
    return sum(map(int, said["Attributes"].values()))


def _lying(cloud: Cloud) -> tuple[dict[str, list[bytes]], dict[str, list[bytes]]]:
    """By bucket: the bytes of every version of every key, read from the bucket; no marker and no upload is left."""
    found: list[dict[str, list[bytes]]] = []
    for bucket in (cloud.recordings, cloud.audio):
        of_keys: dict[str, list[bytes]] = {}
        for page in cloud.oracle.get_paginator("list_object_versions").paginate(Bucket=bucket):
            assert page.get("DeleteMarkers", []) == []
            for one in page.get("Versions", []):
                got = cloud.oracle.get_object(Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"])
                of_keys.setdefault(one["Key"], []).append(got["Body"].read())
        assert cloud.oracle.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []
        found.append(of_keys)
    return found[0], found[1]
