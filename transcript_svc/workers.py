"""Runs work that would hold up the event loop in child processes that speak JSON lines.

A child sees none of our secrets, ends with us even when we are killed, and can itself be killed at any moment.
"""

import asyncio
import json
import os
import queue
import resource
import signal
import sys
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any

Message = dict[str, Any]

READY = b"ready\n"
LINE_LIMIT = 64 * 2**20
MEMORY_LIMIT = 4 * 2**30
# Which card to compute on, and where its libraries lie.
GRAPHICS_CARD = ("CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH")
CRASHES = frozenset({signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE, signal.SIGILL, signal.SIGBUS})


class WorkerDied(Exception):
    """The child ended before it had answered; its last words are in the log."""

    def __init__(self, module: str, exit_code: int, *, unborn: bool = False) -> None:
        when = "before it had begun" if unborn else "while it worked"
        super().__init__(f"{module} ended with exit code {exit_code} {when}")
        self.exit_code = exit_code
        self._unborn = unborn

    @property
    def crashed(self) -> bool:
        """It fell over its input; killed from outside or out of disk is not its input's fault."""
        return not self._unborn and -self.exit_code in CRASHES


class WorkRefused(Exception):
    """The child answered that it cannot do this work; `kind` is the name of its error."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


class Worker:
    """A child process, started when first asked, that does one piece of work at a time."""

    def __init__(self, module: str) -> None:
        self._module = module
        self._process: asyncio.subprocess.Process | None = None

    async def ask(self, request: Message) -> AsyncGenerator[Message, None]:
        """The child's replies as they come. Whoever leaves before the last one kills the child, so close it.

        Raises WorkRefused and WorkerDied.
        """
        finished = False
        try:
            process = await self._started()
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                process.stdin.write(json.dumps(request).encode() + b"\n")
            except RuntimeError as error:  # so says uvloop where its end of the pipe is closed already
                with suppress(ProcessLookupError):
                    process.kill()
                raise WorkerDied(self._module, await process.wait()) from error
            while not finished:
                line = await process.stdout.readline()
                if not line.endswith(b"\n"):
                    raise WorkerDied(self._module, await process.wait())
                message = json.loads(line)
                finished = "reply" not in message
                if "refused" in message:
                    raise WorkRefused(**message["refused"])
                if not finished:
                    yield message["reply"]
        finally:
            if not finished:
                await self.kill()

    async def answer(self, request: Message) -> Message:
        """The only reply to `request`."""
        async with aclosing(self.ask(request)) as replies:
            answers = [reply async for reply in replies]
        return answers[0]

    async def kill(self) -> None:
        """End the child at once; the next request starts another."""
        process, self._process = self._process, None
        if process is not None:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def _started(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            self._process = await begun(self._module)
            assert self._process.stdout is not None
            if await self._process.stdout.readline() != READY:
                raise WorkerDied(self._module, await self._process.wait(), unborn=True)
        return self._process


async def begun(module: str) -> asyncio.subprocess.Process:
    """A new process that runs this module, which calls `serve`."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=_bare_environment(),
        limit=LINE_LIMIT,
        start_new_session=True,  # a Ctrl-C in our terminal is ours to handle
    )


class Workers:
    """Several children of one kind, shared by whoever has work for them."""

    def __init__(self, module: str, count: int) -> None:
        self._workers = [Worker(module) for _ in range(count)]
        self._idle: asyncio.LifoQueue[Worker] = asyncio.LifoQueue()
        for worker in self._workers:
            self._idle.put_nowait(worker)

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Worker]:
        """A child of one's own until the block ends."""
        worker = await self._idle.get()
        try:
            yield worker
        finally:
            self._idle.put_nowait(worker)

    async def close(self) -> None:
        """End all children."""
        for worker in self._workers:
            await worker.kill()


def serve(
    do: Callable[[Message], Iterator[Message]], *refusals: type[Exception], memory_limit: int | None = MEMORY_LIMIT
) -> None:
    """The child's whole life: do what comes in line by line; these errors are answers, any other one ends it.

    A memory limit (bytes) suits whoever reads what strangers sent, not a model that the operator chose.
    """
    _confine(memory_limit)
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as replies:
        os.dup2(2, 1)  # a library that prints must not be read as an answer
        replies.write(READY.decode())
        replies.flush()
        requests: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=_listen, args=(requests,), daemon=True).start()
        while True:
            for message in _messages(do, json.loads(requests.get()), refusals):
                replies.write(json.dumps(message) + "\n")
                replies.flush()


def _messages(
    do: Callable[[Message], Iterator[Message]], request: Message, refusals: tuple[type[Exception], ...]
) -> Iterator[Message]:
    try:
        for reply in do(request):
            yield {"reply": reply}
    except refusals as refusal:
        yield {"refused": {"kind": type(refusal).__name__, "detail": str(refusal)}}
    else:
        yield {"done": True}


def _listen(requests: "queue.SimpleQueue[str]") -> None:
    for line in sys.stdin:
        requests.put(line)
    os._exit(0)  # our parent is gone, however it went; whatever we were writing must not be finished


def _confine(memory_limit: int | None) -> None:
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold audio
    if memory_limit:
        resource.setrlimit(resource.RLIMIT_AS, (memory_limit, memory_limit))


def _bare_environment() -> dict[str, str]:
    return {
        **{name: os.environ[name] for name in GRAPHICS_CARD if name in os.environ},
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPATH": os.pathsep.join(sys.path),
        "OPENBLAS_NUM_THREADS": "1",
    }
