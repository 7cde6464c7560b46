"""The bench itself: it prints its tables, and lets nothing pass that is wrong."""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from bench import answers, verdict
from bench.contenders import ROLE, Acknowledged, Scale
from bench.filling import fill
from bench.load import Plan, play
from bench.proof import faults
from chassis.database import migrate
from consent_svc.__main__ import MIGRATIONS
from deploy.local import Postgres, Stack

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("ASSENT_", "AWS_"))}
PARTS = ("postgres", "nats", "issuer", "whereby", "consent_svc", "gateway")
MEETING, OTHER = (f"00000000-0000-4000-8000-00000000000{number}" for number in (1, 2))


@asynccontextmanager
async def server(*replies: tuple[int, object]) -> AsyncIterator[int]:
    """Answers one request after the other like this, the last one for ever: a status, and what the body says."""
    waiting = list(replies)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := (await reader.readuntil(b"\r\n\r\n")).decode():
            length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
            asked = json.loads(await reader.readexactly(int(length[1]) if length else 0))
            status, told = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            body = json.dumps(asked | told if isinstance(told, dict) else told).encode()
            writer.write(b"HTTP/1.1 %d x\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    ("replies", "error"),
    [
        ([(503, {})], "status 503"),
        ([(200, {"revision": 1, "consent_given": "neither"})], "another answer's reply"),
        ([(200, {"revision": 5}), (200, {"revision": 5})], "answer out of order"),
    ],
)
async def test_a_reply_that_is_not_right_in_every_way_is_an_error(
    replies: list[tuple[int, object]], error: str
) -> None:
    async with server(*replies) as port:
        done = await play(Plan("127.0.0.1", port, [(MEETING, "token")], 1, 0.05, "k" * 24))
    assert set(done.errors) == {error}
    assert len(done.latencies) == len(done.acknowledged) == len(replies) - 1


@pytest.fixture
async def filled(postgres: Postgres) -> AsyncIterator[asyncpg.Connection]:
    """Two meetings of two people."""
    name = postgres.fresh_database(role=ROLE)
    await migrate(postgres.url(name), MIGRATIONS, service_url=postgres.url(name, role=ROLE))
    connection = await asyncpg.connect(postgres.url(name).replace("+asyncpg", ""))
    await fill(connection, 2, 2)
    yield connection
    await connection.close()
    postgres.drop_database(name)


async def test_what_was_acknowledged_must_be_in_the_history_as_it_was_told(filled: asyncpg.Connection) -> None:
    people = [(MEETING, "token"), (OTHER, "token")]
    key, end = "k" * 24, f"{0:012x}"
    line = "INSERT INTO history SELECT meeting_id, 3, consent_id, participant_digest, $1, answer, answered_at, \
            notice_version, language, '', hash, 'new' FROM history WHERE meeting_id = $2 AND revision = 2"
    await filled.execute(line, key + end, MEETING)
    await filled.execute("UPDATE answers SET revision = 3 WHERE meeting_id = $1 AND revision = 2", MEETING)
    assert await faults(filled, people, [Acknowledged(key, [(0, 0, 1, 3)])]) == {}
    otherwise = "answers acknowledged otherwise than stored"
    for told in ((0, 1, 1, 3), (0, 0, 0, 3), (0, 0, 1, 4)):  # another meeting, another answer, another revision
        assert await faults(filled, people, [Acknowledged(key, [told])]) == {otherwise: 1}
    lost = {"lines missing in the history": 1, otherwise: 1}
    assert await faults(filled, people, [Acknowledged(key, [(0, 0, 1, 3), (1, 0, 1, 4)])]) == lost


async def test_a_broken_chain_and_an_old_current_answer_are_errors(filled: asyncpg.Connection) -> None:
    await filled.execute("UPDATE answers SET answer = 'denied' WHERE meeting_id = $1 AND revision = 1", MEETING)
    await filled.execute(
        "INSERT INTO history SELECT meeting_id, 4, consent_id, participant_digest, 'r', answer, \
        answered_at, notice_version, language, '', hash, 'new' FROM history WHERE meeting_id = $1 AND revision = 2",
        OTHER,
    )
    found = await faults(filled, [], [])
    assert found["breaks in a history's chain"] == 1
    assert found["current answers that are not the newest"] == 3  # one says otherwise, one is old, one is not there


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("stack"), parts=PARTS, environ=CLEAN, fsync=False) as stack:
        yield stack


async def test_one_short_round_of_each_prints_the_tables(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    assert await answers.measure(stack, Scale(clients=(2,), rounds=1, seconds=0.1, meetings=2, people=2)) == 0
    postgres = stack.parts["postgres"]
    assert isinstance(postgres, Postgres)
    verdict_code = await verdict.measure(postgres, verdict.Sizes((10, 20), rounds=1, calls=2))
    printed = capsys.readouterr().out
    assert re.search(r"^ +2 \|( +[0-9.]+){3} \|( +[0-9.]+){2} \|( +[0-9.]+){5} \|", printed, re.MULTILINE)
    assert re.search(r"^ +2 (assent|pgbench|monolith)( +[0-9.]+)+$", printed, re.MULTILINE)
    assert re.search(r"[1-9]\d* answers acknowledged .*: 0 errors", printed)
    assert re.search(r"^GetVerdict +20( +[0-9.]+){3}$", printed, re.MULTILINE)
    # So few rows are rightly read from end to end: that it says so is what is tried here.
    assert verdict_code == 1
    assert "GetVerdict reads " in printed
