"""Keeps connections busy with answers from one cheap process: each sends the next when the reply to its last came.

`python -m bench.load` reads a `Plan` as JSON on standard input and writes a `Round` as JSON on standard output.
Everything shares the machine's cores with what is measured, so nothing is done while the clock runs that could be
done before or after: requests are ready but for a counter, and replies are read by searching.
"""

import array
import asyncio
import gc
import json
import random
import re
import resource
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import cast

import uvloop

PATIENCE = 60.0
"""Seconds that replies may take after the last request before they count as missing."""

_CHOICES = 8192
_MOST = 1_000_000
_GIVEN = re.compile(rb'"consent_given": ?(true|false)')
_REVISION = re.compile(rb'"revision": ?(\d+)')


@dataclass(frozen=True)
class Plan:
    """One round: who may answer (meeting id and token of each), over how many connections, for how long."""

    host: str
    port: int
    people: list[tuple[str, str]]
    clients: int
    seconds: float
    # Begins every request id of this round, which ends in a counter.
    key: str
    # Whether replies tell the answer's revision.
    revisions: bool = True
    seed: int = 0


@dataclass
class Round:
    """What came of it. Only replies that are right in every way have a latency (seconds) and are acknowledged."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    # (number of the request, person, 1 for granted, revision), in the order of sending.
    acknowledged: list[tuple[int, int, int, int]] = field(default_factory=list)
    # What was wrong, and how often.
    errors: dict[str, int] = field(default_factory=dict)
    # CPU seconds of this process while the clock ran.
    cpu: float = 0.0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class Request:
    """One person's answer, ready but for the end of its request id: twelve hexadecimal digits between head and tail."""

    head: bytes
    tail: bytes
    person: int
    meeting: int
    given: bytes


class _Run:
    """What the connections of a round share."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.requests = _requests(plan)
        self.sent = 0
        self.latencies = array.array("d", bytes(8 * _MOST))
        self.revisions = array.array("q", bytes(8 * _MOST))
        self.errors: Counter[str] = Counter()
        # The highest revision that was acknowledged, meeting by meeting.
        self.highest = [0] * len(plan.people)
        self.until = float("inf")
        self.busy = 0
        self.finished = asyncio.Event()

    def take(self) -> tuple[int, Request]:
        """The next request and its number."""
        number = self.sent
        self.sent = number + 1
        return number, self.requests[number % _CHOICES]

    def result(self, seconds: float, cpu: float) -> Round:
        """The round, once nothing is under way."""
        done = Round(seconds, errors=dict(self.errors), cpu=cpu)
        for number in range(self.sent):
            if self.latencies[number]:
                request = self.requests[number % _CHOICES]
                granted = int(request.given == b"true")
                done.latencies.append(self.latencies[number])
                done.acknowledged.append((number, request.person, granted, self.revisions[number]))
        return done


class _Client(asyncio.Protocol):
    """One connection."""

    __slots__ = ("began", "floor", "number", "request", "run", "transport", "waiting")

    def __init__(self, run: _Run) -> None:
        self.run = run
        self.waiting = b""
        self.number = -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by class

    def send(self) -> None:
        """Send the next answer."""
        self.number, request = self.run.take()
        self.request = request
        self.floor = self.run.highest[request.meeting]
        self.began = time.perf_counter()
        self.transport.write(b"%b%012x%b" % (request.head, self.number, request.tail))

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        if self.waiting:
            data = self.waiting + data
        end = data.find(b"\r\n\r\n") + 4
        if end < 4 or len(data) < end + content_length(data[:end]):
            self.waiting = data
            return
        self.waiting = b""
        if error := self._wrong(data, end):
            self.run.errors[error] += 1
        else:
            self.run.latencies[self.number] = now - self.began
        self.number = -1
        if now < self.run.until and self.run.sent < _MOST:
            self.send()
        else:
            self._finish()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.number >= 0:
            self.run.errors["connection lost"] += 1
            self._finish()

    def _wrong(self, reply: bytes, body_at: int) -> str:
        """What is wrong with a reply: its status, whose answer it tells, or its place in the meeting's history."""
        if reply[9:12] != b"200":
            return f"status {reply[9:12].decode(errors='replace')}"
        given = _GIVEN.search(reply, body_at)
        if given is None or given[1] != self.request.given:
            return "another answer's reply"
        return self._out_of_order(reply, body_at) if self.run.plan.revisions else ""

    def _out_of_order(self, reply: bytes, body_at: int) -> str:
        found = _REVISION.search(reply, body_at)
        revision = int(found[1]) if found else 0
        # Whatever was acknowledged before this one was sent must lie before it.
        if revision <= self.floor:
            return "answer out of order"
        highest, meeting = self.run.highest, self.request.meeting
        if revision > highest[meeting]:
            highest[meeting] = revision
        self.run.revisions[self.number] = revision
        return ""

    def _finish(self) -> None:
        self.number = -1
        self.run.busy -= 1
        if not self.run.busy:
            self.run.finished.set()


