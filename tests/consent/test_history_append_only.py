"""The history in Postgres takes new lines and gives none back: not for the service, not for the tables' owner."""

import io
import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Database
from consent_svc.domain.verdict import Answer
from consent_svc.history.reading import verified
from deploy.local import Postgres
from tests.consent.cases import ANA, BEN, MINUTE, NINE, meeting, room, says
from tests.consent.conftest import ROLE, Store

# Any role that is neither the service's nor a superuser.
PLAIN_OWNER = "assent_transcript"
ACTORS = ["the service", "an ordinary owner", "a superuser", "a superuser in a replica session"]
REFUSED = r"permission denied|append-only"

REWRITES = [
    "UPDATE history SET answer = 'granted'",
    "UPDATE history SET answer = 'granted' WHERE revision = 2",
    "UPDATE history SET language = language WHERE false",
    "DELETE FROM history",
    "DELETE FROM history WHERE revision = 3",
    "TRUNCATE history",
    "TRUNCATE meetings CASCADE",
    "INSERT INTO history SELECT * FROM history ON CONFLICT (meeting_id, revision) DO UPDATE SET answer = 'granted'",
    "MERGE INTO history USING history AS old ON history.revision = old.revision WHEN MATCHED THEN DELETE",
    "MERGE INTO history USING history AS old ON history.revision = old.revision "
    "WHEN MATCHED THEN UPDATE SET answer = 'granted'",
    "WITH gone AS (DELETE FROM history RETURNING 1) SELECT count(*) FROM gone",
]

WAYS_AROUND = [
    "ALTER TABLE history DISABLE TRIGGER append_only",
    "ALTER TABLE history DISABLE TRIGGER ALL",
    "DROP TRIGGER append_only ON history",
    "DROP FUNCTION refuse_to_rewrite_history() CASCADE",
    "ALTER FUNCTION refuse_to_rewrite_history() RENAME TO allow_to_rewrite_history",
    "CREATE OR REPLACE FUNCTION refuse_to_rewrite_history() RETURNS trigger LANGUAGE plpgsql "
    "AS 'BEGIN RETURN NULL; END'",
    "CREATE TRIGGER first BEFORE INSERT ON history EXECUTE FUNCTION refuse_to_rewrite_history()",
    "CREATE RULE nothing AS ON INSERT TO history DO INSTEAD NOTHING",
    "ALTER TABLE history ADD COLUMN more text",
    "ALTER TABLE history DROP COLUMN language",
    "ALTER TABLE history RENAME TO another",
    f"ALTER TABLE history OWNER TO {ROLE}",
    "DROP TABLE history",
    "DROP SCHEMA public CASCADE",
    "SET session_replication_role = replica",
    "SET ROLE postgres",
    f"ALTER ROLE {ROLE} SUPERUSER",
    "SELECT * FROM history FOR UPDATE",
    "LOCK TABLE history IN ACCESS EXCLUSIVE MODE",
]


@pytest.fixture
async def told(postgres_store: Store) -> Store:
    """Three answers."""
    await postgres_store.rooms.add(room())
    await postgres_store.meetings.open(meeting(), NINE)
    for n, (who, answer) in enumerate([(ANA, Answer.GRANTED), (BEN, Answer.DENIED), (ANA, Answer.DENIED)]):
        await postgres_store.answers.submit(says(who, answer, f"r-{n}"), NINE + n * MINUTE)
    return postgres_store


@asynccontextmanager
async def acting_as(actor: str, postgres: Postgres, database_name: str) -> AsyncIterator[AsyncConnection]:
    """A transaction of theirs."""
    role = ROLE if actor == "the service" else "postgres"
    async with Database(postgres.url(database_name, role=role)) as database, database.begin() as connection:
        if actor == "an ordinary owner":
            for table in ("history", "answers", "meetings"):
                await connection.execute(text(f"ALTER TABLE {table} OWNER TO {PLAIN_OWNER}"))
            await connection.execute(text(f"SET LOCAL ROLE {PLAIN_OWNER}"))
        if actor == "a superuser in a replica session":
            await connection.execute(text("SET LOCAL session_replication_role = replica"))
        yield connection


