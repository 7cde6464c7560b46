"""A thousand listeners on one transcript: from an event's commit to each of them, beside plain sockets in the same run.

The gateway serves them over WebSockets as it runs: the event is appended to transcript_svc's log by its own store,
relayed from its outbox by its own process, told by NATS. Beside it stands a server that is given the same bytes over
one socket and writes them to as many plain ones. The same client reads both. Rounds alternate, each with single events,
for the time that a delivery takes, and then with many at once, for deliveries a second.
"""

import asyncio
import os
import resource
import tempfile
import time
import uuid
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from assent.transcript.v1.transcript_events_pb2 import TranscriptEventAppended

from bench.deliveries import Round, Series, below, print_faults, print_tables
from bench.fan_out_server import SOURCE
from bench.listening import Audience, Plan
from bench.processes import usage
from bench.servers import FanOutServer
from chassis.bus import Bus
from chassis.database import Database
from deploy.local import Stack
from deploy.local.issuer.tokens import OWNER
from gateway.frames import text_frame
from gateway.transcript_feed import numbered
from transcript_svc import wire
from transcript_svc.domain import Job, Recording, Segment, Status, Word
from transcript_svc.store import PostgresTranscripts

_SPARE_FILES = 200
"""That a process has open beside its listeners' sockets."""
_SAID = ("we", "shall", "keep", "the", "audio", "of", "this", "meeting", "only", "where", "everybody", "agreed")


@dataclass(frozen=True)
class Sizes:
    """How many listen, rounds of each contender, events of a round that come alone, and those that come at once."""

    listeners: int = 1000
    rounds: int = 5
    single: int = 30
    at_once: int = 100
    # From one event to the next; longer than the outbox gathers what comes closely together.
    beat_seconds: float = 0.1

    @property
    def events(self) -> int:
        """All that are told of. The one before them is had by whoever comes."""
        return self.rounds * (self.single + self.at_once)

    def of_round(self, number: int) -> tuple[range, range]:
        """Numbers of the events of a round: those that come alone, and those that come at once."""
        first = 1 + number * (self.single + self.at_once)
        between = first + self.single
        return range(first, between), range(between, between + self.at_once)


class Contender(Protocol):
    """Whoever delivers."""

    name: str
    pid: int | None
    # Where listeners come, and what they say then.
    address: str
    request: str

    async def tell(self, events: range) -> float:
        """Tell of these events together; the moment at which they were told."""