def content_length(head: bytes) -> int:
    """Of a reply's body, in bytes. Raises ValueError where the head does not tell."""
    lowered = head.lower()
    at = lowered.find(b"\r\ncontent-length:")
    if at < 0:
        raise ValueError(f"a reply without Content-Length: {head!r}")
    return int(lowered[at + 17 : lowered.index(b"\r\n", at + 2)])


def _requests(plan: Plan) -> list[Request]:
    """What is asked, in this order and then again from the start: any person, either answer, equally likely."""
    chance = random.Random(plan.seed)
    meetings = {meeting_id: place for place, (meeting_id, _) in enumerate(plan.people)}
    ready = [
        ready_request(plan, person, meetings[plan.people[person][0]], given)
        for person in range(len(plan.people))
        for given in (b"true", b"false")
    ]
    return [chance.choice(ready) for _ in range(_CHOICES)]


def ready_request(plan: Plan, person: int, meeting: int, given: bytes) -> Request:
    """An answer (`true` or `false`) of one of the plan's people; `meeting` is the place of theirs among all."""
    meeting_id, token = plan.people[person]
    body = b'{"consent_given":%b,"notice_version":"2026-01","language":"en"}' % given
    head = (
        f"POST /v1/meetings/{meeting_id}/consent HTTP/1.1\r\nHost: {plan.host}:{plan.port}\r\n"
        f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"Idempotency-Key: {plan.key}"
    )
    return Request(head.encode(), b"\r\n\r\n" + body, person, meeting, given)


async def _play(plan: Plan) -> Round:
    run, loop = _Run(plan), asyncio.get_running_loop()
    clients = [
        (await loop.create_connection(lambda: _Client(run), plan.host, plan.port))[1] for _ in range(plan.clients)
    ]
    run.busy = len(clients)
    gc.disable()
    cpu, began = _cpu(), time.perf_counter()
    run.until = began + plan.seconds
    for client in clients:
        client.send()
    try:
        await asyncio.wait_for(run.finished.wait(), plan.seconds + PATIENCE)
    except TimeoutError:
        run.errors["no reply"] += run.busy
    seconds, cpu = time.perf_counter() - began, _cpu() - cpu
    for client in clients:
        client.number = -1
        client.transport.abort()
    return run.result(seconds, cpu)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def play(plan: Plan) -> Round:
    """Run one round in a process of its own. Raises RuntimeError when that process fails."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.load", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate(json.dumps(asdict(plan)).encode())
    if process.returncode != 0:
        raise RuntimeError(f"the load client failed with exit code {process.returncode}: its error is above")
    return Round(**json.loads(said))


def main() -> None:
    """Play the plan on standard input."""
    plan = Plan(**json.load(sys.stdin))
    json.dump(asdict(uvloop.run(_play(plan))), sys.stdout)


if __name__ == "__main__":
    main()
