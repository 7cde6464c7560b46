"""The store in both its forms, and a few meetings to try things on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest
from assent.consent.v1 import consent_service_pb2
from assent.consent.v1.consent_service_pb2_grpc import ConsentServiceStub, add_ConsentServiceServicer_to_server
from assent.meeting.v1 import meeting_service_pb2
from assent.meeting.v1.meeting_service_pb2_grpc import MeetingServiceStub, add_MeetingServiceServicer_to_server
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from google.protobuf import symbol_database
from google.protobuf.message import Message
from sqlalchemy import text

from chassis.channel import Tls, connect
from chassis.database import Database, migrate
from chassis.server import Server
from consent_svc.__main__ import MIGRATIONS
from consent_svc.domain.answers import Answers, History
from consent_svc.domain.meetings import Meetings
from consent_svc.domain.presence import Presence
from consent_svc.domain.receipts import Receipts, Terms, terms_of
from consent_svc.domain.rooms import Rooms
from consent_svc.domain.standings import Standings
from consent_svc.insights import Insights
from consent_svc.opening import Opening
from consent_svc.servicer.consent import ConsentServicer
from consent_svc.servicer.meetings import MeetingServicer
from consent_svc.store.answers import PostgresAnswers
from consent_svc.store.history import PostgresHistory
from consent_svc.store.meetings import PostgresMeetings
from consent_svc.store.presence import PostgresPresence
from consent_svc.store.receipts import PostgresReceipts
from consent_svc.store.rooms import PostgresRooms
from consent_svc.store.standings import PostgresStandings
from deploy.local import Postgres
from tests.consent.cases import NINE, Clock, room
from tests.consent.fake_whereby import FakeWhereby
from tests.consent.histories import KEY, SIGNER
from tests.consent.memory import (
    Memory,
    MemoryAnswers,
    MemoryHistory,
    MemoryMeetings,
    MemoryRooms,
)
from tests.consent.memory_presence import MemoryPresence, MemoryStandings
from tests.consent.memory_receipts import MemoryReceipts

if TYPE_CHECKING:  # only the stubs' types know them
    from assent.consent.v1.consent_service_pb2_grpc import ConsentServiceAsyncStub
    from assent.meeting.v1.meeting_service_pb2_grpc import MeetingServiceAsyncStub

ROLE = "assent_consent"
TERMS = terms_of(
    controller={"party_name": "Example Cooperative", "party_contact": "privacy@example.org"},
    jurisdiction="NO",
    purposes=["To listen to the meeting again"],
    storage_location="Norway",
    retention="Ten years",
    withdrawal="Change the answer at the link",
    privacy_policy_url="",
)


@dataclass(frozen=True)
class Store:
    """Everything that consent_svc keeps, in either form."""

    rooms: Rooms
    meetings: Meetings
    answers: Answers
    standings: Standings
    history: History
    receipts: Receipts
    presence: Presence
    # What waits in the outbox, the oldest first.
    published: Callable[[], Awaitable[list[Message]]]


@pytest.fixture(scope="session")
def migrated(postgres: Postgres) -> Iterator[str]:
    """A database with our tables, to copy from."""
    name = postgres.fresh_database(role=ROLE)
    work = migrate(postgres.url(name), MIGRATIONS, service_url=postgres.url(name, role=ROLE))
    with ThreadPoolExecutor(1) as pool:  # the session's loop may run already
        pool.submit(asyncio.run, work).result()
    yield name
    postgres.drop_database(name)


@pytest.fixture
def database_name(postgres: Postgres, migrated: str) -> Iterator[str]:
    """An empty database of this test's own."""
    name = postgres.fresh_database(template=migrated, role=ROLE)
    yield name
    postgres.drop_database(name)


@pytest.fixture
async def database(postgres: Postgres, database_name: str) -> AsyncIterator[Database]:
    """Connections to it with the service's own rights."""
    async with Database(postgres.url(database_name, role=ROLE)) as database:
        yield database


