"""Answers: revisions, retries and races. The cases hold for the fake and for Postgres alike."""

import asyncio
import random
from dataclasses import replace
from itertools import pairwise

import pytest
from assent.consent.v1.consent_events_pb2 import AnswerSubmitted
from assent.consent.v1.consent_pb2 import ANSWER_DENIED
from sqlalchemy import text

from chassis.database import Database
from chassis.errors import AlreadyExists, InvalidArgument, NotFound
from consent_svc.domain.answers import RecordedAnswer
from consent_svc.domain.receipts import Terms
from consent_svc.domain.standings import Counts
from consent_svc.domain.verdict import Answer, Decision, decide
from consent_svc.store.answers import PostgresAnswers
from deploy.local import Postgres
from tests.consent.broken_stores import trigger
from tests.consent.cases import ANA, BEN, CEM, MINUTE, NINE, TEN, admission, meeting, room, says
from tests.consent.conftest import TERMS, Store

GRANTED, DENIED = Answer.GRANTED, Answer.DENIED


@pytest.fixture
async def opened(store: Store) -> Store:
    await store.rooms.add(room())
    await store.meetings.open(meeting(), NINE)
    return store


@pytest.fixture
async def opened_postgres(postgres_store: Store) -> Store:
    await postgres_store.rooms.add(room())
    await postgres_store.meetings.open(meeting(), NINE)
    return postgres_store


async def current(store: Store, who: str = ANA) -> Answer | None:
    recorded = await store.answers.of_participant("m-1", who)
    return recorded.answer if recorded else None


async def test_an_answer_is_returned_as_it_was_committed(opened: Store) -> None:
    recorded = await opened.answers.submit(says(ANA, GRANTED, "r-1"), NINE)
    assert (recorded.answer, recorded.revision, recorded.answered_at) == (GRANTED, 1, NINE)
    assert (recorded.notice_version, recorded.language) == ("2026-01", "en")
    assert await opened.answers.of_participant("m-1", ANA) == recorded


async def test_nobody_answers_in_a_meeting_that_is_not_known(opened: Store) -> None:
    with pytest.raises(NotFound) as refused:
        await opened.answers.submit(says(ANA, GRANTED, "r-1", meeting_id="m-404"), NINE)
    assert refused.value.reason == "MEETING_NOT_FOUND"
    for question in (opened.standings.counts("m-404"), opened.history.page("m-404", 0, 10)):
        with pytest.raises(NotFound):
            await question
    with pytest.raises(NotFound):
        await opened.standings.standings(["m-1", "m-404"])


async def test_c1_the_answer_and_its_event_are_committed_together(opened: Store) -> None:
    await opened.answers.submit(says(ANA, DENIED, "r-1"), NINE)
    [event] = [message for message in await opened.published() if isinstance(message, AnswerSubmitted)]
    assert (event.meeting_id, event.revision, event.answer) == ("m-1", 1, ANSWER_DENIED)
    assert event.answered_at.ToDatetime(tzinfo=NINE.tzinfo) == NINE
    assert ANA not in str(event)


async def test_c1_commits_wait_for_the_disk_whatever_the_server_says(database: Database) -> None:
    async with database.begin() as connection:
        setting = await connection.exec_driver_sql("SHOW synchronous_commit")
        assert setting.scalar_one() == "on"


async def test_c2_the_highest_revision_counts_not_the_clock(opened: Store) -> None:
    await opened.answers.submit(says(ANA, GRANTED, "r-1"), TEN)
    recorded = await opened.answers.submit(says(ANA, DENIED, "r-2"), NINE)
    assert recorded.revision == 2
    assert await current(opened) is DENIED