async def refusal(transaction: AbstractAsyncContextManager[AsyncConnection], statement: str) -> str:
    """In which words the database refuses; empty where it does as it is told."""
    try:
        async with transaction as connection:
            await connection.execute(text(statement))
    except DBAPIError as error:
        return str(error.orig)
    return ""


async def is_untouched(store: Store) -> bool:
    found = await verified(store.history, "m-1")
    return (found.fault, found.entries) == (None, 3)


@pytest.mark.parametrize("actor", ACTORS)
async def test_c5_nobody_rewrites_history(postgres: Postgres, database_name: str, told: Store, actor: str) -> None:
    for statement in REWRITES:
        refused = await refusal(acting_as(actor, postgres, database_name), statement)
        assert re.search(REFUSED, refused), f"{statement}: {refused}"
    assert await is_untouched(told)


@pytest.mark.parametrize("actor", ACTORS)
async def test_c5_copy_neither_replaces_nor_removes_a_line(
    postgres: Postgres, database_name: str, told: Store, actor: str
) -> None:
    with pytest.raises(asyncpg.UniqueViolationError):
        async with acting_as(actor, postgres, database_name) as connection:
            await _copy_over_the_second_line(connection)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match=REFUSED):
        async with acting_as(actor, postgres, database_name) as connection:
            await (await _driver(connection)).copy_from_query("DELETE FROM history RETURNING 1", output=io.BytesIO())
    assert await is_untouched(told)


@pytest.mark.parametrize("actor", ACTORS)
async def test_c5_a_meeting_with_answers_cannot_be_removed(
    postgres: Postgres, database_name: str, told: Store, actor: str
) -> None:
    """Only who may turn off foreign keys can remove the meeting, and even then its history stays."""
    if actor == "a superuser in a replica session":
        async with acting_as(actor, postgres, database_name) as connection:
            await connection.execute(text("DELETE FROM meetings"))
            assert await connection.scalar(text("SELECT count(*) FROM history")) == 3
        return
    with pytest.raises(DBAPIError, match=r"permission denied|foreign key constraint"):
        async with acting_as(actor, postgres, database_name) as connection:
            await connection.execute(text("DELETE FROM meetings"))
    assert await is_untouched(told)


async def test_c5_the_service_cannot_get_around_the_guard(told: Store, database: Database) -> None:
    for statement in WAYS_AROUND:
        refused = await refusal(database.begin(), statement)
        assert re.search(r"must be owner|permission denied|must be superuser", refused), f"{statement}: {refused}"
    assert await is_untouched(told)


async def test_c5_the_service_cannot_grant_itself_more(told: Store, database: Database) -> None:
    async with database.begin() as connection:
        await connection.execute(text(f"GRANT ALL ON history TO {ROLE}"))  # a warning, and nothing else
    rights = "SELECT privilege_type FROM information_schema.role_table_grants WHERE table_name = 'history'"
    async with database.begin() as connection:
        assert sorted((await connection.execute(text(rights))).scalars()) == ["INSERT", "SELECT"]
    with pytest.raises(DBAPIError, match="permission denied"):
        async with database.begin() as connection:
            await connection.execute(text(REWRITES[0]))


async def _copy_over_the_second_line(connection: AsyncConnection) -> None:
    driver = await _driver(connection)
    [line] = await driver.fetch("SELECT * FROM history WHERE revision = 2")
    changed = {**line, "answer": "granted"}
    await driver.copy_records_to_table("history", records=[tuple(changed.values())], columns=list(changed))


async def _driver(connection: AsyncConnection) -> asyncpg.Connection:
    raw = await connection.get_raw_connection()
    driver = raw.driver_connection
    assert isinstance(driver, asyncpg.Connection)
    return driver