class OverGateway:
    """Events of a transcript that is being made, committed as transcript_svc does it."""

    name = "gateway"

    def __init__(self, stack: Stack, store: PostgresTranscripts, job: Job) -> None:
        env = stack.env()
        self.pid = stack.pid("gateway")
        self.address = urlsplit(env["ASSENT_GATEWAY_URL"]).netloc
        self.request = (
            f"GET /v1/transcripts/{job.transcript_id}/events HTTP/1.1\r\nHost: {self.address}\r\n"
            f"Authorization: Bearer {env['ASSENT_OWNER_TOKEN']}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        self.brought: dict[int, float] = {}
        """When NATS had brought an event to this process, as it brings it to the gateway."""
        self._store, self._job = store, job

    async def tell(self, events: range) -> float:
        await self._store.append(self._job, *map(event, events))
        return time.perf_counter()

    async def note(self, message: TranscriptEventAppended) -> None:
        """Take what NATS brings."""
        if message.event.transcript_id == self._job.transcript_id:
            self.brought[message.event.sequence - 1] = time.perf_counter()


class OverPlainSockets:
    """The same bytes through a server that does nothing else."""

    name = "plain sockets"
    request = ""

    def __init__(self, server: FanOutServer, writer: asyncio.StreamWriter) -> None:
        self.pid = server.pid
        self.address = server.address
        self._writer = writer
        writer.write(SOURCE)

    async def tell(self, events: range) -> float:
        frames = b"".join(text_frame(text(number)) for number in events)
        told_at = time.perf_counter()
        self._writer.write(frames)
        return told_at


def event(number: int) -> wire.Event:
    """What is told under this number: that the work has begun, and then one sentence after the other."""
    times = [(9000 * number + 600 * place, word) for place, word in enumerate(_SAID)]
    sentence = Segment.of([Word(word, start, start + 500) for start, word in times])
    told = wire.heard(sentence) if number else wire.status_changed(Status.PROCESSING)
    told.sequence = number + 1
    return told


def text(number: int) -> str:
    """As listeners are sent it."""
    return numbered(event(number)).text


def allow_files(listeners: int = Sizes.listeners) -> str:
    """Let us and whatever we start open as many sockets; what stands in the way, if anything does."""
    wanted = listeners + _SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        return f"{listeners} listeners need {wanted} open files, and the hard limit is {hard}: raise it (ulimit -Hn)"
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return ""


async def measure(stack: Stack, sizes: Sizes) -> int:
    """Print the tables; 1 where a delivery was lost, repeated or wrong. Whether the aims are reached is printed."""
    if lacking := allow_files(sizes.listeners):
        print(lacking)
        return 1
    async with AsyncExitStack() as leaving:
        ours, plain = await _gateway(stack, leaving), await _plain_sockets(stack, leaving)
        sides = [await _gathered(contender, sizes, leaving) for contender in (ours, plain)]
        groups = {"bench": os.getpid(), "postgres": stack.pid("postgres")}
        for number in range(sizes.rounds):
            if not all([await side.play(number, groups) for side in sides]):
                break  # some wait for ever: what is missing is told below
        series = [await side.leave() for side in sides]
    told = f"{sizes.rounds} rounds of {sizes.single} single events and {sizes.at_once} at once"
    size = len(text_frame(text(1)))
    print(f"\n{sizes.listeners:,} listeners on one transcript, {told}, {size} bytes each")
    print_tables(*series)
    _print_way(ours, series[0])
    return print_faults(series)


class _Side:
    """A contender with its listeners."""

    def __init__(self, contender: Contender, audience: Audience, sizes: Sizes) -> None:
        self._contender, self._audience, self._sizes = contender, audience, sizes
        self._series = Series(contender.name, sizes.listeners)

    async def play(self, number: int, groups: dict[str, int | None]) -> bool:
        """One round; whether all had everything."""
        groups = groups | {"server": self._contender.pid, "listeners": self._audience.pid}
        single, at_once = self._sizes.of_round(number)
        before, told = usage(groups), dict[int, float]()
        for one in single:
            told[one] = await self._contender.tell(range(one, one + 1))
            await asyncio.sleep(self._sizes.beat_seconds)
        had = await self._audience.had_by_all(single[-1])
        told_at = await self._contender.tell(at_once)
        had = had and await self._audience.had_by_all(at_once[-1])
        self._series.rounds.append(Round(told, at_once, told_at, usage(groups) - before))
        return had

    async def leave(self) -> Series:
        """What came of it."""
        heard, self._series.arrivals = await self._audience.leave()
        self._series.faults = heard.faults
        return self._series


async def _gateway(stack: Stack, leaving: AsyncExitStack) -> OverGateway:
    env = stack.env()
    database = await leaving.enter_async_context(Database(env["ASSENT_TRANSCRIPT_DATABASE_URL"]))
    store = PostgresTranscripts(database)
    recording = Recording(f"bench-{uuid.uuid4()}", "bench", "bench", "v1", (), OWNER)
    job = await store.begin(recording, "bench", timedelta(hours=1))
    assert job
    contender = OverGateway(stack, store, job)
    bus = await leaving.enter_async_context(Bus(env["ASSENT_NATS_URL"]))
    await bus.connected()
    bus.listen(TranscriptEventAppended, contender.note)
    return contender


async def _plain_sockets(stack: Stack, leaving: AsyncExitStack) -> OverPlainSockets:
    server = await asyncio.to_thread(leaving.enter_context, FanOutServer(stack.run_dir))
    host, _, port = server.address.rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    leaving.callback(writer.close)
    return OverPlainSockets(server, writer)


async def _gathered(contender: Contender, sizes: Sizes, leaving: AsyncExitStack) -> _Side:
    """A contender whose listeners have all come."""
    folder = Path(leaving.enter_context(tempfile.TemporaryDirectory(prefix="assent-bench-")))
    host, _, port = contender.address.rpartition(":")
    plan = Plan(
        host, int(port), sizes.listeners, contender.request,
        texts=[text(number) for number in range(1 + sizes.events)],
        milestones=[part[-1] for number in range(sizes.rounds) for part in sizes.of_round(number)],
        arrivals=str(folder / "arrivals"),
    )  # fmt: skip
    audience = await leaving.enter_async_context(Audience(plan))
    if not await audience.had_by_all(0):
        raise RuntimeError(f"not all of {sizes.listeners} listeners came to {contender.name}")
    return _Side(contender, audience, sizes)


def _print_way(ours: OverGateway, series: Series) -> None:
    singles = [(number, told) for played in series.timed for number, told in played.single.items()]
    times = [ours.brought[number] - told for number, told in singles if number in ours.brought]
    p50, p99 = (1000 * below(times, part) for part in (0.5, 0.99))
    print(f"of it until NATS had brought the event: p50 {p50:.1f} ms, p99 {p99:.1f} ms")
