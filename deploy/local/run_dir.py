"""Keeps what one local stack remembers between commands: ports, secrets, pids and logs, all below one directory."""

import fcntl
import json
import os
import random
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

# Below 32768 the kernel never hands a port out on its own, so a kept port stays ours across restarts.
PORTS = range(15000, 32000)


def is_free(port: int) -> bool:
    """Whether nobody listens on this port of 127.0.0.1 (or of all addresses)."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    draft.replace(path)


class RunDir:
    """One stack's memory. Two stacks need two directories and nothing else to live side by side."""

    def __init__(self, path: "Path | str | RunDir") -> None:
        self.path: Path = path.path if isinstance(path, RunDir) else Path(path).absolute()
        self.path.mkdir(parents=True, exist_ok=True)

    def log(self, part: str) -> Path:
        """Where a part's output goes."""
        folder = self.path / "logs"
        folder.mkdir(exist_ok=True)
        return folder / f"{part}.log"

    def folder(self, name: str) -> Path:
        """A folder of this stack that only its owner may enter, made when missing."""
        folder = self.path / name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def secret_file(self, name: str, make: Callable[[], bytes]) -> Path:
        """A file made once and kept with mode 0600."""
        path = self.folder("secrets") / name
        with self.locked("secrets"):
            if not path.exists():
                write_private(path, make())
        return path

    def secret(self, name: str) -> str:
        """A random secret of 32 bytes in hexadecimal, made once and kept."""
        return self.secret_file(name, lambda: secrets.token_hex(32).encode()).read_text()

    def port(self, name: str, preferred: int | None = None) -> int:
        """The port kept under this name, chosen among the free ones when asked for the first time."""
        with self.locked("ports"):
            ports = self._ports()
            if name not in ports:
                self._keep(ports, name, preferred)
            return ports[name]

    def move_port(self, name: str) -> int:
        """Choose another port for this name, because a stranger took the kept one."""
        with self.locked("ports"):
            ports = self._ports()
            self._keep(ports, name, preferred=None)
            return ports[name]

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Hold this stack's lock of that name; other processes and threads wait."""
        with (self.path / f".{name}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _ports(self) -> dict[str, int]:
        path = self.path / "ports.json"
        ports: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
        return ports

    def _keep(self, ports: dict[str, int], name: str, preferred: int | None) -> None:
        taken = set(ports.values())
        candidates = [preferred] if preferred else []
        candidates += random.sample(PORTS, 200)
        ports[name] = next(port for port in candidates if port not in taken and is_free(port))
        write_private(self.path / "ports.json", json.dumps(ports, indent=2).encode())
