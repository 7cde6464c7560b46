"""Tells what the operator set in the environment from what an earlier `up` put there."""

import json
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path

from deploy.local.part import PartError
from deploy.local.run_dir import RunDir, write_private

PREFIXES = ("ASSENT_", "AWS_", "OTEL_")
OF_THE_CLOUD = (
    "ASSENT_RECORDINGS_BUCKET",
    "ASSENT_AUDIO_BUCKET",
    "ASSENT_RECORDINGS_QUEUE_URL",
    "ASSENT_RECORDINGS_DLQ_URL",
)
# The design's table, which stack.env begins with.
FIRST = (
    "ASSENT_GATEWAY_URL",
    "ASSENT_OWNER_TOKEN",
    "ASSENT_CONSENT_DATABASE_URL",
    "ASSENT_RECORDING_DATABASE_URL",
    "ASSENT_TRANSCRIPT_DATABASE_URL",
    "ASSENT_NATS_URL",
    "AWS_ENDPOINT_URL",
    "AWS_REGION",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    *OF_THE_CLOUD,
    "ASSENT_WHEREBY_API_URL",
    "ASSENT_WHEREBY_WEBHOOK_SECRET",
    "ASSENT_PID_CONSENT_SVC",
    "ASSENT_PID_RECORDING_SVC",
    "ASSENT_PID_TRANSCRIPT_SVC",
    "ASSENT_PID_GATEWAY",
    "ASSENT_SCRATCH_DIR",
)
REPLACED_BY = {
    "postgres": tuple(f"ASSENT_{name}_DATABASE_URL" for name in ("CONSENT", "RECORDING", "TRANSCRIPT")),
    "nats": ("ASSENT_NATS_URL",),
    "issuer": ("ASSENT_OIDC_ISSUER",),
    "whereby": ("ASSENT_WHEREBY_API_URL",),
    "consent_svc": ("ASSENT_CONSENT_ADDRESS",),
    "recording_svc": ("ASSENT_RECORDING_ADDRESS",),
    "transcript_svc": ("ASSENT_TRANSCRIPT_ADDRESS",),
}
# What cannot be made up for a part that is the operator's.
NEEDED_WITH = {
    "whereby": ("ASSENT_WHEREBY_API_KEY", "ASSENT_WHEREBY_WEBHOOK_SECRET"),
    "issuer": ("ASSENT_OIDC_JWKS_URL",),
}


class Memory:
    """What earlier runs made. Kept, so that a shell with an old stack.env in it is not taken for an operator's wish."""

    def __init__(self, run_dir: RunDir) -> None:
        self._path = run_dir.path / "stack.json"
        self._made: dict[str, list[str]] = json.loads(self._path.read_text()) if self._path.exists() else {}

    def made(self, variable: str, value: str) -> bool:
        """Whether this value of this variable was ever ours."""
        return value in self._made.get(variable, [])

    def add(self, variables: Mapping[str, str]) -> None:
        """These are ours from now on."""
        for variable, value in variables.items():
            values = [other for other in self._made.get(variable, []) if other != value]
            self._made[variable] = [*values, value][-20:]
        write_private(self._path, json.dumps(self._made, indent=1).encode())


def given(environ: Mapping[str, str], memory: Memory) -> dict[str, str]:
    """The settings that the operator made."""
    found = {
        name: value
        for name, value in environ.items()
        if value and name.startswith(PREFIXES) and not name.startswith("ASSENT_PID_") and not memory.made(name, value)
    }
    # Credentials alone lie about on many machines: they are meant for us only with an endpoint or a bucket.
    if not cloud_is_given(found):
        found = {name: value for name, value in found.items() if not name.startswith("AWS_")}
    return found


def cloud_is_given(given: Mapping[str, str]) -> bool:
    """Whether S3 and SQS are the operator's."""
    return any(name in given for name in ("AWS_ENDPOINT_URL", *OF_THE_CLOUD))


def replacement(part: str, given: Mapping[str, str]) -> tuple[str, ...]:
    """The variables that stand for this part, or nothing where the stack has to run it."""
    if part == "moto":
        return tuple(name for name in ("AWS_ENDPOINT_URL", *OF_THE_CLOUD) if name in given)
    if part == "gateway":
        # With a listen address it is a public name for the gateway that runs here.
        return ("ASSENT_GATEWAY_URL",) if "ASSENT_GATEWAY_URL" in given and "ASSENT_GATEWAY_LISTEN" not in given else ()
    names = REPLACED_BY[part]
    return names if all(name in given for name in names) else ()


def check(parts: Iterable[str], given: Mapping[str, str]) -> None:
    """See that whoever brings a part of their own brings what belongs to it.

    Raises:
        PartError: something is missing.
    """
    for part in parts:
        needed = NEEDED_WITH.get(part, ())
        if part == "moto" and "AWS_ENDPOINT_URL" not in given:
            needed = ("AWS_REGION", *OF_THE_CLOUD)  # AWS itself: buckets and queues are not made there unasked
        if missing := [name for name in needed if name not in given]:
            names = ", ".join(replacement(part, given))
            raise PartError(f"{names} is set, so {part} is not started. What to do: set {', '.join(missing)} too.")


def write_stack_env(path: Path, variables: Mapping[str, str]) -> None:
    """Write what a shell can source and a program can read line by line."""
    order = [name for name in FIRST if name in variables] + sorted(set(variables) - set(FIRST))
    lines = [f"{name}={shlex.quote(variables[name])}" for name in order]
    write_private(path, ("\n".join(lines) + "\n").encode())


def read_stack_env(path: Path) -> dict[str, str]:
    """Read it back."""
    pairs = (line.partition("=") for line in path.read_text().splitlines() if line)
    return {name: "".join(shlex.split(value)) for name, _, value in pairs}
