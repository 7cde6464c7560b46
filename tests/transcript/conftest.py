"""What the tests of transcript_svc share."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from google.protobuf import symbol_database
from google.protobuf.message import Message
from sqlalchemy import text

import transcript_svc
from chassis.database import Database, migrate
from deploy.local import Postgres
from tests.transcript.memory_transcripts import MemoryTranscripts
from transcript_svc.store import PostgresTranscripts, Transcripts

ROLE = "assent_transcript"


@dataclass
class Store:
    """A store, and the news that it has committed for other services."""

    transcripts: Transcripts
    news: Callable[[], Awaitable[list[Message]]]

    async def news_of(self, kind: type[Message]) -> list[Message]:
        """The committed news of one kind, in order."""
        return [message for message in await self.news() if isinstance(message, kind)]


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


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest) -> Store:
    """Each case is faced by the fake and by the real store."""
    if request.param == "memory":
        memory = MemoryTranscripts()

        async def told() -> list[Message]:
            return memory.news

        return Store(memory, told)
    database: Database = request.getfixturevalue("database")

    async def committed() -> list[Message]:
        async with database.begin() as connection:
            rows = await connection.execute(text("SELECT subject, payload FROM outbox ORDER BY id"))
            return [_message(row.subject, row.payload) for row in rows]

    return Store(PostgresTranscripts(database), committed)


@pytest.fixture
def transcripts(store: Store) -> Transcripts:
    """The store itself."""
    return store.transcripts


def _message(subject: str, payload: bytes) -> Message:
    message: Message = symbol_database.Default().GetSymbol(subject)()
    message.ParseFromString(payload)
    return message
