"""One part of the local stack: a background process with an address, a log, a probe and the variables it offers."""

import hashlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from deploy.local import process
from deploy.local.process import Process
from deploy.local.run_dir import RunDir, is_free

REPOSITORY = Path(__file__).resolve().parents[2]
PYTHON = sys.executable


class PartError(Exception):
    """A part did not start; the message says which, shows the end of its log and what to do."""


class Part:
    """Starts, probes and stops one process. A subclass says how; used alone it is a context manager.

    As a context manager it starts on entry, and on exit stops and discards what it stored.
    """

    name: str
    advice: ClassVar[str] = "read the whole log, then run `make up` again"
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    preferred_port: ClassVar[int | None] = None
    patience: ClassVar[float] = 120.0  # seconds until it must be ready

    def __init__(self, run_dir: RunDir | Path | str) -> None:
        self.run_dir = RunDir(run_dir)

    # What a subclass says.

    @property
    def port_names(self) -> tuple[str, ...]:
        """The names under which the run directory keeps this part's ports; the first is its address."""
        return (self.name,)

    @property
    def address(self) -> str:
        """Where the part answers."""
        return f"127.0.0.1:{self.run_dir.port(self.port_names[0], self.preferred_port)}"

    def command(self) -> list[str]:
        """The command line."""
        raise LookupError(f"{self.name} has no command of its own")

    def settings(self) -> Mapping[str, str]:
        """Environment variables of the process beside the inherited ones."""
        return {}

    def env(self) -> dict[str, str]:
        """What this part contributes to stack.env."""
        return {}

    def ready(self) -> bool:
        """Whether it does its work already. May raise OSError for no."""
        raise LookupError(f"{self.name} has no probe")

    def prepare(self) -> None:
        """What must be there before it starts."""

    def provision(self) -> None:
        """What must be made in it once it runs."""

    def discard(self) -> None:
        """Remove what it stored outside the run directory."""

    # What every part does.

    @property
    def log(self) -> Path:
        """Where its output goes."""
        return self.run_dir.log(self.name)

    @property
    def process(self) -> Process | None:
        """The process that was started last, running or not."""
        return Process.read(self._record)

    @property
    def pid(self) -> int | None:
        """The pid while it runs."""
        found = self.process
        return found.pid if found and found.alive else None

    @property
    def current(self) -> bool:
        """Whether it runs, and with the command and settings it should have now."""
        found = self.process
        return found is not None and found.alive and found.fingerprint == self.fingerprint()

    def fingerprint(self) -> str:
        """Stands for the command and the settings."""
        spoken = json.dumps([self.command(), sorted(self.settings().items())])
        return hashlib.sha256(spoken.encode()).hexdigest()

    def free_ports(self) -> None:
        """Take other ports where a stranger sits on ours. Only while the part does not run."""
        for name in self.port_names:
            port = self.run_dir.port(name, self.preferred_port)
            deadline = time.monotonic() + 1  # a killed process of many threads holds its sockets a moment longer
            while not is_free(port):
                if time.monotonic() > deadline:
                    self.run_dir.move_port(name)
                    break
                time.sleep(0.02)

    def start(self) -> bool:
        """Make it run and wait until it is ready. Returns whether it had to be started."""
        if self.current:
            self.await_ready()
            return False
        self.stop()
        self.prepare()
        Process.of(self.launch(), self.fingerprint()).write(self._record)
        self.await_ready()
        self.provision()
        return True

    def launch(self) -> int:
        """Start the process and return its pid."""
        return process.spawn(self.command(), {**self.inherited(), **self.settings()}, REPOSITORY, self.log)

    def inherited(self) -> dict[str, str]:
        """Our own environment without settings: those that the process shall have are in `settings`."""
        return {name: value for name, value in os.environ.items() if not name.startswith(("ASSENT_", "AWS_"))}

    def await_ready(self) -> None:
        """Wait for the probe.

        Raises:
            PartError: the process ended, or its time is over.
        """
        deadline = time.monotonic() + self.patience
        pause = 0.02
        while not _answers(self.ready):
            if self.pid is None:
                raise self.failure("ended while it started")
            if time.monotonic() > deadline:
                raise self.failure(f"was not ready after {self.patience:.0f} s")
            time.sleep(pause)
            pause = min(pause * 1.5, 0.25)

    def stop(self, grace: float = 10) -> None:
        """Stop the process that was started by us; SIGKILL when it takes longer than `grace` seconds."""
        if found := self.process:
            process.stop(found, self.stop_signal, grace)
            self._record.unlink(missing_ok=True)

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal (SIGKILL unless said otherwise) and, after SIGKILL, wait until it is gone."""
        if found := self.process:
            found.signal(number)
            if number == signal.SIGKILL:
                found.wait(10)

    def failure(self, what: str) -> PartError:
        """The error that tells a person what happened and what to do."""
        lines = self.log.read_text(errors="replace").splitlines()[-15:] if self.log.exists() else []
        tail = "\n".join(f"    {line}" for line in lines) or "    (nothing)"
        return PartError(f"{self.name} {what}. The end of {self.log}:\n{tail}\nWhat to do: {self.advice}.")

    @property
    def _record(self) -> Path:
        return self.run_dir.folder("parts") / f"{self.name}.json"

    def __enter__(self) -> Self:
        self.free_ports()
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self.discard()


def _answers(probe: Callable[[], bool]) -> bool:
    try:
        return probe()
    except OSError:  # refused, reset or timed out: not yet
        return False
