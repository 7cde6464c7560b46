"""What the tests of transcript_svc share."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from assent.recording.v1 import recording_service_pb2
from assent.recording.v1.recording_service_pb2_grpc import (
    RecordingServiceStub,
    add_RecordingServiceServicer_to_server,
)
from google.protobuf import symbol_database
from google.protobuf.message import Message
from sqlalchemy import text

import transcript_svc
from chassis.channel import Tls, connect
from chassis.database import Database, migrate
from chassis.server import Server
from chassis.settings import AwsSettings
from deploy.local import Moto, Postgres
from tests.transcript.memory_transcripts import MemoryTranscripts
from tests.transcript.recording_service import FakeRecordings
from transcript_svc.buckets import Buckets, open_buckets
from transcript_svc.store import PostgresTranscripts, Transcripts

if TYPE_CHECKING:
    from assent.recording.v1.recording_service_pb2_grpc import RecordingServiceAsyncStub

ROLE = "assent_transcript"
_NUMBERS = itertools.count()


@dataclass
class Store:
    """A store, and the news that it has committed for other services."""

    transcripts: Transcripts
    news: Callable[[], Awaitable[list[Message]]]

    async def news_of(self, kind: type[Message]) -> list[Message]:
        """The committed news of one kind, in order."""
        return [message for message in await self.news() if isinstance(message, kind)]


@dataclass
class Cloud:
    """Two versioned buckets of the test's own."""

    s3: Any
    recordings: str
    audio: str
    env: dict[str, str]

    def put(self, key: str, content: bytes) -> str:
        """Lay a recording into its bucket, as Whereby does; its version."""
        version: str = self.s3.put_object(Bucket=self.recordings, Key=key, Body=content)["VersionId"]
        return version

    def audio_versions(self) -> list[tuple[str, str]]:
        """Key and version of everything in the audio bucket."""
        listed = self.s3.list_object_versions(Bucket=self.audio).get("Versions", [])
        return [(version["Key"], version["VersionId"]) for version in listed]


@dataclass
class RecordingSvc:
    """A recording_svc that listens, and the stub to call it with."""

    fake: FakeRecordings
    stub: "RecordingServiceAsyncStub"
    address: str
    server: Server


@pytest.fixture(scope="session")
async def migrated(postgres: Postgres) -> str:
    """A database with our tables, to copy."""
    name = postgres.fresh_database(role=ROLE)
    folder = Path(transcript_svc.__file__).parent / "migrations"
    await migrate(postgres.url(name), folder, service_url=postgres.url(name, role=ROLE))
    return name


@pytest.fixture
async def database(postgres: Postgres, migrated: str) -> AsyncIterator[Database]:
    """A database of the test's own, as the service's role sees it."""
    name = postgres.fresh_database(template=migrated, role=ROLE)
    async with Database(postgres.url(name, role=ROLE)) as database:
        yield database
    postgres.drop_database(name)


@pytest.fixture
def memory_store() -> Store:
    """A store in memory."""
    memory = MemoryTranscripts()

    async def told() -> list[Message]:
        return memory.news

    return Store(memory, told)


@pytest.fixture
def postgres_store(database: Database) -> Store:
    """A store in Postgres."""

    async def committed() -> list[Message]:
        async with database.begin() as connection:
            rows = await connection.execute(text("SELECT subject, payload FROM outbox ORDER BY id"))
            return [_message(row.subject, row.payload) for row in rows]

    return Store(PostgresTranscripts(database), committed)


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest) -> Store:
    """Each case is faced by the fake and by the real store."""
    chosen: Store = request.getfixturevalue(f"{request.param}_store")
    return chosen


@pytest.fixture
def transcripts(store: Store) -> Transcripts:
    """The store itself."""
    return store.transcripts


@pytest.fixture(scope="session")
def s3(moto: Moto) -> Any:
    """A blocking client; making one costs as much as many a test."""
    return moto.cloud.client("s3")


@pytest.fixture
def cloud(moto: Moto, s3: Any) -> Cloud:
    """Buckets of the test's own."""
    name = f"transcript-{next(_NUMBERS)}"
    cloud = Cloud(s3, f"{name}-recordings", f"{name}-audio", moto.cloud.env())
    for bucket in (cloud.recordings, cloud.audio):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": moto.cloud.region})
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return cloud


@pytest.fixture(scope="session")
async def any_buckets(moto: Moto) -> AsyncIterator[Buckets]:
    """The service's own client."""
    env = moto.cloud.env()
    settings = AwsSettings.model_validate({name: env[name] for name in env if "DEFAULT" not in name})
    async with open_buckets(settings, "nobody's") as buckets:
        yield buckets


@pytest.fixture
def buckets(any_buckets: Buckets, cloud: Cloud) -> Buckets:
    """The test's own buckets, as the service uses them."""
    return Buckets(any_buckets.s3, cloud.audio)


@pytest.fixture
async def recording_svc(tls: Tls) -> AsyncIterator[RecordingSvc]:
    """A recording_svc with mutual TLS, as in life."""
    fake, server = FakeRecordings(), Server("127.0.0.1:0", tls=tls)
    descriptor = recording_service_pb2.DESCRIPTOR.services_by_name["RecordingService"]
    server.add(add_RecordingServiceServicer_to_server, fake, descriptor)
    await server.start()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.stop)
        address = f"localhost:{server.port}"
        channel = await stack.enter_async_context(connect(address, tls))
        yield RecordingSvc(fake, RecordingServiceStub(channel), address, server)


def _message(subject: str, payload: bytes) -> Message:
    message: Message = symbol_database.Default().GetSymbol(subject)()
    message.ParseFromString(payload)
    return message
