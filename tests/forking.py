"""Real services as forks of one process in which everything is imported: each begins in no time.

`serve` is the life of that process: it is told on standard input what to run, and tells on standard output which
process that is and how it ended, a line of JSON each. `Nursery` is a test's end of it.
"""

import asyncio
import json
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self


class Process:
    """One fork, as a test sees it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def end(self, status: int) -> None:
        """It has ended; negative is the signal by which."""
        self._ended.set_result(status)

    @property
    def status(self) -> int | None:
        """How it has ended; None as long as it runs."""
        return self._ended.result() if self._ended.done() else None

    async def ended(self) -> int:
        """Return, once it has ended, how."""
        return await asyncio.shield(self._ended)

    def send(self, number: signal.Signals) -> None:
        """A signal, unless it has ended."""
        if not self._ended.done():
            os.kill(self.pid, number)


class Nursery:
    """The process of which all others are forked: `module`, which calls `serve`. They end with it."""

    def __init__(self, module: str) -> None:
        self._module = module
        self._unborn: deque[asyncio.Future[Process]] = deque()
        self._living: dict[int, Process] = {}

    async def __aenter__(self) -> Self:
        self._parent = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", self._module),
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._parent.stdin
        self._parent.stdin.close()  # it kills those that are left
        await self._parent.wait()
        await self._listening

    async def fork(self, life: Mapping[str, Any]) -> Process:
        """A new process that lives as it is told, in JSON's own types."""
        assert self._parent.stdin
        born: asyncio.Future[Process] = asyncio.get_running_loop().create_future()
        self._unborn.append(born)
        self._parent.stdin.write(f"{json.dumps(life)}\n".encode())
        return await born

    async def _listen(self) -> None:
        assert self._parent.stdout
        async for line in self._parent.stdout:
            said = json.loads(line)
            if "status" in said:
                self._living.pop(said["pid"]).end(said["status"])
            else:
                self._living[said["pid"]] = Process(said["pid"])
                self._unborn.popleft().set_result(self._living[said["pid"]])


def serve(live: Callable[[dict[str, Any]], int], *, with_s3: bool = True) -> None:
    """A process for each line that comes, until there are no more; `live` is what it does, and returns its status."""
    if with_s3:
        asyncio.run(_warm_up())
    children = _Children(live)
    for line in iter(sys.stdin.readline, ""):
        children.fork(json.loads(line))
    children.end()


class _Children:
    """The processes that were forked; of each end is told as soon as it comes."""

    def __init__(self, live: Callable[[dict[str, Any]], int]) -> None:
        self._live = live
        self._running: set[int] = set()
        signal.signal(signal.SIGCHLD, self._reap)

    def fork(self, life: dict[str, Any]) -> None:
        """One more; told of before its end can be."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        if (pid := os.fork()) == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
            os._exit(self._lived(life))
        self._running.add(pid)
        _tell(pid=pid)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})

    def end(self) -> None:
        """Kill those that are left."""
        for pid in self._running:
            os.kill(pid, signal.SIGKILL)

    def _lived(self, life: dict[str, Any]) -> int:
        try:
            return self._live(life)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            return 1

    def _reap(self, *_: Any) -> None:
        for pid in list(self._running):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self._running.discard(pid)
                _tell(pid=pid, status=os.waitstatus_to_exitcode(status))


def write_to(log: str) -> None:
    """Have all that this process says go to the end of that file."""
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, sys.stdout.fileno())
    os.dup2(output, sys.stderr.fileno())


def _tell(**what: int) -> None:
    os.write(sys.stdout.fileno(), f"{json.dumps(what)}\n".encode())


async def _warm_up() -> None:
    """What the first client of a process reads takes longer than all the rest of its beginning."""
    from aiobotocore.session import get_session  # those that have no client need none of it

    async with get_session().create_client("s3", region_name="eu-central-1"):
        pass
