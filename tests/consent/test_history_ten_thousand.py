"""Ten thousand answers of one meeting in Postgres: verified, exported, and one byte flipped behind the guard's back."""

import random
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest
from assent.consent.v1 import consent_service_pb2 as consent
from sqlalchemy import make_url

from chassis.errors import Internal
from consent_svc.history.verification import Fault
from deploy.local import Postgres
from tests.consent.calls import refused
from tests.consent.cases import NINE, meeting, room
from tests.consent.conftest import Store
from tests.consent.histories import entries, fault_of

if TYPE_CHECKING:  # only the stubs' types know it
    from assent.consent.v1.consent_service_pb2_grpc import ConsentServiceAsyncStub

COUNT = 10_000
pytestmark = pytest.mark.parametrize("store", ["postgres"], indirect=True)

# What a byte flipped in that column amounts to; of `revision` and `meeting_id`, the row's place is empty afterwards.
FLIPPED = {
    "answer": "its fields do not give its hash",
    "answered_at": "its fields do not give its hash",
    "notice_version": "its fields do not give its hash",
    "language": "its fields do not give its hash",
    "participant_digest": "its fields do not give its hash",
    "previous_hash": "its fields do not give its hash",
    "hash": "its fields do not give its hash",
    "revision": "is missing: revision {next} stands there",
    "meeting_id": "is missing: revision {next} stands there",
}


@pytest.fixture
async def superuser(postgres: Postgres, database_name: str) -> AsyncIterator[asyncpg.Connection]:
    """Past every grant."""
    url = make_url(postgres.url(database_name)).set(drivername="postgresql")
    connection = await asyncpg.connect(url.render_as_string(hide_password=False))
    yield connection
    await connection.close()


@pytest.fixture
async def filled(store: Store, superuser: asyncpg.Connection) -> Store:
    """The meeting with its ten thousand answers."""
    await store.rooms.add(room())
    await store.meetings.open(meeting(), NINE)
    rows = [
        {**vars(entry), "consent_id": uuid.uuid4(), "request_id": str(entry.revision), "fingerprint_hash": ""}
        for entry in entries(COUNT)
    ]
    await superuser.copy_records_to_table("history", records=[tuple(row.values()) for row in rows], columns=[*rows[0]])
    await superuser.execute("UPDATE meetings SET revision = $1, head_hash = $2", COUNT, rows[-1]["hash"])
    return store


async def verified(answers: "ConsentServiceAsyncStub") -> consent.VerifyHistoryResponse:
    return await answers.VerifyHistory(consent.VerifyHistoryRequest(meeting_id="m-1"), timeout=30)


async def exported(answers: "ConsentServiceAsyncStub") -> bytes:
    call = answers.ExportHistory(consent.ExportHistoryRequest(meeting_id="m-1"), timeout=30)
    return "".join([part.lines async for part in call]).encode()


async def both_find(answers: "ConsentServiceAsyncStub", key_file: Path) -> Fault:
    """The fault that the service and whoever has only the export name alike."""
    fault = (await verified(answers)).fault
    _, _, outside = fault_of(await exported(answers), key_file).partition(": ")
    assert outside == fault.explanation
    return Fault(fault.revision, fault.explanation)


@asynccontextmanager
async def flipped(superuser: asyncpg.Connection, column: str, revision: int) -> AsyncIterator[None]:
    """One byte of one row is another meanwhile."""
    row = await superuser.fetchrow("SELECT ctid, history.* FROM history WHERE revision = $1", revision)
    assert row is not None
    was, becomes = row[column], _flipped(row[column], random.Random(f"{column} {revision}"))
    assert was != becomes
    change = f"UPDATE history SET {column} = $1 WHERE {column} = $2 AND consent_id = $3"
    await _behind_the_guard(superuser, change, becomes, was, row["consent_id"])
    yield
    await _behind_the_guard(superuser, change, was, becomes, row["consent_id"])


async def test_c5_ten_thousand_answers_are_intact(
    filled: Store, answers: "ConsentServiceAsyncStub", key_file: Path
) -> None:
    found = await verified(answers)
    assert (found.entries, found.HasField("fault")) == (COUNT, False)
    export = await exported(answers)
    assert export.count(b"\n") == COUNT + 1
    assert fault_of(export, key_file) == ""


async def test_c5_one_flipped_byte_among_ten_thousand_answers_is_found_and_named(
    filled: Store, answers: "ConsentServiceAsyncStub", superuser: asyncpg.Connection, key_file: Path
) -> None:
    for column, what in FLIPPED.items():
        revision = random.Random(column).randint(1, COUNT - 1)
        async with flipped(superuser, column, revision):
            fault = await both_find(answers, key_file)
        joint = ": " if what.startswith("its") else " "
        assert fault == Fault(revision, f"revision {revision}{joint}{what.format(next=revision + 1)}"), column
    assert not (await verified(answers)).HasField("fault")


async def test_c5_what_is_no_answer_any_more_is_not_listed_as_one(
    filled: Store, answers: "ConsentServiceAsyncStub", superuser: asyncpg.Connection
) -> None:
    listed = answers.ListHistory
    async with flipped(superuser, "answer", 7):
        assert await refused(listed(consent.ListHistoryRequest(meeting_id="m-1")), Internal) == "HISTORY_NOT_INTACT"
    assert len((await listed(consent.ListHistoryRequest(meeting_id="m-1", page_size=9))).entries) == 9


async def test_c5_a_head_that_was_altered_is_found(
    filled: Store, answers: "ConsentServiceAsyncStub", superuser: asyncpg.Connection, key_file: Path
) -> None:
    head = await superuser.fetchrow("SELECT revision, head_hash FROM meetings")
    assert head is not None
    last, longer = COUNT, COUNT + 1
    for altered, fault in {
        (last - 1, head["head_hash"]): Fault(last, f"the history goes on to {last} but ended at {last - 1}"),
        (longer, head["head_hash"]): Fault(longer, f"the history ends at {last} but {longer} answers were committed"),
        (last, "f" * 64): Fault(last, f"revision {last} is not the end that was committed: that had another hash"),
    }.items():
        await superuser.execute("UPDATE meetings SET revision = $1, head_hash = $2", *altered)
        assert await both_find(answers, key_file) == fault


def _flipped(value: object, chance: random.Random) -> object:
    """The value with one bit another."""
    if isinstance(value, int):
        return value ^ (1 << 20)
    if not isinstance(value, str):
        return value.replace(microsecond=value.microsecond ^ 1)  # type: ignore[attr-defined]  # a time
    content = bytearray(value.encode())
    # The lowest bit keeps UTF-8 what it is.
    content[chance.randrange(len(content))] ^= 1
    return content.decode()


async def _behind_the_guard(superuser: asyncpg.Connection, change: str, *values: object) -> None:
    async with superuser.transaction():
        await superuser.execute("SET LOCAL session_replication_role = replica")  # no foreign keys either
        await superuser.execute("ALTER TABLE history DISABLE TRIGGER append_only")
        assert await superuser.execute(change, *values) == "UPDATE 1"
        await superuser.execute("ALTER TABLE history ENABLE ALWAYS TRIGGER append_only")
