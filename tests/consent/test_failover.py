"""The database takes no writes for a while, as a standby does: nothing is stored, and afterwards all goes on."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from assent.consent.v1.consent_events_pb2 import AnswerSubmitted
from sqlalchemy import text

from chassis.database import DRIVER_CONNECTIONS, Database
from chassis.errors import Unavailable
from consent_svc.domain.verdict import Answer
from consent_svc.store.answers import PostgresAnswers
from deploy.local import Postgres
from tests.consent.cases import ANA, BEN, NINE, TEN, meeting, room, says
from tests.consent.chain import first_fault
from tests.consent.conftest import TERMS, Store
from tests.eventually import eventually

GRANTED, DENIED = Answer.GRANTED, Answer.DENIED
READ_ONLY = "SET default_transaction_read_only = on"
POOLED = 3


@pytest.fixture
async def opened(postgres_store: Store) -> Store:
    await postgres_store.rooms.add(room())
    await postgres_store.meetings.open(meeting(), NINE)
    return postgres_store


@pytest.fixture
async def answers(opened: Store, database: Database, answered_before: bool) -> PostgresAnswers:
    """With an answer before, it knows where the history ends, and needs one statement alone."""
    answers = PostgresAnswers(database, TERMS)
    if answered_before:
        await answers.submit(says(BEN, GRANTED, "before"), NINE)
    return answers


async def demoted(database: Database) -> None:
    """Whatever is connected now writes no more, as where the server became a standby; who connects anew does."""
    async with AsyncExitStack() as held:
        for _ in range(DRIVER_CONNECTIONS):
            await (await held.enter_async_context(database.on_driver())).execute(READ_ONLY)
        for _ in range(POOLED):
            await (await held.enter_async_context(database.begin())).execute(text(READ_ONLY))


async def told(store: Store) -> int:
    """How many events about answers there are."""
    return sum(isinstance(event, AnswerSubmitted) for event in await store.published())


async def unavailable(write: Callable[[], Awaitable[object]]) -> None:
    with pytest.raises(Unavailable) as error:
        await write()
    assert error.value.reason == "DATABASE_UNAVAILABLE"


@pytest.mark.parametrize("answered_before", [False, True])
async def test_c1_c3_what_a_standby_refused_is_stored_once_when_it_takes_writes(
    answers: PostgresAnswers,
    opened: Store,
    database: Database,
    postgres: Postgres,
    database_name: str,
    answered_before: bool,
) -> None:
    postgres.execute(
        [
            f'ALTER DATABASE "{database_name}" SET default_transaction_read_only = on',
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database_name}'",
        ]
    )

    async def is_there_again() -> bool:
        try:
            async with database.on_driver() as connection:
                return bool(await connection.fetchval("SHOW transaction_read_only") == "on")
        except Unavailable:
            return False

    await eventually(is_there_again)
    for _ in range(2):
        await unavailable(lambda: answers.submit(says(ANA, DENIED, "r-1"), NINE))
    before = int(answered_before)
    assert len(await opened.history.page("m-1", 0, 100)) == await told(opened) == before
    postgres.execute([f'ALTER DATABASE "{database_name}" RESET default_transaction_read_only'])
    stored = await answers.submit(says(ANA, DENIED, "r-1"), NINE)
    assert stored.revision == before + 1
    assert await answers.submit(says(ANA, DENIED, "r-1"), TEN) == stored
    lines = await opened.history.page("m-1", 0, 100)
    assert len(lines) == await told(opened) == before + 1
    assert first_fault(lines) is None


@pytest.mark.parametrize("answered_before", [False, True])
async def test_c3_after_a_failover_one_refusal_is_enough_to_connect_anew(
    answers: PostgresAnswers, opened: Store, database: Database, answered_before: bool
) -> None:
    await demoted(database)
    await unavailable(lambda: answers.submit(says(ANA, DENIED, "r-1"), NINE))
    stored = await answers.submit(says(ANA, DENIED, "r-1"), NINE)
    lines = await opened.history.page("m-1", 0, 100)
    assert stored.revision == len(lines) == 1 + answered_before
    assert first_fault(lines) is None


async def test_after_a_failover_rooms_and_meetings_go_on_too(opened: Store, database: Database) -> None:
    await demoted(database)
    await unavailable(lambda: opened.rooms.add(room("retro")))
    for name in ("retro", "planning", "review", "weekly"):
        await opened.rooms.add(room(name))