async def test_c2_twenty_answers_of_one_person_at_once_get_twenty_revisions(opened_postgres: Store) -> None:
    wanted = [random.choice([GRANTED, DENIED]) for _ in range(20)]
    recorded = await asyncio.gather(
        *(opened_postgres.answers.submit(says(ANA, answer, f"r-{n}"), NINE) for n, answer in enumerate(wanted))
    )
    assert sorted(one.revision for one in recorded) == list(range(1, 21))
    last = max(recorded, key=lambda one: one.revision)
    assert await opened_postgres.answers.of_participant("m-1", ANA) == last
    granted = int(last.answer is GRANTED)
    assert await opened_postgres.standings.counts("m-1") == Counts(1, granted, 1 - granted)


async def test_c2_a_grant_and_a_denial_racing_end_in_the_order_of_their_revisions(opened_postgres: Store) -> None:
    for round_number in range(25):
        both = await asyncio.gather(
            opened_postgres.answers.submit(says(ANA, GRANTED, f"grant-{round_number}"), NINE),
            opened_postgres.answers.submit(says(ANA, DENIED, f"denial-{round_number}"), NINE),
        )
        assert await current(opened_postgres) is max(both, key=lambda one: one.revision).answer


async def test_c2_people_of_one_meeting_racing_leave_no_gap(opened_postgres: Store) -> None:
    people = [f"person-{n}" for n in range(30)]
    await asyncio.gather(*(opened_postgres.answers.submit(says(who, GRANTED, "r-1"), NINE) for who in people))
    history = await opened_postgres.history.page("m-1", 0, 100)
    assert [entry.revision for entry in history] == list(range(1, 31))
    assert await opened_postgres.standings.counts("m-1") == Counts(30, 30, 0)


async def test_c3_a_late_retry_of_the_grant_leaves_denied(opened: Store) -> None:
    granted = await opened.answers.submit(says(ANA, GRANTED, "r-1"), NINE)
    await opened.answers.submit(says(ANA, DENIED, "r-2"), NINE + MINUTE)
    retried = await opened.answers.submit(says(ANA, GRANTED, "r-1"), TEN)
    assert retried == granted
    assert await current(opened) is DENIED
    assert len(await opened.history.page("m-1", 0, 10)) == 2
    assert sum(isinstance(message, AnswerSubmitted) for message in await opened.published()) == 2


async def test_c3_the_same_request_at_once_on_many_connections_is_one_answer(opened_postgres: Store) -> None:
    recorded = await asyncio.gather(
        *(opened_postgres.answers.submit(says(ANA, DENIED, "r-1"), NINE) for _ in range(20))
    )
    assert len(set(recorded)) == 1
    assert len(await opened_postgres.history.page("m-1", 0, 100)) == 1


async def test_c3_a_request_id_belongs_to_its_participant_and_meeting(opened: Store) -> None:
    await opened.rooms.add(room("retro"))
    await opened.meetings.open(meeting("m-2", room("retro")), NINE)
    await opened.answers.submit(says(ANA, GRANTED, "r-1"), NINE)
    await opened.answers.submit(says(BEN, DENIED, "r-1"), NINE)
    await opened.answers.submit(says(ANA, DENIED, "r-1", meeting_id="m-2"), NINE)
    assert (await current(opened, ANA), await current(opened, BEN)) == (GRANTED, DENIED)
    there = await opened.answers.of_participant("m-2", ANA)
    assert there is not None
    assert there.answer is DENIED


async def test_c4_one_persons_answer_is_not_anothers(opened: Store) -> None:
    await opened.answers.submit(says(ANA, DENIED, "r-1"), NINE)
    await opened.answers.submit(says(BEN, GRANTED, "r-2"), NINE)  # the same fingerprint: evidence, no right
    assert (await current(opened, ANA), await current(opened, BEN)) == (DENIED, GRANTED)


async def test_an_answer_is_possible_after_the_meeting_and_after_its_room(opened: Store) -> None:
    await opened.rooms.remove("standup", room().owner_id, TEN)
    recorded = await opened.answers.submit(says(ANA, DENIED, "r-1"), TEN + 1000 * MINUTE)
    assert recorded.revision == 1
    assert decide(await opened.standings.standings(["m-1"]), TEN).decision is Decision.DELETE


