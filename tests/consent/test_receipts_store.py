"""What receipts rest on, as it is kept: whose answers, which terms, which words; and that nobody rewrites it."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from chassis.database import Database
from chassis.errors import FailedPrecondition, NotFound
from consent_svc.domain.receipts import Notice, State, terms_of
from consent_svc.domain.verdict import Answer
from deploy.local import Postgres
from tests.consent.cases import ANA, BEN, CEM, MINUTE, NINE, OWNER, TEN, meeting, room, says
from tests.consent.conftest import TERMS, Store, store_in_memory, store_in_postgres
from tests.consent.memory import Memory

GRANTED, DENIED = Answer.GRANTED, Answer.DENIED
WORDS, OTHER_WORDS = '{"title":"Darf der Ton gespeichert werden? Ä"}', '{"title":"Andere"}'
MOVED = terms_of(
    controller={"party_name": "Another Cooperative", "party_contact": "elsewhere"},
    jurisdiction="DE",
    purposes=["Something else"],
    storage_location="",
    retention="One day",
    withdrawal="Write to us",
    privacy_policy_url="",
)


def notice(version: str = "2026-01", language: str = "en", wording: str = WORDS) -> Notice:
    return Notice.of(version, language, wording, NINE)


async def tell(store: Store) -> Store:
    """Ana grants, Ben denies, Ana denies, Ana denies again, Ana grants."""
    await store.rooms.add(room())
    await store.meetings.open(meeting(), NINE)
    said = [(ANA, GRANTED), (BEN, DENIED), (ANA, DENIED), (ANA, DENIED), (ANA, GRANTED)]
    for n, (who, answer) in enumerate(said):
        await store.answers.submit(says(who, answer, f"r-{n}"), NINE + n * MINUTE)
    return store


@pytest.fixture
async def told(store: Store) -> Store:
    return await tell(store)


async def test_each_answer_is_found_with_the_one_before_it(told: Store) -> None:
    found = [await told.receipts.answer("m-1", ANA, revision) for revision in (1, 3, 4, 5)]
    assert [(one.entry.revision, one.entry.answer) for one in found] == [
        (1, GRANTED), (3, DENIED), (4, DENIED), (5, GRANTED)
    ]  # fmt: skip
    assert [one.previous and one.previous.revision for one in found] == [None, 1, 3, 4]
    assert [one.state for one in found] == [State.GIVEN, State.WITHDRAWN, State.CONFIRMED, State.GIVEN_AGAIN]
    assert [one.entry for one in found] == [(await told.history.page("m-1", n - 1, 1))[0] for n in (1, 3, 4, 5)]


async def test_the_current_answer_is_the_last(told: Store) -> None:
    current = await told.receipts.answer("m-1", ANA, 0)
    assert current == await told.receipts.answer("m-1", ANA, 5)
    answer = await told.answers.of_participant("m-1", ANA)
    assert answer is not None
    assert current.consent_id == answer.consent_id
    assert current.meeting.room == "standup"


@pytest.mark.parametrize(("who", "revision"), [(BEN, 1), (BEN, 3), (ANA, 2), (ANA, 6), (ANA, -1), (CEM, 0), ("", 0)])
async def test_c4_what_somebody_else_answered_is_not_found(told: Store, who: str, revision: int) -> None:
    with pytest.raises(NotFound) as refused:
        await told.receipts.answer("m-1", who, revision)
    assert refused.value.reason == "ANSWER_NOT_FOUND"


async def test_an_answer_of_the_same_person_elsewhere_does_not_count(told: Store) -> None:
    await told.rooms.add(room("retro"))
    await told.meetings.open(meeting("m-2", room("retro")), NINE)
    await told.answers.submit(says(ANA, DENIED, "r-9", meeting_id="m-2"), TEN)
    found = await told.receipts.answer("m-2", ANA, 0)
    assert (found.state, found.previous, found.entry.revision) == (State.REFUSED, None, 1)


async def test_a_meeting_that_is_not_known_is_said(told: Store) -> None:
    with pytest.raises(NotFound) as refused:
        await told.receipts.answer("m-9", ANA, 0)
    assert refused.value.reason == "MEETING_NOT_FOUND"


async def test_receipts_outlive_the_room(told: Store) -> None:
    before = await told.receipts.answer("m-1", ANA, 1)
    await told.rooms.remove("standup", OWNER, TEN)
    await told.rooms.add(room(owner="somebody else"))
    after = await told.receipts.answer("m-1", ANA, 1)
    assert replace(after, meeting=before.meeting) == before
    assert after.meeting.settings == before.meeting.settings


async def test_the_terms_are_those_of_the_answers_time_in_memory() -> None:
    memory = Memory()
    await tell(store_in_memory(memory))
    later = store_in_memory(memory, MOVED)
    await later.answers.submit(says(ANA, DENIED, "r-8"), TEN)
    assert [(await later.receipts.answer("m-1", ANA, n)).terms for n in (1, 6)] == [TERMS, MOVED]


async def test_the_terms_are_those_of_the_answers_time(postgres_store: Store, database: Database) -> None:
    await tell(postgres_store)
    later = store_in_postgres(database, MOVED)
    await later.answers.submit(says(ANA, DENIED, "r-8"), TEN)
    back = store_in_postgres(database)
    await back.answers.submit(says(ANA, GRANTED, "r-9"), TEN)
    assert [(await back.receipts.answer("m-1", ANA, n)).terms for n in (1, 5, 6, 7)] == [TERMS, TERMS, MOVED, TERMS]


async def test_answers_from_before_there_were_terms_have_none() -> None:
    memory = Memory()
    await tell(store_in_memory(memory, None))
    assert (await store_in_memory(memory).receipts.answer("m-1", ANA, 1)).terms is None


async def test_lines_without_terms_are_read_from_postgres_too(
    postgres: Postgres, database_name: str, postgres_store: Store
) -> None:
    await tell(postgres_store)
    entry = (await postgres_store.receipts.answer("m-1", BEN, 2)).entry
    # As a release wrote it that knew no terms.
    async with Database(postgres.url(database_name)) as database, database.begin() as connection:
        await connection.execute(
            text("""
                INSERT INTO history (meeting_id, revision, consent_id, participant_digest, request_id, answer,
                    answered_at, notice_version, language, fingerprint_hash, previous_hash, hash)
                SELECT meeting_id, 6, consent_id, participant_digest, 'old', answer, answered_at, notice_version,
                    language, fingerprint_hash, previous_hash, hash
                FROM history WHERE revision = 2""")
        )
    found = await postgres_store.receipts.answer("m-1", BEN, 6)
    assert (found.terms, found.entry) == (None, replace(entry, revision=6))


async def test_the_words_are_those_of_the_version_and_language_shown(told: Store) -> None:
    assert (await told.receipts.answer("m-1", ANA, 1)).notice is None
    await told.receipts.register([notice(), notice(language="de"), notice("2026-02", wording=OTHER_WORDS)])
    assert (await told.receipts.answer("m-1", ANA, 1)).notice == notice()


async def test_words_are_found_by_their_hash(store: Store) -> None:
    [kept] = await store.receipts.register([notice()])
    assert kept == notice()
    assert await store.receipts.notice(kept.hash) == kept
    with pytest.raises(NotFound) as refused:
        await store.receipts.notice("0" * 64)
    assert refused.value.reason == "NOTICE_NOT_FOUND"


async def test_registering_again_changes_nothing(store: Store) -> None:
    first = await store.receipts.register([notice(), notice(language="de")])
    later = replace(notice(), registered_at=TEN)
    assert await store.receipts.register([later, replace(notice(language="de"), registered_at=TEN), later]) == [
        *first, first[0]
    ]  # fmt: skip
    assert await store.receipts.register([]) == []


async def test_a_version_keeps_its_words(store: Store) -> None:
    await store.receipts.register([notice()])
    with pytest.raises(FailedPrecondition, match="version 2026-01 has other words in en") as refused:
        await store.receipts.register([notice("2026-02", wording=OTHER_WORDS), notice(wording=OTHER_WORDS)])
    assert refused.value.reason == "NOTICE_CHANGED"
    # All or none.
    with pytest.raises(NotFound):
        await store.receipts.notice(notice(wording=OTHER_WORDS).hash)
    assert await store.receipts.notice(notice().hash) == notice()


async def test_one_call_cannot_contradict_itself(store: Store) -> None:
    with pytest.raises(FailedPrecondition):
        await store.receipts.register([notice(), notice(wording=OTHER_WORDS)])
    with pytest.raises(NotFound):
        await store.receipts.notice(notice().hash)


async def test_a_new_version_may_keep_the_words_of_a_language(store: Store) -> None:
    """All languages share a version: where one is reworded, the others keep their words under the new one."""
    await store.receipts.register([notice()])
    again = replace(notice("2026-02"), registered_at=TEN)
    await store.receipts.register([again])
    assert again.hash == notice().hash
    assert await store.receipts.notice(again.hash) == notice()


async def test_many_may_register_at_once(store: Store) -> None:
    """As gateways do that start together."""
    wanted = [notice(language=language) for language in ("de", "en", "es", "fr")]
    orders = [wanted, wanted[::-1], wanted[2:] + wanted[:2]] * 4
    kept = await asyncio.gather(*(store.receipts.register(order) for order in orders))
    assert all(set(one) == set(wanted) for one in kept)


async def test_of_two_contradictions_at_once_one_is_kept(store: Store) -> None:
    wordings = (WORDS, OTHER_WORDS)
    done = await asyncio.gather(
        *(store.receipts.register([notice(wording=words)]) for words in wordings * 5), return_exceptions=True
    )
    kept = {one[0].wording for one in done if isinstance(one, list)}
    assert len(kept) == 1
    assert sum(isinstance(one, FailedPrecondition) for one in done) == 5


@pytest.mark.parametrize("table", ["notices", "terms"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET hash = 'other'", "DELETE FROM {}", "TRUNCATE {}"])
@pytest.mark.parametrize("role", ["assent_consent", "postgres"])
async def test_the_database_refuses_to_rewrite_words_and_terms(
    postgres: Postgres, database_name: str, postgres_store: Store, table: str, statement: str, role: str
) -> None:
    await tell(postgres_store)
    await postgres_store.receipts.register([notice()])
    before = await postgres_store.receipts.answer("m-1", ANA, 1)
    assert before.notice is not None
    assert before.terms is not None
    async with Database(postgres.url(database_name, role=role)) as database:
        with pytest.raises(DBAPIError, match=r"permission denied|append-only"):
            async with database.begin() as connection:
                await connection.execute(text(statement.format(table)))
    assert await postgres_store.receipts.answer("m-1", ANA, 1) == before


@pytest.mark.parametrize("table", ["notices", "terms"])
async def test_the_owner_is_refused_in_a_replica_session_too(
    postgres: Postgres, database_name: str, postgres_store: Store, table: str
) -> None:
    await tell(postgres_store)
    async with Database(postgres.url(database_name)) as database, database.engine.connect() as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        with pytest.raises(DBAPIError, match="append-only"):
            await connection.execute(text(f"DELETE FROM {table}"))


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("SELECT * FROM notices WHERE hash = 'h' ORDER BY registered_at LIMIT 1", "notices_by_hash"),
        ("SELECT * FROM notices WHERE version = 'v' AND language = 'en'", "notices_pkey"),
        ("SELECT * FROM history WHERE meeting_id = 'm' AND participant_digest = 'd' AND answer = 'granted'", "history"),
    ],
)
async def test_receipts_have_an_index(database: Database, query: str, index: str) -> None:
    async with database.begin() as connection:
        await connection.execute(text("SET LOCAL enable_seqscan = off"))
        plan = "\n".join((await connection.execute(text(f"EXPLAIN {query}"))).scalars())
    assert index in plan
    assert "Index" in plan
