"""A recording service's surroundings: its database, its buckets and queues, and the two services it asks."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiobotocore.session import get_session
from assent.recording.v1 import recording_events_pb2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.message import Message
from sqlalchemy import text

from chassis.channel import Tls
from chassis.database import Database, migrate
from deploy.local import Moto, Postgres
from recording_svc import __file__ as package
from recording_svc.store import Recordings
from recording_svc.store.postgres import PostgresRecordings
from tests.recording.memory import MemoryRecordings
from tests.recording.neighbours import Neighbours

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client
    from types_aiobotocore_sqs.client import SQSClient

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
_numbers = itertools.count(1)


class Clock:
    """Time that passes only when a test says so."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass
class Cloud:
    """Fresh buckets and queues, with asynchronous clients and a blocking one for the oracle."""

    s3: "S3Client"
    sqs: "SQSClient"
    oracle: Any
    sqs_oracle: Any
    recordings: str
    audio: str
    queue: str
    dead_letters: str

    def lying(self, bucket: str) -> list[tuple[str, str]]:
        """(kind, key) of every version, delete marker and unfinished upload, straight from the bucket."""
        listed = self.oracle.list_object_versions(Bucket=bucket)
        uploads = self.oracle.list_multipart_uploads(Bucket=bucket)
        return sorted(
            [("version", one["Key"]) for one in listed.get("Versions", [])]
            + [("marker", one["Key"]) for one in listed.get("DeleteMarkers", [])]
            + [("upload", one["Key"]) for one in uploads.get("Uploads", [])]
        )

    def put(self, key: str, body: bytes = b"audio", bucket: str = "") -> str:
        """Put an object; returns its version."""
        reply = self.oracle.put_object(Bucket=bucket or self.recordings, Key=key, Body=body)
        return str(reply.get("VersionId", "null"))


@pytest.fixture(scope="session")
async def migrated(postgres: Postgres) -> str:
    name = postgres.fresh_database(role="assent_recording")
    service_url = postgres.url(name, role="assent_recording")
    await migrate(postgres.url(name), Path(package).parent / "migrations", service_url=service_url)
    return name


@pytest.fixture
async def database_url(postgres: Postgres, migrated: str) -> AsyncIterator[str]:
    name = await asyncio.to_thread(postgres.fresh_database, template=migrated, role="assent_recording")
    yield postgres.url(name, role="assent_recording")
    await asyncio.to_thread(postgres.drop_database, name)


@pytest.fixture(params=["memory", "postgres"])
def recordings(request: pytest.FixtureRequest) -> Recordings:
    """The store; the same cases on the fake and on Postgres."""
    store: Recordings
    store = MemoryRecordings() if request.param == "memory" else request.getfixturevalue("postgres_recordings")
    return store


@pytest.fixture
async def postgres_recordings(database_url: str) -> AsyncIterator[PostgresRecordings]:
    async with Database(database_url, pool_size=8) as database, Database(database_url, pool_size=8) as locks:
        yield PostgresRecordings(database, locks)


async def published(recordings: Recordings) -> list[Message]:
    """What the store would have published so far, in order."""
    if isinstance(recordings, MemoryRecordings):
        return list(recordings.published)
    assert isinstance(recordings, PostgresRecordings)
    async with recordings._database.begin() as connection:
        rows = await connection.execute(text("SELECT subject, payload FROM outbox ORDER BY id"))
        return [_read(row.subject, row.payload) for row in rows]


def _read(subject: str, payload: bytes) -> Message:
    kind: type[Message] = getattr(recording_events_pb2, subject.rsplit(".", 1)[1])
    return kind.FromString(payload)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def signing_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture
async def cloud(moto: Moto) -> AsyncIterator[Cloud]:
    names = await asyncio.to_thread(moto.fresh_buckets, f"recording-{next(_numbers)}")
    session = get_session()
    common: dict[str, Any] = {
        "region_name": names["AWS_REGION"],
        "endpoint_url": names["AWS_ENDPOINT_URL"],
        "aws_access_key_id": names["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": names["AWS_SECRET_ACCESS_KEY"],
    }
    async with session.create_client("s3", **common) as s3, session.create_client("sqs", **common) as sqs:
        yield Cloud(
            s3,
            sqs,
            moto.cloud.client("s3"),
            moto.cloud.client("sqs"),
            names["ASSENT_RECORDINGS_BUCKET"],
            names["ASSENT_AUDIO_BUCKET"],
            names["ASSENT_RECORDINGS_QUEUE_URL"],
            names["ASSENT_RECORDINGS_DLQ_URL"],
        )


@pytest.fixture
async def neighbours(tls: Tls) -> AsyncIterator[Neighbours]:
    """consent_svc and transcript_svc, as real servers whose answers a test chooses."""
    async with Neighbours(tls) as both:
        yield both