async def test_c4_who_must_have_been_there_is_refused_until_they_were(opened: Store) -> None:
    stranger = replace(says(CEM, DENIED, "r-1"), presence_required=True)
    with pytest.raises(NotFound) as raised:
        await opened.answers.submit(stranger, NINE)
    assert raised.value.reason == "MEETING_NOT_FOUND"
    assert await opened.history.page("m-1", 0, 10) == []
    await opened.meetings.admit("m-1", admission("new", user_id=CEM), NINE)
    assert (await opened.answers.submit(stranger, NINE)).revision == 1


async def test_who_answers_without_having_opened_is_present(opened: Store) -> None:
    await opened.answers.submit(says(CEM, GRANTED, "r-1"), NINE)
    assert await opened.standings.counts("m-1") == Counts(present=1, granted=1, denied=0)


async def test_counts_tell_present_granted_denied_and_unanswered(opened: Store) -> None:
    for who in (ANA, BEN, CEM):
        await opened.meetings.admit("m-1", admission(who), NINE)
    await opened.answers.submit(says(ANA, GRANTED, "r-1"), NINE)
    await opened.answers.submit(says(BEN, DENIED, "r-2"), NINE)
    counts = await opened.standings.counts("m-1")
    assert counts == Counts(present=3, granted=1, denied=1)
    assert counts.unanswered == 1


async def test_a_standing_keeps_when_somebody_first_granted(opened: Store) -> None:
    for minute, answer in enumerate((DENIED, GRANTED, DENIED, GRANTED)):
        await opened.answers.submit(says(ANA, answer, f"r-{minute}"), NINE + minute * MINUTE)
    [standing] = await opened.standings.standings(["m-1"])
    [person] = standing.people
    assert (person.answer, person.revision, person.first_granted_at) == (GRANTED, 4, NINE + MINUTE)
    assert standing.revision == 4


async def test_c3_a_request_id_that_comes_with_another_answer_is_refused(opened: Store) -> None:
    granted = await opened.answers.submit(says(ANA, GRANTED, "r-1"), NINE)
    with pytest.raises(AlreadyExists) as refused:
        await opened.answers.submit(says(ANA, DENIED, "r-1"), TEN)
    assert refused.value.reason == "REQUEST_ID_REUSED"
    assert await opened.answers.of_participant("m-1", ANA) == granted
    assert len(await opened.history.page("m-1", 0, 10)) == 1


async def test_answers_that_wait_together_end_each_in_its_own_way(opened_postgres: Store) -> None:
    before = await opened_postgres.answers.submit(says(BEN, DENIED, "r-0"), NINE)
    submissions = [
        says(ANA, GRANTED, "r-1"),
        says(ANA, DENIED, "r-2"),
        says(ANA, GRANTED, "r-1"),  # its reply was lost
        says(ANA, DENIED, "r-1"),  # another answer under the same id
        says(BEN, DENIED, "r-0"),  # committed long ago
        says(CEM, GRANTED, "r-1", meeting_id="m-404"),
        replace(says("stranger", DENIED, "r-1"), presence_required=True),
        says(CEM, GRANTED, "nul\0in it"),
        says(CEM, DENIED, "r-9"),
    ]
    ended = await asyncio.gather(
        *(opened_postgres.answers.submit(one, NINE + MINUTE) for one in submissions), return_exceptions=True
    )
    first, second, again, reused, old, unknown, stranger, unwritable, last = ended
    assert isinstance(first, RecordedAnswer)
    assert isinstance(second, RecordedAnswer)
    assert isinstance(last, RecordedAnswer)
    assert (first.revision, second.revision, last.revision) == (2, 3, 4)
    assert (again, old) == (first, before)
    assert [type(one) for one in (reused, unknown, stranger, unwritable)] == [
        AlreadyExists, NotFound, NotFound, InvalidArgument,
    ]  # fmt: skip
    assert [entry.revision for entry in await opened_postgres.history.page("m-1", 0, 10)] == [1, 2, 3, 4]
    assert await current(opened_postgres, ANA) is DENIED


