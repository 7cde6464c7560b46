"""The servers that are measured beside ours, started and stopped as parts of the local stack are."""

import socket
from collections.abc import Mapping
from typing import ClassVar

from deploy.local.part import PYTHON, Part
from deploy.local.probes import http_ok
from deploy.local.run_dir import RunDir


class Monolith(Part):
    """`bench.monolith` on a database of its own."""

    name = "monolith"
    advice: ClassVar[str] = "read the lines above"

    def __init__(self, run_dir: RunDir, database_url: str, secret: str) -> None:
        super().__init__(run_dir)
        self._variables = {"MONOLITH_DATABASE_URL": database_url, "MONOLITH_SECRET": secret}

    def command(self) -> list[str]:
        return [PYTHON, "-m", "bench.monolith"]

    def settings(self) -> Mapping[str, str]:
        return {**self._variables, "MONOLITH_PORT": str(self.run_dir.port(self.name))}

    def ready(self) -> bool:
        return http_ok(f"http://{self.address}/healthz")


class _Bare(Part):
    """A module of the bench that is given its port and ready as soon as it listens."""

    advice: ClassVar[str] = "read the lines above"
    module: ClassVar[str]

    def command(self) -> list[str]:
        return [PYTHON, "-m", self.module, str(self.run_dir.port(self.name))]

    def ready(self) -> bool:
        host, _, port = self.address.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=2):
            return True


class RawServer(_Bare):
    """`bench.raw_server`, to know what the load client costs."""

    name = "raw-server"
    module = "bench.raw_server"


class FanOutServer(_Bare):
    """`bench.fan_out_server`, the floor under a fan-out."""

    name = "fan-out-server"
    module = "bench.fan_out_server"


class QueueStub(_Bare):
    """`bench.queue_stub`, a queue that costs next to nothing."""

    name = "queue-stub"
    module = "bench.queue_stub"


class S3Stub(_Bare):
    """`bench.s3_stub`, buckets that cost next to nothing."""

    name = "s3-stub"
    module = "bench.s3_stub"
