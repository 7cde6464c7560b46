"""transcript_svc in processes of which each is a fork: everything is imported once, so that they begin in no time.

Reads from its standard input what to run, and tells on its standard output which process that is and how it ended,
a line of JSON each. Their recogniser listens to nothing: it takes as long as it is told to, and hears as many pieces.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import uvloop
from aiobotocore.session import get_session

import transcript_svc.__main__ as service
from chassis import bus
from chassis.settings import load
from transcript_svc import transcription
from transcript_svc.domain import Segment
from transcript_svc.recognition import Heard
from transcript_svc.settings import Settings

PIECES = tuple(Segment(250 * number, 250 * number + 200, f"piece {number}") for number in range(6))
"""What is heard in every recording."""


@dataclass(frozen=True)
class Life:
    """One process: what is in its environment, where its output goes, and how long things take, in seconds."""

    environ: dict[str, str]
    log: str
    hold: float
    piece: float

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))


class Ears:
    """Hears the same pieces in everything, each after a while."""

    language = "en"

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def hear(self, wav: Path) -> AsyncGenerator[Heard, None]:
        for piece in PIECES:
            await asyncio.sleep(self._seconds)
            yield Heard(piece.end_ms, (piece,))

    async def aclose(self) -> None:
        """Nothing to let go of."""


def live(life: Life) -> None:
    """Be transcript_svc until signalled."""
    os.environ |= life.environ
    output = os.open(life.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, sys.stdout.fileno())
    os.dup2(output, sys.stderr.fileno())

    async def ears(_: Settings) -> Ears:
        return Ears(life.piece)

    assert hasattr(service, "recogniser")
    setattr(service, "recogniser", ears)  # noqa: B010  # mypy knows that it is another's
    transcription.HOLD = timedelta(seconds=life.hold)
    transcription.SIGN_OF_LIFE_SECONDS = life.hold / 4
    bus.ACK_WAIT = life.hold * 1.25
    uvloop.run(service.serve(load(Settings)))


class Nursery:
    """The processes that were forked; of each end is told as soon as it comes."""

    def __init__(self) -> None:
        self._running: set[int] = set()
        signal.signal(signal.SIGCHLD, self._reap)

    def bear(self, life: Life) -> None:
        """One more; told of before its end can be."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        if (pid := os.fork()) == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
            os._exit(_lived(life))
        self._running.add(pid)
        _tell(pid=pid)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})

    def end(self) -> None:
        """Kill those that are left."""
        for pid in self._running:
            os.kill(pid, signal.SIGKILL)

    def _reap(self, *_: Any) -> None:
        for pid in list(self._running):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self._running.discard(pid)
                _tell(pid=pid, status=os.waitstatus_to_exitcode(status))


def _lived(life: Life) -> int:
    try:
        live(life)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def _tell(**what: int) -> None:
    os.write(sys.stdout.fileno(), f"{json.dumps(what)}\n".encode())


async def _warm_up() -> None:
    """What the first client of a process reads takes longer than all the rest of its beginning."""
    async with get_session().create_client("s3", region_name="eu-central-1"):
        pass


def main() -> None:
    """One process for each line, until there are no more."""
    asyncio.run(_warm_up())
    nursery = Nursery()
    for line in iter(sys.stdin.readline, ""):
        nursery.bear(Life(**json.loads(line)))
    nursery.end()


if __name__ == "__main__":
    main()
