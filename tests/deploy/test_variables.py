"""Which variables count as the operator's, which part they replace, and which service is given which."""

import subprocess
from pathlib import Path

import pytest

from deploy.local import PartError
from deploy.local.run_dir import RunDir
from deploy.local.services import taken_by
from deploy.local.variables import Memory, check, given, read_stack_env, replacement, write_stack_env

ALL_BUCKETS = dict.fromkeys(
    ("ASSENT_RECORDINGS_BUCKET", "ASSENT_AUDIO_BUCKET", "ASSENT_RECORDINGS_QUEUE_URL", "ASSENT_RECORDINGS_DLQ_URL"), "x"
)


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory(RunDir(tmp_path))


def test_a_shell_can_source_what_was_written(tmp_path: Path) -> None:
    variables = {"ASSENT_SCRATCH_DIR": "/a folder/it's", "ASSENT_NATS_URL": "nats://127.0.0.1:1", "ASSENT_Z": "$(x)"}
    path = tmp_path / "stack.env"
    write_stack_env(path, variables)
    script = 'set -a; . "$1"; printf "%s\\n" "$ASSENT_SCRATCH_DIR" "$ASSENT_NATS_URL" "$ASSENT_Z"'
    said = subprocess.run(["sh", "-c", script, "sh", str(path)], capture_output=True, text=True, check=True)
    assert said.stdout.splitlines() == list(variables.values())
    assert read_stack_env(path) == variables
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_designs_table_comes_first(tmp_path: Path) -> None:
    write_stack_env(tmp_path / "e", {"ASSENT_AAA": "1", "ASSENT_SCRATCH_DIR": "2", "ASSENT_GATEWAY_URL": "3"})
    assert list(read_stack_env(tmp_path / "e")) == ["ASSENT_GATEWAY_URL", "ASSENT_SCRATCH_DIR", "ASSENT_AAA"]


def test_what_we_made_is_not_taken_for_the_operators(memory: Memory, tmp_path: Path) -> None:
    memory.add({"ASSENT_NATS_URL": "nats://old"})
    memory.add({"ASSENT_NATS_URL": "nats://new"})
    later = Memory(RunDir(tmp_path))
    assert given({"ASSENT_NATS_URL": "nats://old"}, later) == {}
    assert given({"ASSENT_NATS_URL": "nats://new"}, later) == {}
    assert given({"ASSENT_NATS_URL": "nats://theirs"}, later) == {"ASSENT_NATS_URL": "nats://theirs"}


def test_credentials_that_lie_about_are_not_meant_for_us(memory: Memory) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "theirs", "AWS_PROFILE": "work", "HOME": "/root"}
    assert given(keys, memory) == {}
    meant = keys | {"AWS_ENDPOINT_URL": "http://s3"}
    assert given(meant, memory) == {name: value for name, value in meant.items() if name != "HOME"}


def test_an_empty_variable_and_a_pid_are_nobodys(memory: Memory) -> None:
    assert given({"ASSENT_NATS_URL": "", "ASSENT_PID_GATEWAY": "1"}, memory) == {}


@pytest.mark.parametrize(
    ("part", "variables", "by"),
    [
        ("nats", {"ASSENT_NATS_URL": "x"}, ("ASSENT_NATS_URL",)),
        ("nats", {}, ()),
        ("postgres", {"ASSENT_CONSENT_DATABASE_URL": "x"}, ()),
        ("moto", {"AWS_ENDPOINT_URL": "x"}, ("AWS_ENDPOINT_URL",)),
        ("moto", {"ASSENT_AUDIO_BUCKET": "x"}, ("ASSENT_AUDIO_BUCKET",)),
        ("whereby", {"ASSENT_WHEREBY_API_URL": "x"}, ("ASSENT_WHEREBY_API_URL",)),
        ("gateway", {"ASSENT_GATEWAY_URL": "x"}, ("ASSENT_GATEWAY_URL",)),
        ("gateway", {"ASSENT_GATEWAY_URL": "x", "ASSENT_GATEWAY_LISTEN": "y"}, ()),
        ("consent_svc", {"ASSENT_CONSENT_ADDRESS": "x"}, ("ASSENT_CONSENT_ADDRESS",)),
    ],
)
def test_a_variable_stands_for_a_part(part: str, variables: dict[str, str], by: tuple[str, ...]) -> None:
    assert replacement(part, variables) == by


@pytest.mark.parametrize(
    ("part", "variables", "missing"),
    [
        ("whereby", {"ASSENT_WHEREBY_API_URL": "x"}, "ASSENT_WHEREBY_API_KEY, ASSENT_WHEREBY_WEBHOOK_SECRET"),
        ("issuer", {"ASSENT_OIDC_ISSUER": "x"}, "ASSENT_OIDC_JWKS_URL"),
        ("moto", {"ASSENT_AUDIO_BUCKET": "x"}, "AWS_REGION, ASSENT_RECORDINGS_BUCKET"),
    ],
)
def test_what_belongs_to_a_part_of_ones_own_is_asked_for(part: str, variables: dict[str, str], missing: str) -> None:
    with pytest.raises(PartError, match=missing):
        check([part], variables)


def test_an_endpoint_alone_or_aws_with_all_names_is_enough() -> None:
    check(["moto"], {"AWS_ENDPOINT_URL": "x"})
    check(["moto"], {"AWS_REGION": "x", **ALL_BUCKETS})


def test_a_service_is_given_its_own_secrets_and_no_other() -> None:
    variables = {
        "ASSENT_CONSENT_DATABASE_URL": "c",
        "ASSENT_CONSENT_RECEIPT_KEY_FILE": "k",
        "ASSENT_RECEIPT_PUBLIC_KEY_FILE": "q",
        "ASSENT_RECORDING_DATABASE_URL": "r",
        "ASSENT_RECORDINGS_BUCKET": "b",
        "ASSENT_PARTICIPANT_TOKEN_SECRET": "p",
        "ASSENT_OIDC_CLIENT_SECRET": "i",
        "ASSENT_SESSION_SECRET": "h",
        "ASSENT_OWNER_TOKEN": "o",
        "ASSENT_PID_GATEWAY": "1",
        "AWS_SECRET_ACCESS_KEY": "s",
        "ASSENT_NATS_URL": "n",
        "ASSENT_TRANSCRIPT_ADDRESS": "a",
        "ASSENT_SWEEP_SECONDS": "1",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "t",
    }
    everyones = {
        "ASSENT_NATS_URL",
        "ASSENT_TRANSCRIPT_ADDRESS",
        "ASSENT_SWEEP_SECONDS",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
    }
    expected = {
        "consent_svc": {
            "ASSENT_CONSENT_DATABASE_URL", "ASSENT_CONSENT_RECEIPT_KEY_FILE", "ASSENT_RECORDINGS_BUCKET",
        },
        "recording_svc": {"ASSENT_RECORDING_DATABASE_URL", "ASSENT_RECORDINGS_BUCKET", "AWS_SECRET_ACCESS_KEY"},
        "transcript_svc": {"ASSENT_RECORDINGS_BUCKET", "AWS_SECRET_ACCESS_KEY"},
        "gateway": {"ASSENT_PARTICIPANT_TOKEN_SECRET", "ASSENT_OIDC_CLIENT_SECRET", "ASSENT_SESSION_SECRET"},
    }  # fmt: skip
    assert {name: set(taken_by(name, variables)) - everyones for name in expected} == expected
    assert all(everyones <= set(taken_by(name, variables)) for name in expected)
