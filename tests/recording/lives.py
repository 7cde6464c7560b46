"""Begins processes of recording_svc, waits for their end, and reads what steps they took."""

import asyncio
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

from tests import forking
from tests.recording.dying import Death, Life


class Process:
    """One recording_svc."""

    def __init__(self, life: Life, forked: forking.Process) -> None:
        self._life = life
        self._forked = forked
        self.ended = forked.ended

    async def kill(self) -> None:
        """End it, if it has not ended by itself."""
        self._forked.send(signal.SIGKILL)
        await self.ended()

    def steps(self) -> list[str]:
        """Those that it has taken so far, in their order."""
        account = Path(self._life.account)
        return account.read_text().splitlines() if account.exists() else []

    def last_words(self) -> str:
        """The end of its log."""
        return Path(self._life.log).read_text()[-4000:]


class Lives(forking.Nursery):
    """All of them, one after the other or side by side, each with a log and an account of its steps in `folder`."""

    def __init__(self, folder: Path) -> None:
        super().__init__("tests.recording.dying")
        self._folder = folder
        self.begun = 0

    async def begin(self, environ: Mapping[str, str], death: Death | None = None) -> Process:
        """A new process of recording_svc, in this environment."""
        self.begun += 1
        place = str(self._folder / str(self.begun))
        life = Life(dict(environ), f"{place}.log", f"{place}.steps", death)
        return Process(life, await self.fork(asdict(life)))


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
