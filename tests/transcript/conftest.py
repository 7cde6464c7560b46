"""What the tests of transcript_svc share."""

import itertools
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from assent.recording.v1 import recording_service_pb2
from assent.recording.v1.recording_service_pb2_grpc import (
    RecordingServiceStub,
    add_RecordingServiceServicer_to_server,
)
from assent.transcript.v1 import transcript_service_pb2
from assent.transcript.v1.transcript_service_pb2_grpc import (
    TranscriptServiceStub,
    add_TranscriptServiceServicer_to_server,
)
from google.protobuf import symbol_database
from google.protobuf.message import Message
from sqlalchemy import text

import transcript_svc
from chassis.bus import Bus
from chassis.channel import Tls, connect
from chassis.database import Database, migrate
from chassis.server import Server
from chassis.settings import AwsSettings
from deploy.local import Moto, Nats, Postgres
from deploy.local.sample import MEETING
from tests.transcript.caller import Service
from tests.transcript.crew import Crew
from tests.transcript.forked_children import Children
from tests.transcript.media_files import tone, write_audio
from tests.transcript.memory_transcripts import MemoryTranscripts
from tests.transcript.recording_service import FakeRecordings
from tests.transcript.surroundings import Cloud, RecordingSvc, Store
from tests.transcript.workshop import Workshop
from transcript_svc import media, workers
from transcript_svc.buckets import Buckets, open_buckets
from transcript_svc.cutting import Span
from transcript_svc.listening import Listening
from transcript_svc.servicer import TranscriptServicer
from transcript_svc.speech import RATE, samples
from transcript_svc.store import PostgresTranscripts, Transcripts

ROLE = "assent_transcript"
MIGRATIONS = Path(transcript_svc.__file__).parent / "migrations"
_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
async def migrated(postgres: Postgres) -> str:
    """A database with our tables, to copy."""
    name = postgres.fresh_database(role=ROLE)
    await migrate(postgres.url(name), MIGRATIONS, service_url=postgres.url(name, role=ROLE))
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
    return Buckets(any_buckets.s3, any_buckets.playing, cloud.audio)


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


@pytest.fixture
async def shop(
    memory_store: Store, recording_svc: RecordingSvc, cloud: Cloud, buckets: Buckets, tmp_path: Path
) -> AsyncIterator[Workshop]:
    async with AsyncExitStack() as stack:
        shop = Workshop(memory_store, recording_svc, cloud, buckets, tmp_path, stack)
        shop.parrot.may_speak.set()
        shop.parrot.may_end.set()
        yield shop


@pytest.fixture(scope="session")
async def children(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Children]:
    async with Children(tmp_path_factory.mktemp("children")) as children:
        yield children


@pytest.fixture(scope="module")
def quick_children(children: Children) -> Iterator[None]:
    """Child processes begin in no time: for whom they are but a means."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "begun", children.begin)
        yield


@pytest.fixture(scope="session")
async def beginning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five seconds in which somebody speaks, of the sample meeting: one chunk."""

    async def ignore(done_ms: int, total_ms: int) -> None:
        """Nobody watches."""

    folder = tmp_path_factory.mktemp("beginning")
    await media.decode(MEETING, folder / "meeting.wav", None, ignore)
    said = np.frombuffer(samples(folder / "meeting.wav", Span(0, 5_000)), np.int16)
    return write_audio(folder / "beginning.mp4", said, RATE)


@pytest.fixture
def spoken(tmp_path: Path) -> Path:
    """Two seconds of sound."""
    return write_audio(tmp_path / "spoken.mp4", tone(2))


@pytest.fixture
async def service(
    memory_store: Store, recording_svc: RecordingSvc, cloud: Cloud, buckets: Buckets, tls: Tls, tmp_path: Path
) -> AsyncIterator[Service]:
    server = Server("127.0.0.1:0", tls=tls)
    async with connect(f"localhost:{server.port}", tls) as channel:
        service = Service(
            TranscriptServiceStub(channel), memory_store.transcripts, recording_svc, buckets, cloud, tmp_path
        )

        def clock() -> float:
            return service.moments.pop(0) if len(service.moments) > 1 else service.moments[0]

        servicer = TranscriptServicer(
            memory_store.transcripts,
            recording_svc.stub,
            Listening(recording_svc.stub, memory_store.transcripts, buckets, clock),
        )
        descriptor = transcript_service_pb2.DESCRIPTOR.services_by_name["TranscriptService"]
        server.add(add_TranscriptServiceServicer_to_server, servicer, descriptor)
        await server.start()
        yield service
        await server.stop()


@pytest.fixture
async def crew(
    postgres: Postgres, migrated: str, cloud: Cloud, recording_svc: RecordingSvc, tls: Tls, tmp_path: Path
) -> AsyncIterator[Crew]:
    """Real processes, with a database and a NATS of their own."""
    name = postgres.fresh_database(template=migrated, role=ROLE)
    async with AsyncExitStack() as stack:
        nats = stack.enter_context(Nats(tmp_path / "nats", fsync=False))
        bus = await stack.enter_async_context(Bus(nats.url))
        await bus.connected()
        environ = {
            **cloud.env,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "ASSENT_NATS_URL": nats.url,
            "ASSENT_TLS_CA": str(tls.ca),
            "ASSENT_TLS_CERT": str(tls.cert),
            "ASSENT_TLS_KEY": str(tls.key),
            "ASSENT_TRANSCRIPT_DATABASE_URL": postgres.url(name, role=ROLE),
            "ASSENT_TRANSCRIPT_LISTEN": "127.0.0.1:0",
            "ASSENT_TRANSCRIPT_HEALTH_LISTEN": "127.0.0.1:0",
            "ASSENT_RECORDING_ADDRESS": recording_svc.address,
            "ASSENT_AUDIO_BUCKET": cloud.audio,
        }
        database = await stack.enter_async_context(Database(postgres.url(name, role=ROLE)))
        crew = Crew(tmp_path, environ, cloud, recording_svc, PostgresTranscripts(database), bus)
        yield await stack.enter_async_context(crew)
    postgres.drop_database(name)


def _message(subject: str, payload: bytes) -> Message:
    message: Message = symbol_database.Default().GetSymbol(subject)()
    message.ParseFromString(payload)
    return message
