"""Many listeners in one cheap process: each notes when every frame came, and whether it was the next one.

`python -m bench.listening` reads a `Plan` as one line of JSON. It writes 0 when all have come and had their first
frame, and then the number of every frame of the plan's `milestones` when all have had it. When its input ends it
writes a `Heard` as JSON. Nothing is parsed while frames are as they must be: they are compared with what is expected.
"""

import array
import asyncio
import gc
import json
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import uvloop

from gateway.frames import text_frame

_COME_AT_ONCE = 50
_PATIENCE = 30.0
"""Seconds until what has not come counts as lost."""
_PING, _CLOSE = 0x89, 0x88


@dataclass(frozen=True)
class Plan:
    """Who listens where, and what they must hear: the texts of these messages, each once, in order."""

    host: str
    port: int
    listeners: int
    # What each sends when it has come; none: the first frame itself, which a plain server sends back.
    request: str
    texts: list[str]
    # Numbers of frames that are told of, once all have had them.
    milestones: list[int]
    # Where to write when which listener had which frame: frame by frame, as `array` of doubles.
    arrivals: str


@dataclass
class Heard:
    """What was wrong, and how often."""

    faults: dict[str, int] = field(default_factory=dict)


class _Run:
    """What the listeners share."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.frames = [text_frame(text) for text in plan.texts]
        self.numbers = {frame: number for number, frame in enumerate(self.frames)}
        # By the performance counter, which all processes of a machine share; 0 where it has not come.
        self.arrivals = array.array("d", bytes(8 * len(self.frames) * plan.listeners))
        self.faults: Counter[str] = Counter()
        self.is_over = False
        self._had_by = [0] * len(self.frames)
        self._milestones = {0, *plan.milestones}

    def note(self, number: int, place: int, now: float) -> None:
        """The listener in this place has had this frame."""
        self.arrivals[number * self.plan.listeners + place] = now
        self._had_by[number] += 1
        if self._had_by[number] == self.plan.listeners and number in self._milestones:
            print(number, flush=True)

    def has_had(self, number: int, place: int) -> bool:
        """Whether that listener has had it before."""
        return self.arrivals[number * self.plan.listeners + place] > 0

    def heard(self) -> Heard:
        """The end: what nobody told of has been lost."""
        lost = sum(1 for arrival in self.arrivals if not arrival)
        return Heard(dict(self.faults + Counter({"lost": lost})))


class _Listener(asyncio.Protocol):
    """One connection."""

    __slots__ = ("next", "place", "rest", "run", "transport", "waits_for_head")

    def __init__(self, run: _Run, place: int) -> None:
        self.run, self.place = run, place
        self.next = 0
        self.rest = b""
        self.waits_for_head = bool(run.plan.request)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by class
        self.transport.write(self.run.plan.request.encode() or self.run.frames[0])

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        data = self.rest + data if self.rest else data
        at = self._behind_head(data) if self.waits_for_head else 0
        run, frames = self.run, self.run.frames
        while at < len(data) and not self.waits_for_head:
            if self.next < len(frames) and data.startswith(frames[self.next], at):
                at += len(frames[self.next])
                run.note(self.next, self.place, now)
                self.next += 1
                continue
            end = end_of_frame(data, at)
            if not end:
                break
            self._unexpected(data[at:end], now)
            at = end
        self.rest = data[at:]

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.run.is_over:
            self.run.faults["connections lost"] += 1

    def _behind_head(self, data: bytes) -> int:
        end = data.find(b"\r\n\r\n") + 4
        if end < 4:
            return 0
        self.waits_for_head = False
        if data[9:12] != b"101":
            self.run.faults[f"refused with {data[9:12].decode(errors='replace')}"] += 1
        return end

    def _unexpected(self, frame: bytes, now: float) -> None:
        number = self.run.numbers.get(frame)
        if frame[0] == _PING:
            self.transport.write(b"\x8a%c\0\0\0\0%b" % (0x80 | frame[1], frame[2:]))  # masked with zeros
        elif frame[0] == _CLOSE:
            self.run.faults[f"closed with {int.from_bytes(frame[2:4])}"] += 1
        elif number is None:
            self.run.faults["unlike what was sent"] += 1
        elif self.run.has_had(number, self.place):
            self.run.faults["repeated"] += 1
        else:
            self.run.note(number, self.place, now)
            self.run.faults["out of order"] += number < self.next
            self.next = max(self.next, number + 1)


def end_of_frame(data: bytes, at: int) -> int:
    """Where the unmasked WebSocket frame that begins at this place ends; 0 where it is not whole."""
    if len(data) < at + 2:
        return 0
    length, head = data[at + 1], 2
    if length >= 126:
        head = 4 if length == 126 else 10
        length = int.from_bytes(data[at + 2 : at + head])
    end = at + head + length
    return end if len(data) >= max(end, at + head) else 0


async def _listen(plan: Plan, over: asyncio.Event) -> Heard:
    run, loop = _Run(plan), asyncio.get_running_loop()
    turns = asyncio.Semaphore(_COME_AT_ONCE)

    async def come(place: int) -> _Listener:
        async with turns:
            return (await loop.create_connection(lambda: _Listener(run, place), plan.host, plan.port))[1]

    listeners = await asyncio.gather(*map(come, range(plan.listeners)))
    gc.freeze()
    gc.disable()
    await over.wait()
    run.is_over = True
    for listener in listeners:
        listener.transport.abort()
    await asyncio.to_thread(Path(plan.arrivals).write_bytes, run.arrivals.tobytes())
    return run.heard()


class Audience:
    """So many listeners in a process of their own, for as long as it is entered."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    async def __aenter__(self) -> "Audience":
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.listening", stdin=pipe, stdout=pipe
        )
        self._say(json.dumps(asdict(self._plan)) + "\n")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    async def had_by_all(self, number: int) -> bool:
        """Wait until all have had this frame, one of the milestones; whether they had it in time."""
        try:
            async with asyncio.timeout(_PATIENCE):
                return int(await self._read()) == number
        except TimeoutError:
            return False

    async def leave(self) -> tuple[Heard, "array.array[float]"]:
        """Let all of them go: what they heard wrong, and when they heard what."""
        assert self._process.stdin
        self._process.stdin.close()
        while (line := await self._read())[:1] != b"{":  # a frame that all have had too late
            continue
        heard = Heard(**json.loads(line))
        arrivals = array.array("d")
        arrivals.frombytes(await asyncio.to_thread(Path(self._plan.arrivals).read_bytes))
        return heard, arrivals

    def _say(self, line: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(line.encode())

    async def _read(self) -> bytes:
        assert self._process.stdout
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("the listeners' process failed: its error is above")
        return line


async def _main() -> None:
    reader, over = asyncio.StreamReader(limit=2**26), asyncio.Event()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    plan: dict[str, Any] = json.loads(await reader.readline())
    until_left = asyncio.create_task(reader.read())
    until_left.add_done_callback(lambda _: over.set())
    print(json.dumps(asdict(await _listen(Plan(**plan), over))), flush=True)


if __name__ == "__main__":
    uvloop.run(_main())
