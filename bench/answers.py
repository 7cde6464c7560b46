"""Answers a second through HTTP, beside pgbench doing the same transaction on the same Postgres, durable both.

Rounds alternate, the first of each is thrown away, the medians are compared. Every answer must be a 200, and the
history must hold as many lines as were acknowledged.
"""

import asyncio
import json
import random
import re
import shutil
import statistics
import subprocess
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import asyncpg
import httpx

from deploy.local import Stack
from deploy.local.postgres_binaries import wheel

CLIENTS = (1, 10, 50)
ROUNDS = 5
SECONDS = 2.0
MEETINGS = 50
PEOPLE_EACH = 4

TABLES = """
CREATE TABLE bench_meetings (id int PRIMARY KEY, revision bigint NOT NULL DEFAULT 0);
CREATE TABLE bench_history (meeting int, revision bigint, who text, answer text, hash text, at timestamptz,
                            PRIMARY KEY (meeting, revision));
CREATE TABLE bench_answers (meeting int, who text, revision bigint, answer text, at timestamptz,
                            PRIMARY KEY (meeting, who));
CREATE TABLE bench_outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, subject text, payload bytea);
INSERT INTO bench_meetings (id) SELECT generate_series(1, 50);
"""
TRANSACTION = r"""
\set meeting random(1, 50)
\set who random(1, 4)
BEGIN;
SELECT revision FROM bench_meetings WHERE id = :meeting FOR NO KEY UPDATE;
WITH head AS (UPDATE bench_meetings SET revision = revision + 1 WHERE id = :meeting RETURNING revision),
line AS (INSERT INTO bench_history SELECT :meeting, revision, :who, 'granted', md5(:who::text), now() FROM head)
INSERT INTO bench_answers SELECT :meeting, :who, revision, 'granted', now() FROM head
ON CONFLICT (meeting, who) DO UPDATE SET revision = excluded.revision, answer = excluded.answer, at = excluded.at;
INSERT INTO bench_outbox (subject, payload) VALUES ('assent.consent.v1.AnswerSubmitted', '\x00');
COMMIT;
"""


@dataclass
class Person:
    """Who answers, and where."""

    meeting_id: str
    token: str


@dataclass
class Round:
    """What one round of answering came to; times in seconds."""

    rate: float = 0.0
    latencies: list[float] = field(default_factory=list)
    refused: int = 0


async def measure(stack: Stack) -> int:
    """Print the table. Returns 1 where an answer was refused or is missing from the history."""
    env = stack.env()
    people = await _people(env)
    database = env["ASSENT_CONSENT_MIGRATION_DATABASE_URL"].replace("+asyncpg", "")
    connection = await asyncpg.connect(database)
    await connection.execute(TABLES)
    before = await connection.fetchval("SELECT count(*) FROM history")
    acknowledged = refused = 0
    print(f"{'clients':>7}  {'answers/s':>9}  {'p50 ms':>7}  {'p99 ms':>7}  {'pgbench/s':>9}  {'ratio':>5}")
    for clients in CLIENTS:
        rounds, peers = [], []
        for _ in range(ROUNDS):
            rounds.append(await _answer_for(env["ASSENT_GATEWAY_URL"], people, clients))
            peers.append(await asyncio.to_thread(_pgbench, database, clients))
        acknowledged += sum(len(it.latencies) for it in rounds)
        refused += sum(it.refused for it in rounds)
        _print(clients, rounds[1:], statistics.median(peers[1:]))
    kept = await connection.fetchval("SELECT count(*) FROM history") - before
    await connection.close()
    print(f"{acknowledged} answers acknowledged, {kept} in the history, {refused} refused")
    return int(refused > 0 or kept < acknowledged)


def _print(clients: int, rounds: list[Round], peer: float) -> None:
    rate = statistics.median(it.rate for it in rounds)
    times = sorted(latency for it in rounds for latency in it.latencies)
    p50, p99 = (times[int(len(times) * part)] * 1000 for part in (0.5, 0.99))
    print(f"{clients:>7}  {rate:>9.0f}  {p50:>7.1f}  {p99:>7.1f}  {peer:>9.0f}  {rate / peer:>5.2f}")


async def _people(env: dict[str, str]) -> list[Person]:
    people = []
    owner = {"Authorization": f"Bearer {env['ASSENT_OWNER_TOKEN']}"}
    async with httpx.AsyncClient(base_url=env["ASSENT_GATEWAY_URL"], timeout=30) as gateway:
        for number in range(MEETINGS):
            room = f"bench-{number}"
            (await gateway.post("/v1/rooms", json={"name": room}, headers=owner)).raise_for_status()
            for _ in range(PEOPLE_EACH):
                opened = (await gateway.post(f"/v1/rooms/{room}/meeting")).raise_for_status().json()
                people.append(Person(opened["meeting"]["id"], opened["participant"]["token"]))
    return people


async def _answer_for(url: str, people: list[Person], clients: int) -> Round:
    done = Round()
    began = time.perf_counter()
    await asyncio.gather(*(_client(url, people, began + SECONDS, done) for _ in range(clients)))
    done.rate = len(done.latencies) / (time.perf_counter() - began)
    return done


async def _client(url: str, people: list[Person], until: float, done: Round) -> None:
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        while time.perf_counter() < until:
            writer.write(_request(random.choice(people)))
            began = time.perf_counter()
            status = await _response(reader)
            if status == 200:
                done.latencies.append(time.perf_counter() - began)
            else:
                done.refused += 1
    finally:
        writer.close()


def _request(person: Person) -> bytes:
    body = json.dumps({"consent_given": random.random() < 0.5}).encode()
    head = (
        f"POST /v1/meetings/{person.meeting_id}/consent HTTP/1.1\r\nHost: assent\r\n"
        f"Authorization: Bearer {person.token}\r\nIdempotency-Key: {uuid.uuid4()}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _response(reader: asyncio.StreamReader) -> int:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = next(int(line.split(":")[1]) for line in head.splitlines() if line.startswith("content-length:"))
    await reader.readexactly(length)
    return int(head.split(maxsplit=2)[1])


def _pgbench(database: str, clients: int) -> float:
    """Transactions a second of the same work, straight into Postgres."""
    folder = wheel()
    pgbench = shutil.which("pgbench") or (str(folder / "bin" / "pgbench") if folder else "pgbench")
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(TRANSACTION)
        script.flush()
        jobs = str(min(clients, 2))
        command = [pgbench, "-n", "-M", "prepared", "-c", str(clients), "-j", jobs, "-T", str(int(SECONDS))]
        ran = subprocess.run([*command, "-f", script.name, database], capture_output=True, text=True, check=True)
    found = re.search(r"^tps = ([0-9.]+)", ran.stdout, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"pgbench told no rate: {ran.stdout}{ran.stderr}")
    return float(found[1])
