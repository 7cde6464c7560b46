"""A recording service's surroundings: its database, its buckets and queues, and the two services it asks."""

import asyncio
import functools
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from aiobotocore.session import get_session
from assent.recording.v1 import recording_events_pb2
from assent.recording.v1 import recording_service_pb2 as rpc
from assent.recording.v1.recording_service_pb2_grpc import (
    RecordingServiceStub,
    add_RecordingServiceServicer_to_server,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.message import Message
from sqlalchemy import text

import deploy.local.buckets
from chassis.channel import Tls, connect
from chassis.database import Database, migrate
from chassis.server import Server
from deploy.local import Moto, Postgres
from deploy.local.buckets import LIFECYCLE, provision
from recording_svc import __file__ as package
from recording_svc.certificate import Signer
from recording_svc.servicer import RecordingServicer
from recording_svc.store import Recordings
from recording_svc.store.postgres import PostgresRecordings
from tests.recording.memory import MemoryRecordings
from tests.recording.neighbours import Neighbours
from tests.recording.radosgw import Radosgw
from tests.recording.strain import Watched
from tests.recording.surroundings import Clock, Cloud, MotoS3
from tests.recording.world import World

if TYPE_CHECKING:
    from assent.recording.v1.recording_service_pb2_grpc import RecordingServiceAsyncStub
    from types_aiobotocore_s3.client import S3Client
    from types_aiobotocore_sqs.client import SQSClient

_numbers = itertools.count(1)


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


class Clients(deploy.local.buckets.Cloud):
    """Blocking clients, each made once: making one takes longer than most tests."""

    @functools.cache  # noqa: B019  there is one, for the whole session
    def client(self, service: str) -> Any:
        return super().client(service)


@dataclass
class Aws:
    """Clients that all tests share."""

    blocking: Clients
    s3: "S3Client"
    sqs: "SQSClient"


@pytest.fixture(scope="session")
async def aws(moto: Moto) -> AsyncIterator[Aws]:
    there = moto.cloud
    async with opened(there, "s3") as s3, opened(there, "sqs") as sqs:
        yield Aws(blocking_clients(there), cast("S3Client", MotoS3(s3)), sqs)


def blocking_clients(there: deploy.local.buckets.Cloud) -> Clients:
    """Blocking clients for this cloud."""
    return Clients(there.endpoint, there.region, there.access_key_id, there.secret_access_key)


def opened(there: deploy.local.buckets.Cloud, service: str) -> Any:
    """An asynchronous client for this cloud, as a context."""
    return get_session().create_client(
        service,  # type: ignore[call-overload]  # the stubs want a literal
        region_name=there.region,
        endpoint_url=there.endpoint,
        aws_access_key_id=there.access_key_id,
        aws_secret_access_key=there.secret_access_key,
    )


both_servers = pytest.mark.parametrize(
    "cloud", ["moto", pytest.param("radosgw", marks=pytest.mark.radosgw)], indirect=True
)
"""The same cases on moto and, where `make test-s3` asks for it, on a real S3 server."""
real_server = pytest.mark.parametrize("cloud", [pytest.param("radosgw", marks=pytest.mark.radosgw)], indirect=True)
"""Cases that moto cannot play."""


@pytest.fixture
def cloud(request: pytest.FixtureRequest) -> Cloud:
    """Buckets on moto unless a test says where else; queues are always moto's."""
    chosen: Cloud = request.getfixturevalue(f"{getattr(request, 'param', 'moto')}_cloud")
    return chosen


@pytest.fixture
async def moto_cloud(aws: Aws) -> Cloud:
    return await fresh_cloud(aws)


async def fresh_cloud(aws: Aws) -> Cloud:
    """Buckets and queues on moto that nobody used before."""
    names = await asyncio.to_thread(provision, aws.blocking, f"recording-{next(_numbers)}")
    return Cloud(
        aws.s3,
        aws.sqs,
        aws.blocking.client("s3"),
        aws.blocking.client("sqs"),
        names["ASSENT_RECORDINGS_BUCKET"],
        names["ASSENT_AUDIO_BUCKET"],
        names["ASSENT_RECORDINGS_QUEUE_URL"],
        names["ASSENT_RECORDINGS_DLQ_URL"],
    )


@pytest.fixture(scope="session")
def radosgw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Radosgw]:
    with Radosgw(tmp_path_factory.mktemp("radosgw")) as server:
        yield server


@pytest.fixture(scope="session")
async def radosgw_clients(radosgw: Radosgw) -> AsyncIterator[tuple[Any, Any]]:
    """The buckets' owner: an asynchronous client and a blocking one."""
    there = radosgw.cloud("owner")
    async with opened(there, "s3") as s3:
        yield s3, blocking_clients(there).client("s3")


@pytest.fixture
async def radosgw_cloud(radosgw_clients: tuple[Any, Any], moto_cloud: Cloud) -> Cloud:
    s3, oracle = radosgw_clients
    for bucket in (moto_cloud.recordings, moto_cloud.audio):
        await s3.create_bucket(Bucket=bucket)
        await s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        rules = json.loads(LIFECYCLE.read_text())
        await s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=rules)
    return replace(moto_cloud, s3=s3, oracle=oracle)


@pytest.fixture(scope="session")
async def stranger(radosgw: Radosgw) -> AsyncIterator["S3Client"]:
    """A user of the real server who owns no bucket and may do what a bucket's policy allows them."""
    async with opened(radosgw.cloud("stranger"), "s3") as s3:
        yield s3


@pytest.fixture
async def neighbours(tls: Tls, clock: Clock) -> AsyncIterator[Neighbours]:
    """consent_svc and transcript_svc, as real servers whose answers a test chooses."""
    async with Neighbours(tls, clock) as both:
        yield both


@pytest.fixture
def world(
    recordings: Recordings, cloud: Cloud, neighbours: Neighbours, clock: Clock, signing_key: Ed25519PrivateKey
) -> World:
    """The service on each store."""
    return World(recordings, cloud, neighbours, clock, signing_key)


@pytest.fixture
async def service(world: World, tls: Tls) -> AsyncIterator["RecordingServiceAsyncStub"]:
    """RecordingService around the same world, as its callers reach it."""
    server = Server("127.0.0.1:0", tls=tls)
    servicer = RecordingServicer(
        world.recordings,
        world.neighbours.consent,
        world.settlement,
        Signer(world.key),
        world.cloud.audio,
        world.clock,
        world.woken.set,
    )
    descriptor = rpc.DESCRIPTOR.services_by_name["RecordingService"]
    server.add(add_RecordingServiceServicer_to_server, servicer, descriptor)
    await server.start()
    async with connect(f"127.0.0.1:{server.port}", tls) as channel:
        yield RecordingServiceStub(channel)
    await server.stop()


@pytest.fixture
def watched(recordings: Recordings) -> Watched:
    """Each store, with a gate before what takes recordings in."""
    return Watched(recordings)
