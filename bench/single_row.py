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
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import make_url

from bench.filling import MEETING_ID, PERSON_ID
from deploy.local import postgres_binaries

_CONNECTING = 0.4
"""Seconds that 50 clients take to connect, about."""

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


@dataclass(frozen=True)
class SingleRow:
    """pgbench on the filled database at `url`, over this many meetings and people.

    A transaction goes to the server in one piece, and its row is locked for no round trip; `in_steps` sends statement
    by statement instead, as most programs do.
    """

    url: str
    meetings: int
    people: int
    in_steps: bool = False

    async def play(self, clients: int, seconds: float) -> tuple[float, int]:
        """Transactions a second, without the time to connect, and how many there were.

        Raises RuntimeError when one failed.
        """
        with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
            script.write(self._script())
            script.flush()
            said = await self._run(script.name, clients, seconds)
        rate = re.search(r"^tps = ([0-9.]+)", said, re.MULTILINE)
        done = re.search(r"^number of transactions actually processed: (\d+)", said, re.MULTILINE)
        failed = re.search(r"^number of failed transactions: (\d+)", said, re.MULTILINE)
        if rate is None or done is None or (failed is not None and failed[1] != "0"):
            raise RuntimeError(f"pgbench did not say that all went well: {said}")
        return float(rate[1]), int(done[1])

    def _script(self) -> str:
        script = _TRANSACTION.replace("@meetings@", str(self.meetings)).replace("@people@", str(self.people))
        return re.sub(r"\\(start|end)pipeline\n", "", script) if self.in_steps else script

    async def _run(self, script: str, clients: int, seconds: float) -> str:
        threads = min(clients, os.cpu_count() or 1)
        # Its time includes connecting, which is not counted afterwards.
        whole = str(math.ceil(seconds + clients // 50 * _CONNECTING))
        options = ["-n", "-M", "prepared", "-c", str(clients), "-j", str(threads), "-T", whole]
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


def pgbench() -> str:
    """The program, from where the server's binaries are. Raises RuntimeError when there is none."""
    wheel = postgres_binaries.wheel()
    folders = [*postgres_binaries.installed(), *([wheel / "bin"] if wheel else [])]
    found = shutil.which("pgbench") or next((str(one) for it in folders if (one := Path(it, "pgbench")).exists()), None)
    if found is None:
        raise RuntimeError("pgbench is missing: it comes with PostgreSQL's server or contrib package, or `make setup`")
    return found
