"""Child processes of transcript_svc as forks of one in which their libraries are imported: each begins in no time.

All else is as in life: a process of its own for each file, its limits, what is said on its lines, how it ends.
"""

import asyncio
import importlib
import os
import runpy
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from tests.forking import Nursery, Process, serve

MODULES = ("transcript_svc.decoding", "transcript_svc.endpointing")
"""Those whose libraries are imported before the first fork."""
LINE_LIMIT = 64 * 2**20


class Child:
    """What `transcript_svc.workers` uses of an `asyncio.subprocess.Process`."""

    def __init__(self, process: Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._process = process
        self.stdout, self.stdin = reader, writer

    @property
    def returncode(self) -> int | None:
        """None as long as it runs."""
        return self._process.status

    def kill(self) -> None:
        """End it at once."""
        self._process.send(signal.SIGKILL)

    async def wait(self) -> int:
        """Its exit code, once it has ended."""
        status = await self._process.ended()
        self.stdin.close()
        return status


class Children(Nursery):
    """Begins them, for as long as it is entered."""

    def __init__(self, folder: Path) -> None:
        super().__init__("tests.transcript.forked_children")
        self._folder = folder
        self.count = 0

    async def begin(self, module: str) -> Child:
        """A process that runs this module."""
        self.count += 1
        address = str(self._folder / f"{self.count}")
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(address)
            listening.listen()
            listening.setblocking(False)
            process = await self.fork({"module": module, "address": address})
            accepted, _ = await asyncio.get_running_loop().sock_accept(listening)
        os.unlink(address)
        return Child(process, *await asyncio.open_unix_connection(sock=accepted, limit=LINE_LIMIT))


def live(said: dict[str, Any]) -> int:
    """Be `python -m module`, whose lines go over a socket."""
    os.setsid()
    with socket.socket(socket.AF_UNIX) as lines:
        lines.connect(said["address"])
        for standard in (0, 1):
            os.dup2(lines.fileno(), standard)
    sys.stdin = os.fdopen(0)  # that of the process we were forked of may have read more than was for it
    runpy.run_module(said["module"], run_name="__main__")
    return 0


if __name__ == "__main__":
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as for any child; threads are not forked
    for name in MODULES:
        importlib.import_module(name)
    serve(live, with_s3=False)
