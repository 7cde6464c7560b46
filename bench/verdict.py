"""Verdicts and the meetings of recordings, beside themselves: with 10, 1,000 and 100,000 answers in the database.

Each size is a database of its own, and rounds alternate between them. What is timed are the calls that consent_svc
makes for GetVerdict, MatchRecording and GetConsent, without gRPC, which would hide the difference.
"""

import random
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain

import asyncpg

from bench.contenders import ROLE, connected
from bench.filling import GROWING, PERSON_ID, fill, recordings
from bench.plans import Plan, captured, explain
from chassis.database import Database, migrate
from consent_svc.__main__ import MIGRATIONS
from consent_svc.domain.receipts import Terms
from consent_svc.domain.verdict import decide
from consent_svc.matching import match, parse_object_key
from consent_svc.store.answers import PostgresAnswers
from consent_svc.store.meetings import PostgresMeetings
from consent_svc.store.presence import PostgresPresence
from consent_svc.store.standings import PostgresStandings
from deploy.local import Postgres

PEOPLE = 10
"""In each meeting."""

FLAT = 2.0
"""The most that a question may take with the most answers, of what it takes with the fewest."""

# Every meeting that we open has a Whereby room of its own, so this is no figure of the number of answers: it shows
# what a Whereby room costs in which a tenth of all meetings were held.
REUSED = "MatchRecording, Whereby room used again and again"

_WIDTH = 180


@dataclass(frozen=True)
class Sizes:
    """How many answers the databases hold, and how often all are asked in a round: so many times, or so long."""

    answers: tuple[int, ...] = (10, 1_000, 100_000)
    rounds: int = 5
    calls: int = 100
    seconds: float = 1.0


@dataclass(frozen=True)
class Recorded:
    """A recording's object key, its meeting, and somebody in it."""

    object_key: str
    meeting_id: str
    participant_id: str


