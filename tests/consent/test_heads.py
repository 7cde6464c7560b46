"""Where histories end is remembered, which saves a lock; and what happens where somebody else has appended since."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from chassis.database import Database
from chassis.errors import DeadlineExceeded
from consent_svc.domain.verdict import Answer
from consent_svc.history import GENESIS
from consent_svc.store.answers import PostgresAnswers
from consent_svc.store.heads import MOST, Head, Heads
from deploy.local import Postgres
from tests.consent.cases import ANA, BEN, CEM, MINUTE, NINE, TEN, meeting, room, says
from tests.consent.chain import first_fault
from tests.consent.conftest import TERMS, Store

GRANTED, DENIED = Answer.GRANTED, Answer.DENIED


@pytest.fixture
async def opened_postgres(postgres_store: Store) -> Store:
    await postgres_store.rooms.add(room())
    await postgres_store.meetings.open(meeting(), NINE)
    return postgres_store


def head(revision: int) -> Head:
    return Head(b"salt", revision, f"{revision:064x}")


def test_ends_are_taken_all_together_or_not_at_all() -> None:
    heads = Heads()
    heads.keep({"m-1": head(1), "m-2": head(2)})
    assert heads.take({"m-1", "m-3"}) is None
    assert heads.take({"m-1"}) == {"m-1": head(1)}
    assert heads.take({"m-1"}) is None
    assert heads.take({"m-2"}) == {"m-2": head(2)}


def test_the_ends_that_are_forgotten_are_those_longest_unused() -> None:
    heads = Heads()
    heads.keep({f"m-{number}": head(number) for number in range(MOST)})
    heads.keep({"m-0": head(7), "new": head(8)})
    assert heads.take({"m-1"}) is None
    assert heads.take({"m-0", "m-2", "new"}) == {"m-0": head(7), "m-2": head(2), "new": head(8)}


async def test_c2_c3_what_another_replica_appended_meanwhile_is_found(
    opened_postgres: Store, database: Database
) -> None:
    here, there = PostgresAnswers(database, TERMS), opened_postgres.answers
    first = await here.submit(says(ANA, GRANTED, "r-1"), NINE)
    second = await there.submit(says(ANA, DENIED, "r-2"), NINE)
    assert await here.submit(says(ANA, DENIED, "r-2"), TEN) == second
    third = await here.submit(says(BEN, DENIED, "r-1"), NINE)
    assert await there.submit(says(ANA, GRANTED, "r-1"), TEN) == first
    assert [first.revision, second.revision, third.revision] == [1, 2, 3]


async def test_an_end_that_is_remembered_needs_no_lock_before(
    opened_postgres: Store, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    replica = PostgresAnswers(database, TERMS)
    first = await replica.submit(says(ANA, GRANTED, "r-1"), NINE)
    monkeypatch.setattr(replica, "_commit_under_lock", None)
    at_once = [replica.submit(says(who, DENIED, "r-2"), NINE) for who in (ANA, BEN, CEM)]
    assert [recorded.revision for recorded in await asyncio.gather(*at_once)] == [2, 3, 4]
    assert await replica.submit(says(ANA, GRANTED, "r-1"), TEN) == first
    repeated = await asyncio.gather(*(replica.submit(says(ANA, GRANTED, f"r-{n}"), NINE) for n in (1, 3)))
    assert [recorded.revision for recorded in repeated] == [1, 5]
    assert first_fault(await opened_postgres.history.page("m-1", 0, 100)) is None


async def test_c2_an_answer_that_stood_still_does_not_overtake_a_later_one(
    opened_postgres: Store, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [NINE]
    here, there = PostgresAnswers(database, TERMS, lambda: clock[0]), opened_postgres.answers
    await here.submit(says(ANA, GRANTED, "r-1"), NINE)
    connect = database.on_driver

    @asynccontextmanager
    async def standing_still() -> AsyncIterator[object]:
        monkeypatch.setattr(database, "on_driver", connect)
        await there.submit(says(ANA, GRANTED, "r-3"), TEN)
        clock[0] = TEN
        async with connect() as connection:
            yield connection

    monkeypatch.setattr(database, "on_driver", standing_still)
    with pytest.raises(DeadlineExceeded, match="too late"):
        await here.submit(replace(says(ANA, DENIED, "r-2"), not_after=NINE + MINUTE), NINE)
    counts = await there.of_participant("m-1", ANA)
    assert counts is not None
    assert (counts.answer, counts.revision) == (GRANTED, 2)


async def test_a_head_that_a_rollback_took_back_is_not_built_upon(
    opened_postgres: Store, database: Database, postgres: Postgres, database_name: str
) -> None:
    replica = PostgresAnswers(database, TERMS)
    await replica.submit(says(ANA, GRANTED, "r-1"), NINE)
    postgres.execute(
        [
            "ALTER TABLE history DISABLE TRIGGER append_only",
            "DELETE FROM history",
            f"UPDATE meetings SET revision = 0, head_hash = '{GENESIS}'",
        ],
        database=database_name,
    )
    again = await replica.submit(says(BEN, DENIED, "r-1"), NINE)
    assert again.revision == 1
    assert first_fault(await opened_postgres.history.page("m-1", 0, 100)) is None
