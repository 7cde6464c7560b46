"""A SIGKILL leaves the page cache as it was: it cannot show that a 200 waits for the disk. Postgres itself can."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg
import httpx

from tests.chaos.people import Person, gather
from tests.chaos.proof import consent_database
from tests.eventually import eventually
from tests.system.world import World

ANSWERS = 200
COUNTED = {"fdatasync", "fsync", "fsync_writethrough"}
"""Ways of syncing that Postgres counts; by the others, every write is one."""

_IN_PG_STAT_WAL = "SELECT count(*) FROM pg_attribute WHERE attrelid = 'pg_stat_wal'::regclass AND attname = 'wal_sync'"
_LINES = "SELECT count(*) FROM history WHERE meeting_id = $1"


async def press(world: World, person: Person, granted: bool, key: str) -> httpx.Response:
    path, headers = f"/v1/meetings/{person.meeting_id}/consent", {"Idempotency-Key": key}
    return await world.ask("POST", path, person.token, json={"consent_given": granted}, headers=headers)


async def synced(database: asyncpg.Connection) -> int:
    """How often the log of all commits was brought to the disk. Sessions report what they did within a second or so."""
    if await database.fetchval(_IN_PG_STAT_WAL):
        return int(await database.fetchval("SELECT wal_sync FROM pg_stat_wal"))
    return int(await database.fetchval("SELECT sum(fsyncs) FROM pg_stat_io WHERE object = 'wal'"))  # from 18 on


@asynccontextmanager
async def no_commit_returning(database: asyncpg.Connection) -> AsyncIterator[None]:
    """Every commit that waits for its durability waits for a standby, too: there is none."""
    await database.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    await _reload(database, "nobody")
    try:
        yield
    finally:
        await database.execute("ALTER SYSTEM RESET synchronous_standby_names")
        await _reload(database, "")


async def _reload(database: asyncpg.Connection, expected: str) -> None:
    await database.execute("SELECT pg_reload_conf()")

    async def is_known() -> bool:
        return bool(await database.fetchval("SHOW synchronous_standby_names") == expected)

    await eventually(is_known)


async def test_c1_each_of_the_answers_that_one_client_gives_one_after_the_other_is_synced_to_the_disk(
    world: World,
) -> None:
    (person,) = await gather(world, meetings=1, each=1)
    async with consent_database(world) as database:
        assert await database.fetchval("SHOW wal_sync_method") in COUNTED
        before = await synced(database)
        for number in range(ANSWERS):
            response = await press(world, person, granted=bool(number % 2), key=str(uuid.uuid4()))
            assert (response.status_code, response.json()["revision"]) == (200, number + 1)

        async def all_reported() -> bool:
            return await synced(database) >= before + ANSWERS

        with suppress(TimeoutError):
            await eventually(all_reported, within=90, every=0.2)
        assert await synced(database) - before >= ANSWERS


async def test_c1_an_answer_is_not_acknowledged_before_its_commit_returns(world: World) -> None:
    (person,) = await gather(world, meetings=1, each=1)
    key = str(uuid.uuid4())
    async with consent_database(world) as database:
        async with no_commit_returning(database):
            response = await press(world, person, granted=True, key=key)
            assert (response.status_code, response.json()["reason"]) == (503, "ANSWER_UNCONFIRMED")

        async def stored() -> httpx.Response | None:
            again = await press(world, person, granted=True, key=key)
            return again if again.status_code == 200 else None

        told = await eventually(stored)
        assert told is not None
        assert told.json()["revision"] == 1
        assert await database.fetchval(_LINES, person.meeting_id) == 1
