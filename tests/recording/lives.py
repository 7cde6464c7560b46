"""Begins processes of recording_svc, waits for their end, and reads what steps they took."""

import asyncio
import json
import os
import signal
import sys
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.recording.dying import Death, Life


class Process:
    """One recording_svc."""

    def __init__(self, life: Life, pid: int) -> None:
        self._life = life
        self._pid = pid
        self._status = 0
        self._ended = asyncio.Event()

    def end(self, status: int) -> None:
        """It has ended; negative is the signal by which."""
        self._status = status
        self._ended.set()

    async def ended(self) -> int:
        """Return, once it has ended, how."""
        await self._ended.wait()
        return self._status

    async def kill(self) -> None:
        """End it, if it has not ended by itself."""
        if not self._ended.is_set():
            os.kill(self._pid, signal.SIGKILL)
        await self.ended()

    def steps(self) -> list[str]:
        """Those that it has taken so far, in their order."""
        account = Path(self._life.account)
        return account.read_text().splitlines() if account.exists() else []

    def last_words(self) -> str:
        """The end of its log."""
        return Path(self._life.log).read_text()[-4000:]


class Lives:
    """The one process of which all others are forked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._unborn: deque[tuple[Life, asyncio.Future[Process]]] = deque()
        self._living: dict[int, Process] = {}
        self.begun = 0

    async def __aenter__(self) -> Self:
        pipe = asyncio.subprocess.PIPE
        self._nursery = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.recording.dying", stdin=pipe, stdout=pipe
        )
        self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._nursery.stdin
        self._nursery.stdin.close()
        await self._nursery.wait()
        await self._listening

    async def begin(self, environ: Mapping[str, str], death: Death | None = None) -> Process:
        """A new process of recording_svc, in this environment."""
        assert self._nursery.stdin
        self.begun += 1
        place = str(self._folder / str(self.begun))
        life = Life(dict(environ), f"{place}.log", f"{place}.steps", death)
        born: asyncio.Future[Process] = asyncio.get_running_loop().create_future()
        self._unborn.append((life, born))
        self._nursery.stdin.write(f"{life.to_json()}\n".encode())
        return await born

    async def _listen(self) -> None:
        assert self._nursery.stdout
        async for line in self._nursery.stdout:
            said = json.loads(line)
            if "status" in said:
                self._living.pop(said["pid"]).end(said["status"])
            else:
                life, born = self._unborn.popleft()
                self._living[said["pid"]] = Process(life, said["pid"])
                born.set_result(self._living[said["pid"]])


class Service:
    """recording_svc as whoever watches over it keeps it: where a process ends, another begins."""

    def __init__(self, lives: Lives, environ: Mapping[str, str], death: Death | None) -> None:
        self._lives = lives
        self._environ = environ
        self._death = death
        self._died = asyncio.Event()

    async def __aenter__(self) -> Self:
        self.process = await self._lives.begin(self._environ, self._death)
        self._watching = asyncio.create_task(self._watch())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watching.cancel()
        await asyncio.wait([self._watching])
        await self.process.kill()

    async def died(self, within: float) -> bool:
        """Whether it had to be begun again, or has to within so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._died.wait()
        return self._died.is_set()

    async def _watch(self) -> None:
        while True:
            status = await self.process.ended()
            assert status == -signal.SIGKILL, f"it ended with {status}: {self.process.last_words()}"
            self._died.set()
            self.process = await self._lives.begin(self._environ)
