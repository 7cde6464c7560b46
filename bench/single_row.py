"""The first peer: pgbench, doing what an answer does to the tables in a transaction of its own.

The tables are consent_svc's, in another database of the same server. It does less than an answer over HTTP: no token,
no look at whether the request came before, nobody told by NOTIFY, nothing taken out of the outbox again.
"""

# ruff: noqa: S608 - the statements are put together from constants

import asyncio
import math
import os
import re
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import make_url

from bench.filling import MEETING_ID, PERSON_ID
from deploy.local import postgres_binaries

_CONNECTING = 0.008
"""Seconds that a client takes to connect, to begin with."""

_ATTEMPTS = 4
_ENOUGH = 0.75
"""The part of a round's time that must be left once all are connected."""

# An AnswerSubmitted: the meeting's id, the revision, the answer and the time.
_PAYLOAD = "\\x" + "00" * 56
_TERMS_HASH = "0" * 64

_TRANSACTION = rf"""
\set meeting random(1, @meetings@)
\set person random(1, @people@)
\set refused random(0, 1)
\startpipeline
BEGIN;
SELECT revision FROM meetings WHERE meeting_id = {MEETING_ID.format(":meeting")} FOR NO KEY UPDATE;
WITH head AS (
    SELECT meeting_id, revision + 1 AS revision, head_hash, {PERSON_ID.format(":person")} AS participant_id,
           gen_random_uuid() AS consent_id, CASE WHEN :refused = 1 THEN 'denied' ELSE 'granted' END AS answer,
           clock_timestamp() AS answered_at,
           encode(sha256(salt || convert_to({PERSON_ID.format(":person")}, 'UTF8')), 'hex') AS digest,
           encode(sha256(convert_to(head_hash || meeting_id || revision, 'UTF8')), 'hex') AS hash
    FROM meetings WHERE meeting_id = {MEETING_ID.format(":meeting")}
), line AS (
    INSERT INTO history (meeting_id, revision, consent_id, participant_digest, request_id, answer, answered_at,
                         notice_version, language, fingerprint_hash, previous_hash, hash, terms_hash)
    SELECT meeting_id, revision, consent_id, digest, gen_random_uuid()::text, answer, answered_at,
           '2026-01', 'en', '', head_hash, hash, '{_TERMS_HASH}'
    FROM head
), moved AS (
    UPDATE meetings SET revision = head.revision, head_hash = head.hash
    FROM head WHERE meetings.meeting_id = head.meeting_id
), present AS (
    INSERT INTO participants (meeting_id, participant_id) SELECT meeting_id, participant_id FROM head
    ON CONFLICT DO NOTHING
), told AS (
    INSERT INTO outbox (subject, message_id, payload, headers)
    SELECT 'assent.consent.v1.AnswerSubmitted', gen_random_uuid()::text, '{_PAYLOAD}', '{{}}' FROM head
)
INSERT INTO answers (meeting_id, participant_id, consent_id, revision, answer, answered_at, first_granted_at,
                     notice_version, language)
SELECT meeting_id, participant_id, consent_id, revision, answer, answered_at,
       CASE WHEN answer = 'granted' THEN answered_at END, '2026-01', 'en'
FROM head
ON CONFLICT (meeting_id, participant_id) DO UPDATE SET
    consent_id = excluded.consent_id, revision = excluded.revision, answer = excluded.answer,
    answered_at = excluded.answered_at, notice_version = excluded.notice_version, language = excluded.language,
    first_granted_at = coalesce(answers.first_granted_at, excluded.first_granted_at);
COMMIT;
\endpipeline
"""


@dataclass
class SingleRow:
    """pgbench on the filled database at `url`, over this many meetings and people.

    A transaction goes to the server in one piece, and its row is locked for no round trip; `in_steps` sends statement
    by statement instead, as most programs do.
    """

    url: str
    meetings: int
    people: int
    in_steps: bool = False
    # Seconds that so many clients took to connect: pgbench counts them as part of its time, but not for its rate.
    _connecting: dict[int, float] = field(default_factory=dict)

    async def play(self, clients: int, seconds: float) -> tuple[float, int]:
        """Transactions a second, without the time to connect, and how many there were.

        Raises RuntimeError when one failed, or when connecting takes almost all the time again and again.
        """
        for _ in range(_ATTEMPTS):
            whole = math.ceil(seconds + self._connecting.get(clients, clients * _CONNECTING))
            rate, done, connecting = await self._attempt(clients, whole)
            if whole - connecting >= seconds * _ENOUGH:
                return rate, done
            self._connecting[clients] = connecting * 1.5
        raise RuntimeError(f"{clients} clients of pgbench took {connecting:.1f} of {whole} s to connect: try again")

    async def _attempt(self, clients: int, whole: int) -> tuple[float, int, float]:
        with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
            script.write(self._script())
            script.flush()
            said = await self._run(script.name, clients, whole)
        if _figure(said, "number of failed transactions: ") != 0:
            raise RuntimeError(f"not all of pgbench's transactions went well: {said}")
        done = int(_figure(said, "number of transactions actually processed: "))
        rate = _figure(said, "tps = ") if done else 0.0
        connecting = _figure(said, "initial connection time = ") / 1000 if done else float(whole)
        return rate, done, connecting

    def _script(self) -> str:
        script = _TRANSACTION.replace("@meetings@", str(self.meetings)).replace("@people@", str(self.people))
        return re.sub(r"\\(start|end)pipeline\n", "", script) if self.in_steps else script

    async def _run(self, script: str, clients: int, seconds: int) -> str:
        threads = min(clients, os.cpu_count() or 1)
        options = ["-n", "-M", "prepared", "-c", str(clients), "-j", str(threads), "-T", str(seconds)]
        process = await asyncio.create_subprocess_exec(
            pgbench(), *options, "-f", script, env=os.environ | self._address(),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        said, complaint = await process.communicate()
        if process.returncode != 0:
            raise RuntimeError(f"pgbench failed: {complaint.decode()}")
        return said.decode()

    def _address(self) -> dict[str, str]:
        url = make_url(self.url)
        return {
            "PGHOST": url.host or "",
            "PGPORT": str(url.port),
            "PGUSER": url.username or "",
            "PGPASSWORD": str(url.password or ""),
            "PGDATABASE": url.database or "",
        }


def _figure(said: str, name: str) -> float:
    found = re.search(f"^{re.escape(name)}([0-9.]+)", said, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"pgbench did not tell its {name.strip(' =:')}: {said}")
    return float(found[1])


def pgbench() -> str:
    """The program, from where the server's binaries are. Raises RuntimeError when there is none."""
    wheel = postgres_binaries.wheel()
    folders = [*postgres_binaries.installed(), *([wheel / "bin"] if wheel else [])]
    found = shutil.which("pgbench") or next((str(one) for it in folders if (one := Path(it, "pgbench")).exists()), None)
    if found is None:
        raise RuntimeError("pgbench is missing: it comes with PostgreSQL's server or contrib package, or `make setup`")
    return found
