"""The whole of Assent on one machine: starts what is missing, in order, and says where everything is."""

import os
import signal
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.local.cloud import GivenCloud
from deploy.local.issuer.stand_in import Issuer
from deploy.local.keys import own_variables, public_halves
from deploy.local.moto import Moto
from deploy.local.nats import Nats
from deploy.local.part import REPOSITORY, Part
from deploy.local.postgres import Postgres
from deploy.local.run_dir import RunDir
from deploy.local.services import GRPC_SERVICES, Gateway, Service
from deploy.local.variables import Memory, check, given, replacement, write_stack_env
from deploy.local.whereby.stand_in import Whereby

FOUNDATION = ("postgres", "nats", "moto", "issuer", "whereby")
ALL = (*FOUNDATION, *GRPC_SERVICES, "gateway")


@dataclass(frozen=True)
class Line:
    """One line of `status`."""

    part: str
    state: str  # running, stopped, died, or yours
    pid: int | None
    address: str
    log: str


class Stack:
    """All parts, or those of `parts`, with their memory in one run directory.

    `say` is told what happens, a line at a time. As a context manager it is up inside, and on leaving it is stopped
    and what it stored outside the run directory is removed.
    """

    def __init__(
        self,
        run_dir: Path | str | None = None,
        parts: Collection[str] = ALL,
        environ: Mapping[str, str] = os.environ,
        fsync: bool = True,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.run_dir = RunDir(run_dir or environ.get("ASSENT_RUN_DIR") or REPOSITORY / ".run")
        self._memory = Memory(self.run_dir)
        self.given = given(environ, self._memory)
        self._wanted = [name for name in ALL if name in parts]
        self._fsync = fsync
        self._say = say
        self._replaced = {name: names for name in ALL if (names := replacement(name, self.given))}
        self._cloud = GivenCloud(self.run_dir, self.given)
        # Those that are not wanted are never started, but have their addresses.
        self._every: dict[str, Part] = {name: self._make(name) for name in ALL}
        self.parts: dict[str, Part] = {name: self._every[name] for name in self._wanted}

    @property
    def running_here(self) -> list[Part]:
        """The parts that this stack runs itself, in the order in which they start."""
        return [part for name, part in self.parts.items() if name not in self._replaced]

    # The three commands

    def up(self) -> dict[str, str]:
        """Start what does not run, wait until all is ready, write stack.env. Returns its variables.

        Raises:
            PartError: something did not start; the message says what to do.
        """
        check(self._replaced, self.given)
        with self.run_dir.locked("up"):
            for part in self.parts.values():
                if part.name in self._replaced:
                    part.stop()
                elif part.pid is None:
                    part.free_ports()
            for phase in (FOUNDATION, GRPC_SERVICES, ("gateway",)):
                self._start([part for part in self.running_here if part.name in phase])
                if phase is FOUNDATION:
                    self._cloud.provision()
            return self._write()

    def down(self) -> None:
        """Stop what was started, the last one first. Data stays."""
        with self.run_dir.locked("up"):
            for phase in (("gateway",), GRPC_SERVICES, FOUNDATION):
                stopping = [part for part in self.parts.values() if part.name in phase and part.process]
                with ThreadPoolExecutor(len(ALL)) as pool:
                    list(pool.map(lambda part: part.stop(), stopping))
                for part in stopping:
                    self._say(f"{part.name:<15} stopped")
            (self.run_dir.path / "stack.env").unlink(missing_ok=True)

    def status(self) -> list[Line]:
        """Each part, whether it runs, and where."""
        lines = []
        for name, part in self.parts.items():
            if names := self._replaced.get(name):
                lines.append(Line(name, "yours", None, _without_password(self.given[names[0]]), f"set by {names[0]}"))
                continue
            state = "running" if part.pid else "died" if part.process else "stopped"
            lines.append(Line(name, state, part.pid, part.address, str(part.log)))
        return lines

    # What tests use

    def env(self) -> dict[str, str]:
        """The variables of stack.env as they are now."""
        variables = own_variables(self.run_dir) | self._cloud.env()
        for name, part in self._every.items():
            if name not in self._replaced:
                variables |= part.env()
        for name in self.given:  # a database of the operator's is not migrated by way of ours
            if name.endswith("_DATABASE_URL"):
                variables.pop(name.replace("_DATABASE_URL", "_MIGRATION_DATABASE_URL"), None)
        variables |= self.given | public_halves(self.run_dir, self.given)
        if "ASSENT_OIDC_CLIENT_ID" in variables:  # people sign in on the pages
            variables.setdefault("ASSENT_SESSION_SECRET", self.run_dir.secret("session-secret"))
        for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
            if f"AWS_{name}" in variables:  # who puts recordings there, unless somebody else does
                variables.setdefault(f"ASSENT_WHEREBY_RECORDING_{name}", variables[f"AWS_{name}"])
        return variables

    def kill(self, part: str, number: int = signal.SIGKILL) -> None:
        """Send a signal to one part, SIGKILL unless said otherwise; after SIGKILL it is gone."""
        self.parts[part].kill(number)

    def stop(self, part: str) -> None:
        """Stop one part gently."""
        self.parts[part].stop()

    def start(self, part: str) -> dict[str, str]:
        """Start one part, if it does not run, and wait until it is ready. Returns the variables."""
        with self.run_dir.locked("up"):
            self._start([self.parts[part]])
            return self._write()

    def restart(self, part: str) -> dict[str, str]:
        """Stop one part gently and start it again, at the same address. Returns the variables."""
        self.stop(part)
        return self.start(part)

    def pid(self, part: str) -> int | None:
        """The pid of one part while it runs."""
        return self.parts[part].pid

    def discard(self) -> None:
        """Remove what was stored outside the run directory. Only after `down`."""
        for part in self.parts.values():
            part.discard()

    def __enter__(self) -> Self:
        try:
            self.up()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()
        self.discard()

    # How

    def _make(self, name: str) -> Part:
        match name:
            case "postgres":
                return Postgres(self.run_dir, self._fsync)
            case "nats":
                return Nats(self.run_dir, self._fsync)
            case "moto":
                return Moto(self.run_dir)
            case "issuer":
                return Issuer(self.run_dir, self.env)
            case "whereby":
                return Whereby(self.run_dir, self.env)
            case "gateway":
                return Gateway(self.run_dir, self.env, whole=set(ALL) <= {*self._wanted})
            case _:
                return Service(self.run_dir, name, self.env)

    def _start(self, parts: list[Part]) -> None:
        """Start these at the same time. Raises the first failure when all have come to an end."""
        with ThreadPoolExecutor(len(ALL)) as pool:
            for done in [pool.submit(self._start_one, part) for part in parts]:
                done.result()

    def _start_one(self, part: Part) -> None:
        began = time.monotonic()
        started = part.start()
        how = f"started in {time.monotonic() - began:.1f} s" if started else "was running"
        self._say(f"{part.name:<15} ready  {part.address:<22} {how}")

    def _write(self) -> dict[str, str]:
        variables = self.env()
        self._memory.add({name: value for name, value in variables.items() if name not in self.given})
        write_stack_env(self.run_dir.path / "stack.env", variables)
        return variables


def _without_password(address: str) -> str:
    scheme, _, rest = address.rpartition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if scheme else rest
