"""Runs a real S3 server on this machine: Ceph's radosgw with one monitor and one store in memory.

`python -m tests.recording.radosgw` installs what is missing of it, as root, or says what to install.
"""

import json
import os
import shutil
import subprocess
import sys
import urllib.error
import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from deploy.local import Part
from deploy.local.buckets import Cloud
from deploy.local.probes import http_ok
from deploy.local.run_dir import RunDir

PACKAGES = ("ceph-mon", "ceph-osd", "radosgw")
PROGRAMS = ("ceph", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin")
HOW_TO_INSTALL = (
    f"the tests on a real S3 server need Ceph: apt-get install --no-install-recommends {' '.join(PACKAGES)}"
)
REGION = "eu-central-1"


class Cluster:
    """Where the cluster's files lie, and the one configuration that all of its programs read."""

    def __init__(self, run_dir: RunDir) -> None:
        self.run_dir = run_dir
        self.configuration = run_dir.path / "ceph.conf"

    @cached_property
    def identity(self) -> str:
        """Its fsid."""
        return str(uuid.uuid4())

    @property
    def monitor(self) -> str:
        """Where the monitor listens."""
        return f"v1:127.0.0.1:{self.run_dir.port('mon')}"

    def write(self) -> None:
        """Make the configuration: nothing replicated, nobody asked who they are, all of it on 127.0.0.1."""
        here = self.run_dir.path
        lines = {
            "fsid": self.identity, "mon_host": f"[{self.monitor}]", "public_addr": "127.0.0.1",
            "ms_bind_msgr2": "false", "auth_cluster_required": "none", "auth_service_required": "none",
            "auth_client_required": "none", "osd_crush_chooseleaf_type": "0", "mon_allow_pool_size_one": "true",
            "osd_pool_default_size": "1", "osd_pool_default_min_size": "1", "osd_pool_default_pg_num": "1",
            "osd_pool_default_pg_autoscale_mode": "off", "osd_objectstore": "memstore",
            "memstore_device_bytes": "2147483648", "mon_osd_full_ratio": "0.99", "mon_data_avail_crit": "0",
            "mon_data": here / "mon", "osd_data": here / "osd", "rgw_data": here / "rgw", "run_dir": here,
            "keyring": here / "keyring", "crash_dir": here, "admin_socket": "", "pid_file": "", "log_file": "",
            "mon_cluster_log_file": "", "log_to_stderr": "true", "err_to_stderr": "true",
            # The region that the tests name is one that this server has never heard of.
            "rgw_relaxed_region_enforcement": "true", "rgw_dynamic_resharding": "false",
        }  # fmt: skip
        content = "".join(f"{name} = {value}\n" for name, value in lines.items())
        self.configuration.write_text(f"[global]\n{content}")

    def run(self, *command: str) -> str:
        """Run one of Ceph's commands to its end; its output."""
        done = subprocess.run(
            [*command, "--conf", str(self.configuration)], capture_output=True, text=True, check=False, timeout=60
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-2000:]}")
        return done.stdout


class _Daemon(Part):
    """One of the cluster's processes."""

    advice: ClassVar[str] = HOW_TO_INSTALL
    patience: ClassVar[float] = 60

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster.run_dir)
        self.cluster = cluster

    def options(self) -> list[str]:
        return ["--foreground", "--conf", str(self.cluster.configuration)]


class _Monitor(_Daemon):
    name = "mon"

    def prepare(self) -> None:
        self.cluster.write()
        chart = str(self.run_dir.path / "monmap")
        make = ["monmaptool", "--create", "--clobber", "--fsid", self.cluster.identity]
        self.cluster.run(*make, "--addv", "local", f"[{self.cluster.monitor}]", chart)
        self.cluster.run("ceph-mon", "--mkfs", "--id", "local", "--monmap", chart)

    def command(self) -> list[str]:
        return ["ceph-mon", "--id", "local", *self.options()]

    def ready(self) -> bool:
        return _succeeds(self.cluster, "ceph", "--connect-timeout", "2", "mon", "stat")


class _Store(_Daemon):
    name = "osd"

    def prepare(self) -> None:
        self.run_dir.folder("osd")
        identity = str(uuid.uuid4())
        self.cluster.run("ceph", "osd", "new", identity)
        self.cluster.run("ceph-osd", "--id", "0", "--mkfs", "--osd-uuid", identity)

    def command(self) -> list[str]:
        return ["ceph-osd", "--id", "0", *self.options()]

    def ready(self) -> bool:
        return bool(json.loads(self.cluster.run("ceph", "osd", "stat", "--format", "json"))["num_up_osds"])


class _Gateway(_Daemon):
    name = "radosgw"

    def prepare(self) -> None:
        self.run_dir.folder("rgw")

    def command(self) -> list[str]:
        return ["radosgw", "--name", "client.rgw", f"--rgw-frontends=beast endpoint={self.address}", *self.options()]

    def ready(self) -> bool:
        try:
            return http_ok(f"http://{self.address}/")
        except urllib.error.URLError:
            return False


class Radosgw:
    """A cluster that lasts as long as the context: users of it are made by name."""

    def __init__(self, folder: Path) -> None:
        self._cluster = Cluster(RunDir(folder))
        self._gateway = _Gateway(self._cluster)
        self._running = ExitStack()

    def cloud(self, user: str) -> Cloud:
        """Credentials of a user, who is made."""
        secret = self._cluster.run_dir.secret(f"s3-{user}")
        self._cluster.run(
            "radosgw-admin", "user", "create", f"--uid={user}", f"--display-name={user}",
            f"--access-key={user}", f"--secret={secret}", "--max-buckets=0",
        )  # fmt: skip
        return Cloud(f"http://{self._gateway.address}", REGION, user, secret)

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            for part in (_Monitor(self._cluster), _Store(self._cluster), self._gateway):
                starting.enter_context(part)
            self._running = starting.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.close()


def missing() -> list[str]:
    """Ceph's programs that this machine does not have."""
    return [program for program in PROGRAMS if shutil.which(program) is None]


def install() -> None:
    """Install Debian's packages where something is missing.

    Raises SystemExit, which says what to install, where that cannot be done.
    """
    if not missing():
        return
    if os.geteuid() or not shutil.which("apt-get"):
        sys.exit(f"{', '.join(missing())} missing: {HOW_TO_INSTALL}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    sys.stderr.write(f"Installing {', '.join(PACKAGES)} (once) ...\n")
    quietly: Sequence[str] = ("apt-get", "--quiet=2")
    for command in (("update",), ("install", "--yes", "--no-install-recommends", *PACKAGES)):
        if subprocess.run([*quietly, *command], env=environment, stdout=subprocess.DEVNULL, check=False).returncode:
            sys.exit(f"apt-get {command[0]} failed: {HOW_TO_INSTALL}")


def _succeeds(cluster: Cluster, *command: str) -> bool:
    try:
        cluster.run(*command)
    except (RuntimeError, subprocess.TimeoutExpired):
        return False
    return True


if __name__ == "__main__":
    install()
