"""Holds everything that is kept against what people were told, and counts what does not fit."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

import asyncpg
import nats
from assent.consent.v1.consent_events_pb2 import AnswerSubmitted

from bench.proof import faults as faults_in_tables
from consent_svc.history import participant_digest
from tests.chaos.people import Person
from tests.chaos.presses import Press, Tally
from tests.eventually import eventually
from tests.system.world import World

_LINES = """
SELECT meeting_id, request_id, consent_id::text, answer, revision, answered_at, participant_digest
FROM history WHERE meeting_id = ANY($1::text[]) ORDER BY meeting_id, revision
"""
_SALTS = "SELECT meeting_id, salt FROM meetings WHERE meeting_id = ANY($1::text[])"
LOST, OUT_OF_ORDER = "acknowledged answers lost", "answers out of order"
_ANSWERS = {True: "granted", False: "denied"}
Line = asyncpg.Record


@asynccontextmanager
async def consent_database(world: World) -> AsyncIterator[asyncpg.Connection]:
    """A connection to consent_svc's tables, as their owner."""
    connection = await asyncpg.connect(world.env["ASSENT_CONSENT_MIGRATION_DATABASE_URL"].replace("+asyncpg", ""))
    try:
        yield connection
    finally:
        await connection.close()


async def faults(world: World, tally: Tally) -> dict[str, int]:
    """What is wrong, and how often; nothing is what it should be."""
    meeting_ids = list(dict.fromkeys(person.meeting_id for person in tally.people))
    async with consent_database(world) as database:
        lines = await database.fetch(_LINES, meeting_ids)
        salts = {row["meeting_id"]: row["salt"] for row in await database.fetch(_SALTS, meeting_ids)}
        people = [(person.meeting_id, person.token) for person in tally.people]
        found = Counter(await faults_in_tables(database, people, [tally.as_acknowledged()]))
    found |= Counter(_in_history(tally, lines, salts))
    found["histories that the service does not find intact"] = await _not_intact(world, lines, meeting_ids)
    found["people whose current answer is not their last"] = await _outdated(world, tally)
    found["events that stay in the outbox"] = await _left_in_the_outbox(world)
    found["meetings whose last answer was not published"] = await _unpublished(world, tally)
    return {fault: times for fault, times in found.items() if times}


def _in_history(tally: Tally, lines: list[Line], salts: Mapping[str, bytes]) -> dict[str, int]:
    by_request: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        by_request[line["request_id"]].append(line)
    presses = {f"{tally.key}{press.number:012x}": press for press in tally.presses}
    told = {request_id: press for request_id, press in presses.items() if press.told}
    return {
        LOST: sum(request_id not in by_request for request_id in told),
        "acknowledged answers stored otherwise": sum(
            not _fits(line, press, tally.people[press.person], salts)
            for request_id, press in told.items()
            for line in by_request[request_id]
        ),
        "presses with more than one line": sum(len(lines) > 1 for lines in by_request.values()),
        "lines of no press": sum(request_id not in presses for request_id in by_request),
        "revisions left out or given twice": _gaps(lines),
        OUT_OF_ORDER: tally.out_of_order + tally.fallen_back,
        "repetitions that were told something else": len(tally.changed),
    }


def _fits(line: Line, press: Press, person: Person, salts: Mapping[str, bytes]) -> bool:
    told = press.told
    assert told is not None
    stored = (
        line["meeting_id"], line["participant_digest"], line["consent_id"], line["answer"], line["revision"],
        line["answered_at"],
    )  # fmt: skip
    digest = participant_digest(salts[person.meeting_id], person.participant_id)
    answer = _ANSWERS[press.granted]
    replied = (person.meeting_id, digest, told.consent_id, answer, told.revision, told.answered_at)
    return stored == replied and told.granted is press.granted


def _gaps(lines: list[Line]) -> int:
    of_meeting: dict[str, list[int]] = defaultdict(list)
    for line in lines:
        of_meeting[line["meeting_id"]].append(line["revision"])
    return sum(revisions != list(range(1, len(revisions) + 1)) for revisions in of_meeting.values())


async def _not_intact(world: World, lines: list[Line], meeting_ids: list[str]) -> int:
    entries = Counter(line["meeting_id"] for line in lines)
    checks = [await world.get(f"/v1/meetings/{one}/consent/history/check") for one in meeting_ids]
    return sum(
        not check["intact"] or check["entries"] != entries[one] for one, check in zip(meeting_ids, checks, strict=True)
    )


async def _outdated(world: World, tally: Tally) -> int:
    """Of everybody who was told something, as they see it themselves."""
    last = {press.person: press.told for press in tally.presses if press.told}
    outdated = 0
    for place, told in last.items():
        person = tally.people[place]
        answer = (await world.get(f"/v1/meetings/{person.meeting_id}/consent", person.token))["answer"]
        seen = (answer["consent_id"], answer["consent_given"], answer["revision"]) if answer else None
        outdated += seen != (told.consent_id, told.granted, told.revision)
    return outdated


async def _left_in_the_outbox(world: World) -> int:
    """Rows, after every chance to be published."""
    async with consent_database(world) as database:

        async def is_empty() -> bool:
            return bool(await database.fetchval("SELECT NOT EXISTS (SELECT FROM outbox)"))

        with suppress(TimeoutError):
            await eventually(is_empty, within=90)
        return int(await database.fetchval("SELECT count(*) FROM outbox"))


async def _unpublished(world: World, tally: Tally) -> int:
    last = await _last_published(world.env["ASSENT_NATS_URL"])
    return sum(last[meeting_id] != revision for meeting_id, revision in tally.highest.items())


async def _last_published(nats_url: str) -> Counter[str]:
    """The highest revision of each meeting that an event tells of."""
    last: Counter[str] = Counter()
    client = await nats.connect(nats_url)
    try:
        events = await client.jetstream().subscribe(AnswerSubmitted.DESCRIPTOR.full_name, ordered_consumer=True)
        async with asyncio.timeout(60):
            async for message in events.messages:
                event = AnswerSubmitted.FromString(message.data)
                last[event.meeting_id] = max(event.revision, last[event.meeting_id])
                if not message.metadata.num_pending:
                    break
    finally:
        await client.close()
    return last
