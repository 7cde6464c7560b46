"""Assent's own processes on one machine, and which variables each of them is given."""

import hashlib
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar

from deploy.local.certificates import Certificates
from deploy.local.part import PYTHON, REPOSITORY, Part
from deploy.local.probes import grpc_serving, http_ok
from deploy.local.run_dir import RunDir, write_private

Variables = Callable[[], Mapping[str, str]]

GRPC_SERVICES = ("consent_svc", "recording_svc", "transcript_svc")
# They tell Prometheus their figures, on a port of their own.
WITH_METRICS = ("recording_svc",)
# What each service takes beside its own ASSENT_<NAME>_*; an ending `_` stands for all that begin so. What is in
# nobody's list (the log level, telemetry, an experiment's switch) goes to everyone, and so do addresses.
TAKES = {
    "consent_svc": (
        "ASSENT_WHEREBY_API_",
        "ASSENT_WHEREBY_RECORDING_",
        "ASSENT_RECORDINGS_BUCKET",
    ),
    "recording_svc": (
        "ASSENT_RECORDINGS_",
        "ASSENT_AUDIO_BUCKET",
        "ASSENT_CERTIFICATE_KEY_FILE",
        "AWS_",
    ),
    "transcript_svc": (
        "ASSENT_RECORDINGS_BUCKET",
        "ASSENT_AUDIO_BUCKET",
        "ASSENT_SCRATCH_DIR",
        "AWS_",
    ),
    "gateway": (
        "ASSENT_WHEREBY_WEBHOOK_SECRET",
        "ASSENT_WHEREBY_ROOM_ORIGIN",
        "ASSENT_OIDC_",
        "ASSENT_SESSION_",
        "ASSENT_PARTICIPANT_TOKEN_SECRET",
        "ASSENT_FINGERPRINT_KEY",
    ),
}
# Read by people and tools, never by a service.
FOR_PEOPLE = (
    "ASSENT_PID_",
    "ASSENT_OWNER_TOKEN",
    "ASSENT_TLS_",
    "ASSENT_RUN_DIR",
    "ASSENT_CERTIFICATE_PUBLIC_KEY_FILE",
    "ASSENT_RECEIPT_PUBLIC_KEY_FILE",
)


def short(name: str) -> str:
    """The service's name inside variables: CONSENT for consent_svc."""
    return name.removesuffix("_svc").upper()


def taken_by(name: str, variables: Mapping[str, str]) -> dict[str, str]:
    """The variables out of these that a service is given."""
    mine = (*TAKES[name], f"ASSENT_{short(name)}_")
    others = [one for other, takes in TAKES.items() for one in (*takes, f"ASSENT_{short(other)}_") if other != name]
    return {
        variable: value
        for variable, value in variables.items()
        if not _matches(variable, FOR_PEOPLE)
        and (variable.endswith("_ADDRESS") or _matches(variable, mine) or not _matches(variable, others))
    }


def _matches(variable: str, patterns: "tuple[str, ...] | list[str]") -> bool:
    return any(variable.startswith(one) if one.endswith("_") else variable == one for one in patterns)


class Service(Part):
    """One of the three gRPC services: `python -m <name> migrate`, then `serve`."""

    advice: ClassVar[str] = "the lines above name the setting or the dependency it misses; then run `make up` again"

    def __init__(self, run_dir: RunDir | Path | str, name: str, variables: Variables) -> None:
        super().__init__(run_dir)
        self.name = name
        self._variables = variables

    @property
    def port_names(self) -> tuple[str, ...]:
        metrics = (f"{self.name}-metrics",) if self.name in WITH_METRICS else ()
        return (self.name, f"{self.name}-health", *metrics)

    @property
    def health_address(self) -> str:
        """Where grpc.health.v1 answers in plaintext."""
        return f"127.0.0.1:{self.run_dir.port(self.port_names[1])}"

    def env(self) -> dict[str, str]:
        prefix = f"ASSENT_{short(self.name)}"
        variables = {
            f"{prefix}_LISTEN": self.address,
            f"{prefix}_HEALTH_LISTEN": self.health_address,
            f"{prefix}_ADDRESS": self.address,
        }
        if self.name in WITH_METRICS:
            variables[f"{prefix}_METRICS_LISTEN"] = f"127.0.0.1:{self.run_dir.port(self.port_names[2])}"
        return variables | _pid_variable(self)

    def command(self) -> list[str]:
        return [PYTHON, "-m", self.name, "serve"]

    def settings(self) -> dict[str, str]:
        # Children never touch gRPC: without this, it writes a line at the start of each.
        own = {"GRPC_ENABLE_FORK_SUPPORT": "0", **Certificates(self.run_dir).env(self.name)}
        return taken_by(self.name, self._variables()) | own

    def prepare(self) -> None:
        """Bring the database to the code's form, unless that was done for this very database and code."""
        done = self.run_dir.folder("migrated") / self.name
        wanted = self._migration()
        if done.exists() and done.read_text() == wanted:
            return
        environment = {**self.inherited(), **self.settings()}
        with self.log.open("ab") as log:
            command = [PYTHON, "-m", self.name, "migrate"]
            result = subprocess.run(
                command, env=environment, cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False
            )
        if result.returncode != 0:
            raise self.failure("could not migrate its database")
        write_private(done, wanted.encode())

    def fingerprint(self) -> str:
        return super().fingerprint() + _code(self.name)

    def ready(self) -> bool:
        return grpc_serving(self.health_address)

    def _migration(self) -> str:
        """Stands for the database and the migrations."""
        digest = hashlib.sha256(self._variables()[f"ASSENT_{short(self.name)}_DATABASE_URL"].encode())
        for file in sorted((REPOSITORY / self.name / "migrations").rglob("*.py")):
            digest.update(file.read_bytes())
        return digest.hexdigest()


class Gateway(Part):
    """The front door. `whole` says that all it depends on is there, so that it can be waited for."""

    name = "gateway"
    preferred_port = 8080
    advice: ClassVar[str] = Service.advice

    def __init__(self, run_dir: RunDir | Path | str, variables: Variables, whole: bool) -> None:
        super().__init__(run_dir)
        self._variables = variables
        self._whole = whole

    def env(self) -> dict[str, str]:
        variables = {"ASSENT_GATEWAY_URL": f"http://{self.address}", "ASSENT_GATEWAY_LISTEN": self.address}
        return variables | _pid_variable(self)

    def command(self) -> list[str]:
        return [PYTHON, "-m", self.name, "serve"]

    def settings(self) -> dict[str, str]:
        return taken_by(self.name, self._variables()) | Certificates(self.run_dir).env(self.name)

    def fingerprint(self) -> str:
        return super().fingerprint() + _code(self.name)

    def ready(self) -> bool:
        # Not by its public address: that may lead through a tunnel, or lie behind a listen address of one's own.
        _, _, port = self._variables()["ASSENT_GATEWAY_LISTEN"].rpartition(":")
        return http_ok(f"http://127.0.0.1:{port}/{'readyz' if self._whole else 'healthz'}")


def _code(name: str) -> str:
    """Stands for the code that a part of ours runs, so that `up` replaces what was started before a change of it."""
    folders = [REPOSITORY / folder for folder in (name, "chassis", "protos/gen")]
    files = sorted(file for folder in folders for file in folder.rglob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _pid_variable(part: Part) -> dict[str, str]:
    pid = part.pid
    return {f"ASSENT_PID_{part.name.upper()}": str(pid)} if pid else {}