class Filled:
    """A database with so many answers, and what consent_svc asks of it."""

    def __init__(self, answers: int, database: Database, ordinary: list[Recorded], reused: list[Recorded]) -> None:
        self.answers = answers
        self.database = database
        self._ordinary, self._reused = ordinary, reused or ordinary
        self._standings, self._presence = PostgresStandings(database), PostgresPresence(database)
        self._meetings, self._answers = PostgresMeetings(database), PostgresAnswers(database, Terms.of({}))

    @property
    def questions(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """What is timed, by name. Each raises AssertionError where the reply is not what was filled in."""
        return {
            "GetVerdict": self.verdict,
            "MatchRecording": lambda: self.matched(self._ordinary),
            REUSED: lambda: self.matched(self._reused),
            "GetConsent": self.consent,
        }

    async def verdict(self) -> None:
        """What GetVerdict does for one meeting."""
        meeting_id = random.choice(self._ordinary).meeting_id
        verdict = decide(await self._standings.standings([meeting_id]), datetime.now(UTC))
        assert dict(verdict.rests_on) == {meeting_id: PEOPLE}

    async def matched(self, recordings: list[Recorded]) -> None:
        """What MatchRecording does for one recording."""
        recorded = random.choice(recordings)
        recording = parse_object_key(recorded.object_key)
        assert recording is not None
        found = match(recording, await self._presence.evidence(recording.whereby_room_name, recording.filename))
        assert found is not None
        assert found.meeting_ids == (recorded.meeting_id,)
        await self._meetings.get(*found.meeting_ids)

    async def consent(self) -> None:
        """What GetConsent does for a participant."""
        recorded = random.choice(self._ordinary)
        assert (await self._standings.counts(recorded.meeting_id)).present == PEOPLE
        assert await self._answers.of_participant(recorded.meeting_id, recorded.participant_id) is not None


@dataclass
class Timed:
    """Seconds that one question took, round by round, with so many answers in the database."""

    rounds: list[list[float]] = field(default_factory=list)

    def part(self, part: float) -> float:
        """The median of the rounds, without the first, of the time that this part of the calls stays below."""
        timed = self.rounds[1:] or self.rounds
        return statistics.median(sorted(times)[int(len(times) * part)] for times in timed)


async def measure(postgres: Postgres, sizes: Sizes) -> int:
    """Print times and plans. Returns 1 where a question is not flat, or reads a table that grows from end to end."""
    async with AsyncExitStack() as leaving:
        template = await _migrated(postgres)
        every = [await _filled(postgres, template, answers, leaving) for answers in sizes.answers]
        timed = await _timed(every, sizes)
        connection = await connected(every[-1].database.engine.url.render_as_string(hide_password=False), leaving)
        plans = await _plans(every[-1], connection)
    ratios = _print_times(sizes, timed)
    print(f"\nPlans with {sizes.answers[-1]:,} answers, of the queries that were sent:")
    _print_plans(plans)
    faults = [f"{question} is not flat: {ratio:.1f}" for question, ratio in ratios.items() if ratio > FLAT]
    faults += [f"{question} reads {', '.join(tables)} from end to end" for question, tables in _scanned(plans).items()]
    counted = [fault for fault in faults if not fault.startswith(REUSED)]
    print("\n" + ("\n".join(faults) or "all flat, and no table that grows is read from end to end"))
    return int(bool(counted))


async def _migrated(postgres: Postgres) -> str:
    name = postgres.fresh_database(role=ROLE)
    await migrate(postgres.url(name), MIGRATIONS, service_url=postgres.url(name, role=ROLE))
    return name


async def _filled(postgres: Postgres, template: str, answers: int, leaving: AsyncExitStack) -> Filled:
    name = postgres.fresh_database(template=template, role=ROLE)
    connection = await connected(postgres.url(name), leaving)
    await fill(connection, max(1, answers // PEOPLE), PEOPLE)
    person = await connection.fetchval(f"SELECT {PERSON_ID.format(1)}")
    ordinary, reused = [
        [Recorded(key, meeting_id, person) for key, meeting_id in await recordings(connection, reused_room)]
        for reused_room in (False, True)
    ]
    database = await leaving.enter_async_context(Database(postgres.url(name, role=ROLE)))
    return Filled(answers, database, ordinary, reused)


async def _timed(every: Sequence[Filled], sizes: Sizes) -> dict[tuple[str, int], Timed]:
    found = {(question, filled.answers): Timed() for filled in every for question in filled.questions}
    for _ in range(sizes.rounds):
        for question in every[0].questions:
            asked = {filled.answers: filled.questions[question] for filled in every}
            for answers, times in (await _round(asked, sizes)).items():
                found[question, answers].rounds.append(times)
    return found


async def _round(asked: dict[int, Callable[[], Awaitable[None]]], sizes: Sizes) -> dict[int, list[float]]:
    """Ask the databases in turn, so that whatever else the machine does slows all of them down."""
    times: dict[int, list[float]] = {answers: [] for answers in asked}
    until = time.perf_counter() + sizes.seconds
    for _ in range(sizes.calls):
        for answers, ask in asked.items():
            began = time.perf_counter()
            await ask()
            times[answers].append(time.perf_counter() - began)
        if time.perf_counter() > until:
            break
    return times


async def _plans(filled: Filled, connection: asyncpg.Connection) -> dict[str, list[Plan]]:
    found = {}
    for question, ask in filled.questions.items():
        with captured(filled.database.engine) as queries:
            await ask()
        assert queries, f"{question} sent nothing that could be caught"
        found[question] = [await explain(connection, query) for query in queries]
    return found


def _print_times(sizes: Sizes, timed: dict[tuple[str, int], Timed]) -> dict[str, float]:
    """Returns how much longer each question takes with the most answers."""
    print(f"\n{'':<50} {'answers':>8} {'p50 ms':>8} {'p99 ms':>8} {'p50, of the smallest':>20}")
    ratios = {}
    for question in dict.fromkeys(question for question, _ in timed):
        smallest = timed[question, sizes.answers[0]].part(0.5)
        for answers in sizes.answers:
            p50, p99 = (timed[question, answers].part(part) for part in (0.5, 0.99))
            ratios[question] = p50 / smallest
            print(f"{question:<50} {answers:>8} {p50 * 1000:>8.2f} {p99 * 1000:>8.2f} {ratios[question]:>20.2f}")
    return ratios


def _scanned(plans: dict[str, list[Plan]]) -> dict[str, list[str]]:
    """The tables that grow and are read from end to end, question by question."""
    found = {question: sorted({*GROWING} & {*chain(*(it.scanned for it in of))}) for question, of in plans.items()}
    return {question: tables for question, tables in found.items() if tables}


def _print_plans(plans: dict[str, list[Plan]]) -> None:
    for question, of_question in plans.items():
        print(f"\n{question}")
        for plan in of_question:
            print(f"  {' '.join(plan.query.statement.split())[:_WIDTH]}")
            _print_lines(plan.lines)
            if plan.generic:
                print("    planned without the values:")
                _print_lines(plan.generic)


def _print_lines(lines: Sequence[str]) -> None:
    for line in lines:
        print(f"      {line}"[:_WIDTH])
