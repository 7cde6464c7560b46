"""D4, R5: a replica that lost its hold of a recording without knowing removes nothing that another has decided upon."""

import asyncio
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text

from recording_svc.domain.recordings import State
from recording_svc.store.postgres import PostgresRecordings
from tests.recording.neighbours import Neighbours
from tests.recording.surroundings import Clock, Cloud
from tests.recording.world import KEY, World

_END_HOLDS = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_locks
    WHERE locktype = 'advisory' AND pid <> pg_backend_pid()
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


async def test_d4_r5_a_hold_that_the_database_lost_removes_nothing_granted_since(
    postgres_recordings: PostgresRecordings,
    cloud: Cloud,
    neighbours: Neighbours,
    clock: Clock,
    signing_key: Ed25519PrivateKey,
) -> None:
    slow, other = (World(postgres_recordings, cloud, neighbours, clock, signing_key) for _ in range(2))
    recording = await slow.arrive()
    neighbours.refuse()
    listing, answer = asyncio.Event(), asyncio.Event()

    async def listed(_: Any) -> None:
        listing.set()
        await answer.wait()

    slow.s3.after["list_object_versions"] = listed
    erasing = asyncio.create_task(slow.settle(recording))
    await listing.wait()
    async with postgres_recordings._database.begin() as connection:
        assert await connection.scalar(text(_END_HOLDS)) == 1
    neighbours.grant()
    assert (await other.settle(recording)).state is State.KEPT
    answer.set()
    await asyncio.wait([erasing])
    assert (await other.now(recording)).state is State.KEPT
    assert other.lying() == [("version", KEY)]
