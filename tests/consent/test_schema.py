"""The schema: what the migration makes is what the queries expect, and the service may do no more than it must."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from chassis.database import Database, migrate
from consent_svc.__main__ import MIGRATIONS
from consent_svc.store.tables import METADATA
from deploy.local import Postgres


async def test_the_migration_makes_the_tables_that_the_queries_expect(postgres: Postgres, database_name: str) -> None:
    def differences(connection: Connection) -> list[object]:
        options = {"include_object": lambda _o, name, kind, _r, _c: kind != "table" or name != "outbox"}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), METADATA))

    async with Database(postgres.url(database_name)) as database, database.begin() as connection:
        assert await connection.run_sync(differences) == []


async def test_migrating_again_changes_nothing(postgres: Postgres, database_name: str) -> None:
    url = postgres.url(database_name)
    await migrate(url, MIGRATIONS, service_url=postgres.url(database_name, role="assent_consent"))
    await migrate(url, MIGRATIONS, service_url=postgres.url(database_name, role="assent_consent"))


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM meetings",
        "DELETE FROM answers",
        "DELETE FROM participants",
        "UPDATE meetings SET salt = ''",
        "UPDATE meetings SET consent_policy = 'delete_on_denial'",
        "UPDATE finished_files SET meeting_id = 'm-2'",
        "DROP TABLE history",
        "CREATE TABLE mine (id int)",
        "SELECT version_num FROM alembic_version",
    ],
)
async def test_the_service_may_not(database: Database, statement: str) -> None:
    with pytest.raises(DBAPIError, match=r"permission denied|must be owner"):
        async with database.begin() as connection:
            await connection.execute(text(statement))


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("SELECT * FROM answers WHERE meeting_id = 'm' AND participant_id = 'p'", "answers_pkey"),
        ("SELECT * FROM history WHERE meeting_id = 'm' AND participant_digest = 'd' AND request_id = 'r'", "requests"),
        ("SELECT * FROM history WHERE meeting_id = 'm' AND revision > 3 ORDER BY revision LIMIT 9", "history_pkey"),
        ("SELECT * FROM participants WHERE meeting_id IN ('m')", "participants_pkey"),
        ("SELECT * FROM meetings WHERE whereby_room_name = '/r'", "meetings_by_whereby_room"),
        ("SELECT * FROM meetings WHERE room = 'r' ORDER BY started_at DESC LIMIT 9", "meetings_by_room"),
    ],
)
async def test_queries_have_an_index(database: Database, query: str, index: str) -> None:
    async with database.begin() as connection:
        await connection.execute(text("SET LOCAL enable_seqscan = off"))
        plan = "\n".join((await connection.execute(text(f"EXPLAIN {query}"))).scalars())
    assert index in plan
