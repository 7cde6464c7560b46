"""Two processes of one name: only one of them works, and only that one's scratch is released."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from assent.recording.v1 import recording_pb2
from assent.recording.v1 import recording_service_pb2 as rpc

from chassis.database import Database
from tests.eventually import eventually
from tests.transcript.workshop import Workshop
from transcript_svc.scratch import Scratch
from transcript_svc.store import name as names
from transcript_svc.store.name import Name, NameTaken


@asynccontextmanager
async def kept(name: Name) -> AsyncIterator["asyncio.Task[None]"]:
    keeping = asyncio.create_task(name.keep())
    yield keeping
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


async def is_ours(name: Name) -> bool:
    return name.is_ours.is_set()


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "LOOK_SECONDS", 0.2)
    monkeypatch.setattr(names, "PATIENCE_SECONDS", 0.5)


async def test_the_second_waits_until_the_first_has_ended(database: Database) -> None:
    first, second, other = Name(database, "host"), Name(database, "host"), Name(database, "another")
    async with kept(first):
        await eventually(lambda: is_ours(first))
        async with kept(second), kept(other):
            await eventually(lambda: is_ours(other))
            assert not second.is_ours.is_set()
            async with asyncio.timeout(30):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(second.is_ours.wait(), 1)
    async with kept(second):
        await eventually(lambda: is_ours(second))


async def test_a_lost_connection_alone_takes_nothing_away(database: Database) -> None:
    name = Name(database, "host")
    async with kept(name) as keeping, outside(database) as other:
        await eventually(lambda: is_ours(name))
        [before] = await _sessions(other, granted=True)
        await other.execute("SELECT pg_terminate_backend($1)", before)

        async def held_anew() -> bool:
            return await _sessions(other, granted=True) not in ([], [before])

        await eventually(held_anew)
        assert not keeping.done()


async def test_whose_name_was_taken_meanwhile_ends(database: Database) -> None:
    name = Name(database, "host")
    async with kept(name) as keeping, outside(database) as other, outside(database) as operator:
        await eventually(lambda: is_ours(name))
        # Whoever waits for the lock already has it before anybody can ask for it again.
        take = names._TAKE.text.replace("pg_try_advisory_lock", "pg_advisory_lock").replace(":name", "$1")
        taking = asyncio.create_task(other.fetchval(take, "host"))

        async def waits() -> bool:
            return bool(await _sessions(operator, granted=False))

        await eventually(waits)
        [holder] = await _sessions(operator, granted=True)
        await operator.execute("SELECT pg_terminate_backend($1)", holder)
        await taking
        with pytest.raises(NameTaken, match="ASSENT_INSTANCE"):
            async with asyncio.timeout(60):
                await asyncio.shield(keeping)


async def test_before_the_name_is_ours_nothing_is_released_and_no_folder_is_made(
    shop: Workshop, tmp_path: Path
) -> None:
    ours = asyncio.Event()
    shop.recording_svc.fake.add("r1", "recordings", "room.mp4", "v1")
    earlier = rpc.RegisterCopyRequest(recording_id="r1", kind=recording_pb2.COPY_KIND_SCRATCH, bucket="one", key="r1")
    await shop.recording_svc.stub.RegisterCopy(earlier)
    async with Scratch(tmp_path / "other", "one", shop.recording_svc.stub, ours) as scratch:

        async def work() -> bool:
            async with scratch.folder("r1") as folder:
                return folder.is_dir()

        working = asyncio.create_task(work())
        done, _ = await asyncio.wait([working], timeout=0.5)
        assert not done
        assert shop.recording_svc.fake.scratch() == {"r1"}
        ours.set()
        assert await working
        assert shop.recording_svc.fake.scratch() == set()


@asynccontextmanager
async def outside(database: Database) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A session of somebody else's."""
    url = database.engine.url.set(drivername="postgresql")
    connection = await asyncpg.connect(url.render_as_string(hide_password=False))
    try:
        yield connection
    finally:
        await connection.close()


async def _sessions(connection: "asyncpg.Connection[asyncpg.Record]", *, granted: bool) -> list[int]:
    """Which of them hold an advisory lock there, or wait for one; by process id."""
    found = await connection.fetch(
        "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted = $1 "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        granted,
    )
    return [row["pid"] for row in found]
