"""Starts background processes, recognises them again by pid and start time, and stops them."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from deploy.local.run_dir import write_private


@dataclass(frozen=True)
class Process:
    """A process we started. The start time tells it from a stranger that was given the same pid later."""

    pid: int
    started: str
    fingerprint: str  # of its command and settings: another one means it must be started anew

    @classmethod
    def of(cls, pid: int, fingerprint: str) -> "Process":
        """Remember a process that runs now."""
        return cls(pid, start_time(pid) or "", fingerprint)

    @classmethod
    def read(cls, record: Path) -> "Process | None":
        """The process that was recorded in this file, running or not."""
        return cls(**json.loads(record.read_text())) if record.exists() else None

    def write(self, record: Path) -> None:
        """Record the process for later commands."""
        write_private(record, json.dumps(asdict(self)).encode())

    @property
    def alive(self) -> bool:
        """Whether this very process still runs (a zombie does not)."""
        return bool(self.started) and start_time(self.pid) == self.started

    def signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):  # it ended between the look and the signal
                os.kill(self.pid, number)

    def wait(self, seconds: float) -> bool:
        """Whether it ended within this time."""
        deadline = time.monotonic() + seconds
        while self.alive:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True


def spawn(command: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path) -> int:
    """Start a process that outlives us, in a session of its own, its output appended to the log. Returns its pid."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    process.returncode = 0  # it is meant to outlive this object: no ResourceWarning when it goes
    return process.pid


def start_time(pid: int) -> str | None:
    """When a running process began, in an opaque form, or None when there is none."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # a child of ours that ended is a zombie until asked for
    try:
        # The name in parentheses may hold spaces: state and start time are counted from behind it.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None if Path("/proc/self/stat").exists() else _start_time_without_proc(pid)
    return None if fields[0] in "ZX" else fields[19]


def _start_time_without_proc(pid: int) -> str | None:
    answer = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, started = answer.stdout.strip().partition(" ")
    return None if not started or state.startswith("Z") else started.strip()


def stop(process: Process, gently: int = signal.SIGTERM, grace: float = 10) -> None:
    """Ask a process to end, and make it end when `grace` seconds have passed."""
    process.signal(gently)
    if not process.wait(grace):
        process.signal(signal.SIGKILL)
        process.wait(grace)
