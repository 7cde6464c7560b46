"""What operators did: written once, never changed; and what the service's role may do with it."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from chassis.database import Database
from deploy.local import Postgres

ROLE = "assent_recording"
_NOTE = "INSERT INTO operator_actions (operator, action, details) VALUES ('Ida', 'retry', '{}')"
_COUNT = "SELECT count(*) FROM operator_actions WHERE operator = 'Ida'"
_REWRITES = [
    "UPDATE operator_actions SET operator = 'Nobody'",
    "DELETE FROM operator_actions",
    "TRUNCATE operator_actions",
]


async def _noted(url: str) -> None:
    async with Database(url) as database, database.begin() as connection:
        await connection.execute(text(_NOTE))


@pytest.mark.parametrize("statement", _REWRITES)
@pytest.mark.parametrize("role", [ROLE, "postgres"])
async def test_neither_the_service_nor_the_owner_rewrites_what_operators_did(
    postgres: Postgres, database_url: str, statement: str, role: str
) -> None:
    await _noted(database_url)
    name = database_url.rsplit("/", 1)[1].split("?")[0]
    refused = "permission denied" if role == ROLE else "append-only"
    async with Database(postgres.url(name, role=role)) as database:
        with pytest.raises(DBAPIError, match=refused):
            async with database.begin() as connection:
                await connection.execute(text(statement))
        async with database.begin() as connection:
            assert await connection.scalar(text(_COUNT)) == 1


async def test_the_owner_is_refused_in_a_replica_session_too(postgres: Postgres, database_url: str) -> None:
    await _noted(database_url)
    name = database_url.rsplit("/", 1)[1].split("?")[0]
    async with Database(postgres.url(name)) as database, database.engine.connect() as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        with pytest.raises(DBAPIError, match="append-only"):
            await connection.execute(text("DELETE FROM operator_actions"))


async def test_the_services_role_keeps_its_place_in_a_listing(database_url: str) -> None:
    async with Database(database_url) as database, database.begin() as connection:
        await connection.execute(text("INSERT INTO listings VALUES ('bucket', 'compare', 'a', 'v', now())"))
        await connection.execute(text("UPDATE listings SET key_marker = 'b'"))
        await connection.execute(text("DELETE FROM listings"))


async def test_what_waits_is_found_by_its_state(database_url: str) -> None:
    query = "EXPLAIN SELECT * FROM recordings WHERE state = 'unmatched' ORDER BY discovered_at LIMIT 9"
    async with Database(database_url) as database, database.begin() as connection:
        await connection.execute(text("SET LOCAL enable_seqscan = off"))
        plan = "\n".join(await connection.scalars(text(query)))
    assert "recordings_by_state" in plan
