"""Runs PostgreSQL on 127.0.0.1, from installed binaries or the wheel's, as root or as an ordinary user."""

import asyncio
import contextlib
import hashlib
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

from deploy.local import postgres_binaries
from deploy.local.part import Part, PartError
from deploy.local.postgres_binaries import User
from deploy.local.process import Process, start_time, stop
from deploy.local.run_dir import RunDir, write_private

DATABASES = ("assent_consent", "assent_recording", "assent_transcript")
SUPERUSER = "postgres"
# Places of our own where the run directory lies below a folder that the server's user cannot enter.
OUTSIDE = Path("/var/tmp")  # noqa: S108 - the folder made in it is checked to be ours


class Postgres(Part):
    """A PostgreSQL server with a database and a role of its own for each service.

    `fsync=False` makes it fast and is for unit tests only: C1 of the design rests on fsync.
    """

    name = "postgres"
    advice: ClassVar[str] = (
        "if the log speaks of another version or of damaged files, remove the run directory; "
        "or set ASSENT_{CONSENT,RECORDING,TRANSCRIPT}_DATABASE_URL to a server of yours"
    )
    stop_signal = signal.SIGINT  # "fast": ends the sessions; SIGTERM would wait for them
    connections = 200  # that it takes at once; to be changed before it starts

    def __init__(self, run_dir: RunDir | Path | str, fsync: bool = True) -> None:
        super().__init__(run_dir)
        self.fsync = fsync

    # Addresses

    def url(self, database: str = "postgres", role: str = SUPERUSER) -> str:
        """SQLAlchemy's address of a database, for the superuser or another role."""
        return f"postgresql+asyncpg://{role}:{self.password(role)}@{self.address}/{database}"

    def password(self, role: str) -> str:
        """The password of the superuser or of a service's role."""
        return self.run_dir.secret(f"postgres-{role}")

    def env(self) -> dict[str, str]:
        variables = {}
        for database in DATABASES:
            prefix = database.upper()
            variables[f"{prefix}_DATABASE_URL"] = self.url(database, role=database)
            variables[f"{prefix}_MIGRATION_DATABASE_URL"] = self.url(database)
        return variables

    # Databases

    def fresh_database(self, template: str = "template1", role: str | None = None) -> str:
        """Make a new database, a copy of `template` (to which nobody may be connected), and return its name.

        `role` is a service's role that may connect to it besides the superuser.
        """
        name = f"fresh_{secrets.token_hex(6)}"
        # The files as they are: through the log, as a server does it by itself, takes four times as long.
        create = f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY'
        statements = [create, f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC']
        if role is not None:
            statements.append(f'GRANT CONNECT ON DATABASE "{name}" TO "{role}"')
        self.execute(statements)
        return name

    def drop_database(self, name: str) -> None:
        """Remove a database with whoever is connected to it."""
        self.execute([f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'])

    def execute(self, statements: Sequence[str], database: str = "postgres") -> None:
        """Run statements as the superuser, each in a transaction of its own."""
        from deploy.local.databases import run_statements  # takes most of a second, and most commands do without

        _in_thread(run_statements(self.url(database), statements))

    def provision(self) -> None:
        """Make the roles and databases that are missing."""
        from deploy.local.databases import make_databases

        _in_thread(make_databases(self.url(), {name: self.password(name) for name in DATABASES}))

    # The process

    def command(self) -> list[str]:
        port = self.run_dir.port(self.name)
        options = {
            "port": port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "on" if self.fsync else "off",
            "synchronous_commit": "on" if self.fsync else "off",
            "full_page_writes": "on" if self.fsync else "off",
            "max_connections": self.connections,
        }
        spoken = " ".join(f"-c {name}={str(value) or chr(39) * 2}" for name, value in options.items())
        return ["pg_ctl", "start", "-w", "-s", "-t", "60", "-D", str(self.data), "-o", spoken]

    @property
    def data(self) -> Path:
        """The data directory, by a name that stays the same wherever it really lies."""
        return self.run_dir.path / "postgres" / "data"

    def prepare(self) -> None:
        self._home()
        self._forget_the_dead()
        if not (self.data.resolve() / "PG_VERSION").exists():
            self._initialise()

    def launch(self) -> int:
        """Start through `pg_ctl -w`, which returns when the server takes connections."""
        data, user = self.data.resolve(), self._user()
        command = self.command()
        command[0] = str(self._binaries(user) / "pg_ctl")
        command[command.index("-D") + 1] = str(data)
        with self.log.open("ab") as log:
            done = user.run(command, cwd=str(data.parent), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        if done.returncode != 0:
            raise self.failure("did not start")
        return _first_line(data / "postmaster.pid")

    def ready(self) -> bool:
        return self.pid is not None  # pg_ctl -w has waited for it

    def discard(self) -> None:
        """Remove the data. For stacks that live as long as a test."""
        shutil.rmtree(self.data.parent.resolve(), ignore_errors=True)
        if self.data.parent.is_symlink():
            self.data.parent.unlink()

    def _forget_the_dead(self) -> None:
        """Remove the lock file of a killed server.

        Postgres does that itself, except where nobody collects its zombie, as in a container without an init:
        then it takes the zombie for a running server.
        """
        lock = self.data.resolve() / "postmaster.pid"
        if not lock.exists() or start_time(_first_line(lock)) is not None:
            return
        deadline = time.monotonic() + 10
        while _works_in(lock.parent) and time.monotonic() < deadline:  # its children end a moment after it
            time.sleep(0.02)
        if not _works_in(lock.parent):
            lock.unlink()

    def _initialise(self) -> None:
        shutil.rmtree(self.run_dir.path / "migrated", ignore_errors=True)  # said of databases that are gone
        data, user = self.data.resolve(), self._user()
        data.mkdir(mode=0o700)
        os.chown(data, user.uid, user.gid)
        password = data.with_name("password")
        write_private(password, self.password(SUPERUSER).encode())
        os.chown(password, user.uid, user.gid)
        command = [str(self._binaries(user) / "initdb"), "-D", str(data), "-U", SUPERUSER, "-A", "scram-sha-256"]
        command += ["-E", "UTF8", "--locale=C.UTF-8", "--no-sync", f"--pwfile={password}"]
        with self.log.open("ab") as log:
            done = user.run(command, cwd=str(data.parent), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        password.unlink()
        if done.returncode != 0:
            shutil.rmtree(data)
            raise self.failure("could not make its data directory")

    def _user(self) -> User:
        return postgres_binaries.server_user(owner_of=self.data)

    def _home(self) -> Path:
        """The folder of data and copied binaries: in the run directory, or linked from it."""
        home, user = self.data.parent, self._user()
        if home.exists():
            return home.resolve()
        home.unlink(missing_ok=True)  # a link whose target went
        if user.can_enter(self.run_dir.path):
            home.mkdir()
            home.chmod(0o711)  # whatever the umask is
            return home
        outside = OUTSIDE / f"assent-{os.geteuid()}-{hashlib.sha256(bytes(self.run_dir.path)).hexdigest()[:12]}"
        self._clear(outside)
        outside.mkdir()
        outside.chmod(0o711)
        home.symlink_to(outside)
        return outside

    def _clear(self, outside: Path) -> None:
        """Remove what a run directory that is gone has left behind."""
        if not outside.is_symlink() and not outside.exists():
            return
        if outside.is_symlink() or outside.stat().st_uid != os.geteuid():
            raise PartError(f"postgres: {outside} belongs to somebody else. What to do: look at it, then remove it.")
        pid_file = outside / "data" / "postmaster.pid"
        if pid_file.exists():
            stop(Process.of(_first_line(pid_file), ""), self.stop_signal)
        shutil.rmtree(outside)

    def _binaries(self, user: User) -> Path:
        version_file = self.data.resolve() / "PG_VERSION"
        wanted = int(version_file.read_text()) if version_file.exists() else None
        for folder in [*postgres_binaries.installed(), *self._wheel_binaries(user)]:
            found = postgres_binaries.version(folder, user)
            if found == wanted or (wanted is None and found is not None and found >= postgres_binaries.OLDEST):
                return folder
        kind = f"version {wanted}, which made {self.data}" if wanted else f"version {postgres_binaries.OLDEST} or newer"
        raise PartError(f"postgres: no server binaries of {kind}. What to do: run `make setup`, or {self.advice}.")

    def _wheel_binaries(self, user: User) -> list[Path]:
        wheel = postgres_binaries.wheel()
        if wheel is None or postgres_binaries.version(wheel / "bin", user) is not None:
            return [wheel / "bin"] if wheel else []
        # It lies below a folder this user cannot enter.
        copy = self._home() / "wheel"
        if not copy.exists():
            postgres_binaries.copy_wheel(wheel, copy)
        return [copy / wheel.relative_to(wheel.parents[1]) / "bin"]


def _in_thread(work: Coroutine[Any, Any, None]) -> None:
    """Run it to its end from blocking code, which may itself have been called inside an event loop."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, work).result()


def _first_line(lock: Path) -> int:
    return int(lock.read_text().split("\n", 1)[0])


def _works_in(data: Path) -> bool:
    """Whether any process has this as its working directory, as all of a server's have."""
    for folder in Path("/proc").glob("[0-9]*/cwd"):
        with contextlib.suppress(OSError):  # it ended, or is somebody else's
            if folder.readlink() == data:
                return True
    return False
