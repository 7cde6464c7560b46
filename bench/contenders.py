"""Those who are measured side by side: Assent and its two peers, each with tables and people of the same number."""

import asyncio
import resource
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

import asyncpg
import httpx

from bench.filling import fill
from bench.load import Plan, play
from bench.servers import Monolith, RawServer
from bench.single_row import SingleRow
from chassis.database import migrate
from consent_svc.__main__ import MIGRATIONS
from deploy.local import Postgres, Stack

ROLE = "assent_consent"


@dataclass(frozen=True)
class Scale:
    """How much is measured. `people` are those of one meeting."""

    clients: tuple[int, ...] = (1, 50, 200)
    rounds: int = 5
    seconds: float = 2.0
    meetings: int = 50
    people: int = 4
    in_steps: bool = False


@dataclass
class Outcome:
    """One round of one contender; latencies in seconds."""

    rate: float
    answers: int
    latencies: list[float] = field(default_factory=list)
    errors: dict[str, int] = field(default_factory=dict)
    # CPU seconds of whoever asked.
    asking: float = 0.0


@dataclass
class Acknowledged:
    """What a server said it had stored in one round: see `bench.load.Round`."""

    key: str
    answers: list[tuple[int, int, int, int]]


class Contender(Protocol):
    """Whoever is measured."""

    name: str

    async def play(self, clients: int, seconds: float) -> Outcome:
        """One round."""


class OverHttp:
    """A server that takes answers at this address, and the people who may answer."""

    def __init__(self, name: str, url: str, people: list[tuple[str, str]], revisions: bool) -> None:
        self.name = name
        self.people = people
        self.acknowledged: list[Acknowledged] = []
        self._address = urlsplit(url)
        self._revisions = revisions

    async def play(self, clients: int, seconds: float) -> Outcome:
        """One round of the load client."""
        key = secrets.token_hex(12)
        seed = len(self.acknowledged)
        host, port = self._address.hostname or "", self._address.port or 80
        done = await play(Plan(host, port, self.people, clients, seconds, key, self._revisions, seed))
        self.acknowledged.append(Acknowledged(key, done.acknowledged))
        return Outcome(done.rate, len(done.latencies), done.latencies, done.errors, done.cpu)


class Pgbench:
    """The single-row transaction, and whether each of them left its line in the history."""

    name = "pgbench"

    def __init__(self, transactions: SingleRow, connection: asyncpg.Connection) -> None:
        self._transactions = transactions
        self._connection = connection

    async def play(self, clients: int, seconds: float) -> Outcome:
        """One round of pgbench."""
        lines, cpu = await self._lines(), _children_cpu()
        rate, answers = await self._transactions.play(clients, seconds)
        missing = answers - (await self._lines() - lines)
        errors = {"lines missing in pgbench's history": missing} if missing > 0 else {}
        return Outcome(rate, answers, errors=errors, asking=_children_cpu() - cpu)

    async def _lines(self) -> int:
        return int(await self._connection.fetchval("SELECT count(*) FROM history"))


@asynccontextmanager
async def contenders(stack: Stack, scale: Scale) -> AsyncIterator[tuple[OverHttp, Pgbench, OverHttp, Monolith]]:
    """Assent, pgbench and the monolith, ready: everybody has answered once, so that all of them only update."""
    env, postgres = stack.env(), stack.parts["postgres"]
    assert isinstance(postgres, Postgres)
    async with AsyncExitStack() as leaving:
        ours = OverHttp("assent", env["ASSENT_GATEWAY_URL"], await _people(env, scale), revisions=True)
        pgbench = Pgbench(*await _single_row(postgres, scale, leaving))
        database = postgres.url(postgres.fresh_database(role=ROLE))
        part = leaving.enter_context(Monolith(stack.run_dir, database, env["ASSENT_PARTICIPANT_TOKEN_SECRET"]))
        await _add_meetings(database, ours.people)
        monolith = OverHttp("monolith", f"http://{part.address}", ours.people, revisions=False)
        for server in (env["ASSENT_GATEWAY_URL"], f"http://{part.address}"):
            await _answer_once(server, ours.people)
        yield ours, pgbench, monolith, part


async def own_cost(stack: Stack, clients: int, seconds: float) -> tuple[float, float]:
    """The load client against a server that does nothing: its CPU seconds a request, and requests a second."""
    people = [(f"{place:036}", "token" * 50) for place in range(200)]
    with RawServer(stack.run_dir) as server:
        done = await OverHttp("raw", f"http://{server.address}", people, True).play(clients, seconds)
    return done.asking / max(1, done.answers), done.rate


async def _people(env: dict[str, str], scale: Scale) -> list[tuple[str, str]]:
    """Meeting id and token of everybody, through the gateway."""
    owner = {"Authorization": f"Bearer {env['ASSENT_OWNER_TOKEN']}"}
    async with httpx.AsyncClient(base_url=env["ASSENT_GATEWAY_URL"], timeout=60) as gateway:

        async def come(room: str) -> list[tuple[str, str]]:
            (await gateway.post("/v1/rooms", json={"name": room}, headers=owner)).raise_for_status()
            opened = [(await gateway.post(f"/v1/rooms/{room}/meeting")).raise_for_status() for _ in range(scale.people)]
            return [(it.json()["meeting"]["id"], it.json()["participant"]["token"]) for it in opened]

        return [person for them in await _several(come, _rooms(scale)) for person in them]


def _rooms(scale: Scale) -> list[str]:
    return [f"bench-{number}" for number in range(scale.meetings)]


async def _several(work: Any, over: list[Any]) -> list[Any]:
    """Do it for each of them, eight at a time."""
    turns = asyncio.Semaphore(8)

    async def one(it: Any) -> Any:
        async with turns:
            return await work(it)

    return await asyncio.gather(*map(one, over))


async def _single_row(
    postgres: Postgres, scale: Scale, leaving: AsyncExitStack
) -> tuple[SingleRow, asyncpg.Connection]:
    name = postgres.fresh_database(role=ROLE)
    url = postgres.url(name, role=ROLE)
    await migrate(postgres.url(name), MIGRATIONS, service_url=url)
    connection = await connected(postgres.url(name), leaving)
    await fill(connection, scale.meetings, scale.people)
    return SingleRow(url, scale.meetings, scale.people, scale.in_steps), connection


async def connected(url: str, leaving: AsyncExitStack) -> asyncpg.Connection:
    """A connection that is closed on leaving."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    leaving.push_async_callback(connection.close)
    return connection


async def _add_meetings(database: str, people: list[tuple[str, str]]) -> None:
    async with AsyncExitStack() as leaving:
        connection = await connected(database, leaving)
        meetings = [(meeting_id,) for meeting_id in dict.fromkeys(meeting_id for meeting_id, _ in people)]
        await connection.executemany("INSERT INTO meeting VALUES ($1, 'room', now())", meetings)


async def _answer_once(url: str, people: list[tuple[str, str]]) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=60) as server:

        async def answer(person: tuple[str, str]) -> None:
            meeting_id, token = person
            headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": secrets.token_hex(18)}
            path = f"/v1/meetings/{meeting_id}/consent"
            (await server.post(path, json={"consent_given": True}, headers=headers)).raise_for_status()

        await _several(answer, people)


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
