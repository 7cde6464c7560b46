"""Fills a database of consent_svc with meetings that are over and answered, as its owner and by the bulk.

Meeting n was held n hours ago and lasted 40 minutes; every third had one refusal. Ordinary meetings have a Whereby
room of their own; every tenth lies in one Whereby room that was used again and again.
"""

# ruff: noqa: S608 - the statements are put together from constants

import asyncpg

REUSED_ROOM = "standup"
MEETINGS_A_ROOM = 10
"""Of our rooms, which are names that people open again."""

# SQL that makes the ids of meeting n and person p; of 36 characters, as real ones.
MEETING_ID = "'00000000-0000-4000-8000-' || lpad({0}::text, 12, '0')"
PERSON_ID = "'00000000-0000-4000-9000-' || lpad({0}::text, 12, '0')"

_FROM_MEETINGS = "FROM generate_series(1, $1::int) AS n"
_FROM_PEOPLE = f"{_FROM_MEETINGS}, generate_series(1, $2::int) AS p"
_MEETING, _PERSON = MEETING_ID.format("n"), PERSON_ID.format("p")
_WHEREBY_ROOM = f"CASE WHEN n % 10 = 0 THEN '{REUSED_ROOM}' ELSE 'room-' || md5(n::text) END"
_START = "(date_trunc('second', now()) - n * interval '1 hour')"
_END = f"({_START} + interval '40 minutes')"
_SETTINGS = "'cloud', 'automatic-2nd-participant', false, 'normal', 'delete_on_denial', interval '24 hours', NULL"
_ANSWER = "CASE WHEN n % 3 = 0 AND p = 1 THEN 'denied' ELSE 'granted' END"
_DIGEST = f"encode(sha256(convert_to({_PERSON}, 'UTF8')), 'hex')"
_CONSENT_ID = "md5(n || '-' || p)::uuid"
_HASH = "repeat(md5(n || '-' || {}), 2)"

_ROOMS = f"""
INSERT INTO rooms (name, owner_id, created_at, updated_at, recording_type, recording_trigger, is_locked, mode,
                   consent_policy, consent_deadline, retention_days)
SELECT 'room-' || n, 'owner-' || n % 100, now(), now(), {_SETTINGS}
FROM generate_series(0, ($1::int - 1) / {MEETINGS_A_ROOM}) AS n
"""
_MEETINGS = f"""
INSERT INTO meetings (meeting_id, room, whereby_room_name, room_url, host_room_url, owner_id, started_at, closes_at,
                      recording_type, recording_trigger, is_locked, mode, consent_policy, consent_deadline,
                      retention_days, salt, revision, head_hash)
SELECT {_MEETING}, 'room-' || (n - 1) / {MEETINGS_A_ROOM}, '/' || {_WHEREBY_ROOM},
       'https://example.whereby.com/' || n, 'https://example.whereby.com/' || n || '?roomKey=host', 'owner',
       {_START}, {_START} + interval '8 hours', {_SETTINGS}, decode(md5(n::text), 'hex'), $2::int,
       {_HASH.format("$2::int")}
{_FROM_MEETINGS}
"""
_PARTICIPANTS = f"""
INSERT INTO participants (meeting_id, participant_id, opened_at) SELECT {_MEETING}, {_PERSON}, {_START} {_FROM_PEOPLE}
"""
_ANSWERS = f"""
INSERT INTO answers (meeting_id, participant_id, consent_id, revision, answer, answered_at, first_granted_at,
                     notice_version, language)
SELECT {_MEETING}, {_PERSON}, {_CONSENT_ID}, p, {_ANSWER}, {_START}, {_START}, '2026-01', 'en' {_FROM_PEOPLE}
"""
_HISTORY = f"""
INSERT INTO history (meeting_id, revision, consent_id, participant_digest, request_id, answer, answered_at,
                     notice_version, language, fingerprint_hash, previous_hash, hash)
SELECT {_MEETING}, p, {_CONSENT_ID}, {_DIGEST}, gen_random_uuid()::text, {_ANSWER}, {_START}, '2026-01', 'en', '',
       CASE WHEN p = 1 THEN repeat('0', 64) ELSE {_HASH.format("p - 1")} END, {_HASH.format("p")}
{_FROM_PEOPLE}
"""
# Person 0 is the recorder.
_CLIENTS = f"""
INSERT INTO clients (meeting_id, client_id, participant_id, role, is_dial_in, session_id, joined_at, left_at,
                     is_present, changed_at)
SELECT {_MEETING}, 'client-' || p, CASE WHEN p = 0 THEN '' ELSE {_PERSON} END,
       CASE WHEN p = 0 THEN 'recorder' ELSE 'visitor' END, false, 'session-' || n, {_START}, {_END}, false, {_END}
{_FROM_MEETINGS}, generate_series(0, $2::int) AS p
"""
_SESSIONS = f"""
INSERT INTO sessions (meeting_id, session_id, started_at, ended_at)
SELECT {_MEETING}, 'session-' || n, {_START}, {_END} {_FROM_MEETINGS}
"""
_ATTENDANCE = f"""
INSERT INTO attendance (meeting_id, whereby_room_name, num_clients, counted_at, counted_by_leaving, last_started_at,
                        last_ended_at)
SELECT {_MEETING}, '/' || {_WHEREBY_ROOM}, 0, {_END}, true, {_START}, {_END} {_FROM_MEETINGS}
"""
# As Whereby names its files.
_FILENAME = (
    f"""{_WHEREBY_ROOM} || '-' || to_char({_START} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') || '.mp4'"""
)
_FINISHED_FILES = f"INSERT INTO finished_files (filename, meeting_id) SELECT {_FILENAME}, {_MEETING} {_FROM_MEETINGS}"

_OF_MEETINGS = (_ROOMS, _SESSIONS, _ATTENDANCE, _FINISHED_FILES)
_OF_PEOPLE = (_MEETINGS, _PARTICIPANTS, _ANSWERS, _HISTORY, _CLIENTS)
GROWING = frozenset({
    "rooms", "sessions", "attendance", "finished_files", "meetings", "participants", "answers", "history", "clients",
})  # fmt: skip
"""The tables that are filled: as those that answers and webhooks make grow."""


async def fill(connection: asyncpg.Connection, meetings: int, people: int) -> None:
    """Put in so many meetings with so many people in each, all of whom answered, and gather statistics."""
    async with connection.transaction():
        for statement in _OF_MEETINGS:
            await connection.execute(statement, meetings)
        for statement in _OF_PEOPLE:
            await connection.execute(statement, meetings, people)
    await connection.execute("VACUUM ANALYZE")


async def recordings(connection: asyncpg.Connection, reused_room: bool) -> list[tuple[str, str]]:
    """Object keys and the meeting each belongs to, of ordinary meetings or of those in the room used again."""
    query = "SELECT filename, meeting_id FROM finished_files WHERE (filename LIKE $1 || '-%') = $2 ORDER BY filename"
    return [(row["filename"], row["meeting_id"]) for row in await connection.fetch(query, REUSED_ROOM, reused_room)]