async def test_an_answer_in_a_meeting_that_somebody_holds_keeps_no_other_waiting(
    opened_postgres: Store, database: Database
) -> None:
    await opened_postgres.rooms.add(room("retro"))
    await opened_postgres.meetings.open(meeting("m-2", room("retro")), NINE)
    async with database.begin() as holding:
        await holding.execute(text("SELECT FROM meetings WHERE meeting_id = 'm-1' FOR UPDATE"))
        waiting = asyncio.create_task(opened_postgres.answers.submit(says(ANA, DENIED, "r-1"), NINE))
        for number in range(20):
            submission = says(BEN, GRANTED, f"r-{number}", meeting_id="m-2")
            assert (await opened_postgres.answers.submit(submission, NINE)).revision == number + 1
        assert not waiting.done()
    assert (await waiting).revision == 1


async def test_c2_two_replicas_racing_in_ten_meetings_leave_no_gap_and_no_deadlock(
    opened_postgres: Store, database: Database
) -> None:
    for number in range(10):
        await opened_postgres.rooms.add(room(f"room-{number}"))
        await opened_postgres.meetings.open(meeting(f"m-{number}-", room(f"room-{number}")), NINE)
    replicas = [PostgresAnswers(database, TERMS), PostgresAnswers(database, TERMS)]
    rng = random.Random(7)
    work = [
        rng.choice(replicas).submit(
            says(rng.choice((ANA, BEN, CEM)), rng.choice((GRANTED, DENIED)), f"r-{n}", f"m-{rng.randrange(10)}-"), NINE
        )
        for n in range(400)
    ]
    recorded = await asyncio.gather(*work)
    for number in range(10):
        lines = await opened_postgres.history.page(f"m-{number}-", 0, 1000)
        mine = [one for one in recorded if one.meeting_id == f"m-{number}-"]
        assert [line.revision for line in lines] == list(range(1, len(mine) + 1))
        assert all(after.previous_hash == before.hash for before, after in pairwise(lines))
        for who in (ANA, BEN, CEM):
            last = max((one for one in mine if one.participant_id == who), key=lambda one: one.revision)
            assert await opened_postgres.answers.of_participant(f"m-{number}-", who) == last


async def test_the_terms_of_an_answer_are_kept_with_it(opened_postgres: Store, database: Database) -> None:
    await opened_postgres.answers.submit(says(ANA, GRANTED, "r-1"), NINE)
    later = Terms.of({"controller": "Its successor"})
    replica = PostgresAnswers(database, later)
    await asyncio.gather(*(replica.submit(says(BEN, DENIED, f"r-{n}"), NINE) for n in range(5)))
    async with database.begin() as connection:
        hashes = list(await connection.scalars(text("SELECT terms_hash FROM history ORDER BY revision")))
        kept = set(await connection.scalars(text("SELECT document FROM terms")))
    assert hashes == [TERMS.hash] + [later.hash] * 5
    assert kept == {TERMS.document, later.document}


async def test_an_answer_whose_event_cannot_be_written_is_not_committed(
    opened_postgres: Store, postgres: Postgres, database_name: str
) -> None:
    await opened_postgres.answers.submit(says(ANA, GRANTED, "r-1"), NINE)
    postgres.execute(trigger("BEFORE INSERT ON outbox", "RAISE 'no room for it';"), database=database_name)
    for who in (ANA, BEN):  # one who knows how the history ends, and one who does not any more
        with pytest.raises(Exception, match="no room for it"):
            await opened_postgres.answers.submit(says(who, DENIED, "r-2"), NINE)
    assert (await current(opened_postgres), await current(opened_postgres, BEN)) == (GRANTED, None)
    assert len(await opened_postgres.history.page("m-1", 0, 10)) == 1