@pytest.fixture
def postgres_store(database: Database) -> Store:
    """The real store."""
    return store_in_postgres(database)


@pytest.fixture
def memory_store() -> Store:
    """The fake."""
    return store_in_memory(Memory())


def store_in_postgres(database: Database, terms: Terms = TERMS) -> Store:
    """The real store over these connections, as a service makes it when it starts."""

    async def published() -> list[Message]:
        async with database.begin() as connection:
            rows = (await connection.execute(text("SELECT subject, payload FROM outbox ORDER BY id"))).all()
        return [parse(row.subject, row.payload) for row in rows]

    return Store(
        PostgresRooms(database), PostgresMeetings(database), PostgresAnswers(database, terms, lambda: NINE),
        PostgresStandings(database), PostgresHistory(database), PostgresReceipts(database),
        PostgresPresence(database), published,
    )  # fmt: skip


def store_in_memory(memory: Memory, terms: Terms | None = TERMS) -> Store:
    """The fake over this data."""

    async def published() -> list[Message]:
        return list(memory.published)

    return Store(
        MemoryRooms(memory), MemoryMeetings(memory), MemoryAnswers(memory, terms), MemoryStandings(memory),
        MemoryHistory(memory), MemoryReceipts(memory), MemoryPresence(memory), published,
    )  # fmt: skip


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest) -> Store:
    """Both, one after the other."""
    found: Store = request.getfixturevalue(f"{request.param}_store")
    return found


@pytest.fixture
def whereby() -> FakeWhereby:
    """Answers at once unless told otherwise."""
    return FakeWhereby()


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """The public key under which exports hold, as an operator hands it out."""
    path = tmp_path / "key.pem"
    path.write_bytes(KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return path


@pytest.fixture
def clock() -> Clock:
    """What the time is."""
    return Clock()


@pytest.fixture
async def opening(store: Store, whereby: FakeWhereby, clock: Clock) -> Opening:
    """Opens the room standup, which is there, and any other."""
    await store.rooms.add(room())
    return Opening(store.rooms, store.meetings, whereby, clock)


@pytest.fixture
def asking(store: Store, whereby: FakeWhereby, clock: Clock) -> Insights:
    """Asks about every meeting once a minute, a round at a time."""
    return Insights(whereby, store.meetings, store.presence, clock, timedelta(minutes=1))


@pytest.fixture
async def channel(store: Store, whereby: FakeWhereby, clock: Clock, tls: Tls) -> AsyncIterator[grpc.aio.Channel]:
    """Both services, on the store in either form."""
    server = Server("127.0.0.1:0", tls=tls)
    opening = Opening(store.rooms, store.meetings, whereby, clock)
    servicer = MeetingServicer(store.rooms, store.meetings, store.presence, opening, clock)
    server.add(
        add_MeetingServiceServicer_to_server,
        servicer,
        meeting_service_pb2.DESCRIPTOR.services_by_name["MeetingService"],
    )
    server.add(
        add_ConsentServiceServicer_to_server,
        ConsentServicer(store.answers, store.standings, store.history, store.receipts, SIGNER, clock, server.ending),
        consent_service_pb2.DESCRIPTOR.services_by_name["ConsentService"],
    )
    await server.start()
    async with connect(f"localhost:{server.port}", tls) as channel:
        yield channel
    await server.stop()


@pytest.fixture
def rooms(channel: grpc.aio.Channel) -> "MeetingServiceAsyncStub":
    """MeetingService."""
    return MeetingServiceStub(channel)


@pytest.fixture
def answers(channel: grpc.aio.Channel) -> "ConsentServiceAsyncStub":
    """ConsentService."""
    return ConsentServiceStub(channel)


def parse(subject: str, payload: bytes) -> Message:
    """An event as its subject names it."""
    kind = symbol_database.Default().GetSymbol(subject)
    message: Message = kind.FromString(payload)
    return message
