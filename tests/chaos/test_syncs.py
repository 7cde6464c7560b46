"""A SIGKILL leaves the page cache as it was, so it cannot show that commits reach the disk: Postgres' own count can."""

import asyncpg

from tests.chaos.people import gather
from tests.chaos.proof import consent_database
from tests.eventually import eventually
from tests.system.world import World

ANSWERS = 200
COUNTED = {"fdatasync", "fsync", "fsync_writethrough"}
"""Ways of syncing that Postgres counts; by the others, every write is one."""

_IN_PG_STAT_WAL = "SELECT count(*) FROM pg_attribute WHERE attrelid = 'pg_stat_wal'::regclass AND attname = 'wal_sync'"


async def synced(database: asyncpg.Connection) -> int:
    """How often the log of all commits was brought to the disk. Sessions report what they did within a second or so."""
    if await database.fetchval(_IN_PG_STAT_WAL):
        return int(await database.fetchval("SELECT wal_sync FROM pg_stat_wal"))
    return int(await database.fetchval("SELECT sum(fsyncs) FROM pg_stat_io WHERE object = 'wal'"))  # from 18 on


async def test_c1_each_of_the_answers_that_one_client_gives_one_after_the_other_is_synced_to_the_disk(
    world: World,
) -> None:
    (person,) = await gather(world, meetings=1, each=1)
    async with consent_database(world) as database:
        assert await database.fetchval("SHOW wal_sync_method") in COUNTED
        before = await synced(database)
        for number in range(ANSWERS):
            body = {"consent_given": bool(number % 2)}
            response = await world.ask("POST", f"/v1/meetings/{person.meeting_id}/consent", person.token, json=body)
            assert (response.status_code, response.json()["revision"]) == (200, number + 1)

        async def all_reported() -> bool:
            return await synced(database) >= before + ANSWERS

        await eventually(all_reported, within=30, every=0.2)
