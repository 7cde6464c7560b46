"""The stack starts what is missing, keeps addresses, and stops what it started: with its quick parts."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from deploy.local import Moto, PartError, Stack, services
from deploy.local.keys import SIGNING_KEYS
from deploy.local.part import REPOSITORY, Part
from deploy.local.variables import read_stack_env

QUICK = ("nats", "issuer")
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("ASSENT_", "AWS_"))}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("stack"), parts=QUICK, environ=CLEAN) as stack:
        yield stack


def pids(stack: Stack) -> dict[str, int | None]:
    return {name: stack.pid(name) for name in QUICK}


def command(run_dir: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    line = [sys.executable, "-m", "deploy.local", *arguments, "--run-dir", str(run_dir)]
    return subprocess.run(line, cwd=REPOSITORY, env=CLEAN | variables, capture_output=True, text=True, check=False)


def test_stack_env_says_where_everything_is(stack: Stack) -> None:
    variables = read_stack_env(stack.run_dir.path / "stack.env")
    assert variables == stack.env()
    assert httpx.get(variables["ASSENT_OIDC_JWKS_URL"], trust_env=False).status_code == 200
    assert variables["ASSENT_NATS_URL"] == f"nats://{stack.parts['nats'].address}"
    assert variables["ASSENT_WHEREBY_API_URL"].endswith("/v1")
    for name in ("ASSENT_TLS_CA", "ASSENT_TLS_CERT", "ASSENT_TLS_KEY"):
        assert Path(variables[name]).is_file()
    for private, public in SIGNING_KEYS.values():
        key = load_pem_private_key(Path(variables[private]).read_bytes(), None)
        assert load_pem_public_key(Path(variables[public]).read_bytes()) == key.public_key()
    assert Path(variables["ASSENT_SCRATCH_DIR"]).is_dir()
    assert len(variables["ASSENT_PARTICIPANT_TOKEN_SECRET"]) >= 32


def test_up_again_changes_nothing(stack: Stack) -> None:
    before, variables = pids(stack), stack.env()
    assert stack.up() == variables
    assert Stack(stack.run_dir.path, parts=QUICK, environ=CLEAN).up() == variables
    assert pids(stack) == before


def test_only_the_dead_part_is_started_again_and_at_its_address(stack: Stack) -> None:
    before, address = pids(stack), stack.parts["issuer"].address
    stack.kill("issuer")
    assert stack.pid("issuer") is None
    assert [line.state for line in stack.status()] == ["running", "died"]
    stack.up()
    assert stack.pid("nats") == before["nats"]
    assert stack.pid("issuer") not in (None, before["issuer"])
    assert stack.parts["issuer"].address == address
    assert stack.parts["issuer"].ready()


def test_a_restart_is_of_one_part(stack: Stack) -> None:
    before = pids(stack)
    stack.restart("nats")
    assert stack.pid("nats") not in (None, before["nats"])
    assert stack.pid("issuer") == before["issuer"]


def test_other_settings_start_a_part_anew(stack: Stack) -> None:
    before = pids(stack)
    Stack(stack.run_dir.path, parts=QUICK, environ=CLEAN, fsync=False).up()
    assert stack.pid("nats") not in (None, before["nats"])
    assert stack.pid("issuer") == before["issuer"]
    stack.up()


def test_public_keys_are_those_of_the_operators_own_signing_keys(tmp_path: Path) -> None:
    keys, given = {}, {}
    for private, public in SIGNING_KEYS.values():
        file = tmp_path / private / "mine.pem"  # all of one name
        file.parent.mkdir()
        keys[public] = Ed25519PrivateKey.generate()
        file.write_bytes(keys[public].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        given[private] = str(file)
    variables = Stack(tmp_path / "run", environ=CLEAN | given).env()
    assert variables | given == variables
    for public, key in keys.items():
        assert load_pem_public_key(Path(variables[public]).read_bytes()) == key.public_key()


def test_each_stack_tells_its_figures_on_a_port_of_its_own_and_only_to_this_machine(tmp_path: Path) -> None:
    first, second = Stack(tmp_path / "first", environ=CLEAN).env(), Stack(tmp_path / "second", environ=CLEAN).env()
    listen = first["ASSENT_RECORDING_METRICS_LISTEN"]
    assert listen.startswith("127.0.0.1:")
    others = [value for name, value in first.items() if name != "ASSENT_RECORDING_METRICS_LISTEN"]
    assert listen not in [*others, second["ASSENT_RECORDING_METRICS_LISTEN"]]


def test_receipts_of_a_trial_name_no_organisation_until_one_is_set(tmp_path: Path) -> None:
    controller = {"ASSENT_CONSENT_CONTROLLER_NAME": "Example Org"}
    assert "no organisation" in Stack(tmp_path, environ=CLEAN).env()["ASSENT_CONSENT_CONTROLLER_NAME"]
    assert Stack(tmp_path, environ=CLEAN | controller).env()["ASSENT_CONSENT_CONTROLLER_NAME"] == "Example Org"


SIGN_IN = ("ASSENT_OIDC_CLIENT_ID", "ASSENT_OIDC_CLIENT_SECRET", "ASSENT_SESSION_SECRET")


def test_people_can_sign_in_on_the_pages(stack: Stack) -> None:
    variables = stack.env()
    assert variables["ASSENT_OIDC_CLIENT_ID"] == "assent-pages"
    assert len({variables[name] for name in SIGN_IN}) == 3
    assert min(len(variables[name]) for name in SIGN_IN[1:]) >= 32
    secrets = stack.run_dir.path / "secrets"
    assert {(secrets / name).stat().st_mode & 0o777 for name in ("oidc-client-secret", "session-secret")} == {0o600}
    assert not any(variables[name] in " ".join(stack.parts["issuer"].command()) for name in SIGN_IN[1:])
    url = f"{variables['ASSENT_OIDC_ISSUER']}/authorize"
    asked = {
        "client_id": "assent-pages",
        "redirect_uri": f"{variables['ASSENT_GATEWAY_URL']}/v1/sign-in/callback",
        "response_type": "code",
        "scope": "openid",
        "code_challenge": "c" * 43,
        "code_challenge_method": "S256",
    }
    assert httpx.get(url, params=asked, trust_env=False).status_code == 200


def test_for_an_issuer_of_the_operators_no_client_is_made_up(tmp_path: Path) -> None:
    own = {"ASSENT_OIDC_ISSUER": "https://login.example.com/", "ASSENT_OIDC_JWKS_URL": "https://login.example.com/keys"}
    variables = Stack(tmp_path, environ=CLEAN | own).env()
    assert not variables.keys() & set(SIGN_IN)
    registered = own | {"ASSENT_OIDC_CLIENT_ID": "theirs"}
    variables = Stack(tmp_path, environ=CLEAN | registered).env()
    assert variables["ASSENT_OIDC_CLIENT_ID"] == "theirs"
    assert "ASSENT_OIDC_CLIENT_SECRET" not in variables
    assert len(variables["ASSENT_SESSION_SECRET"]) >= 32


def test_changed_code_is_started_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("gateway", "chassis"):
        (tmp_path / folder).mkdir()
    monkeypatch.setattr(services, "REPOSITORY", tmp_path)
    gateway = Stack(tmp_path / "run", environ=CLEAN).parts["gateway"]
    before = gateway.fingerprint()
    assert gateway.fingerprint() == before
    (tmp_path / "chassis" / "server.py").write_text("changed")
    assert gateway.fingerprint() != before


def test_a_shell_with_stack_env_in_it_is_not_an_operators_wish(stack: Stack) -> None:
    before = pids(stack)
    sourced = Stack(stack.run_dir.path, parts=QUICK, environ=CLEAN | stack.env())
    assert sourced.given == {}
    assert sourced.up() == stack.env()
    assert pids(stack) == before


def test_a_part_of_the_operators_is_used_instead(tmp_path: Path) -> None:
    given = {"ASSENT_NATS_URL": "nats://user:secret@elsewhere:4222"}
    with Stack(tmp_path, parts=QUICK, environ=CLEAN | given) as stack:
        assert stack.pid("nats") is None
        assert stack.env()["ASSENT_NATS_URL"] == given["ASSENT_NATS_URL"]
        (line,) = [line for line in stack.status() if line.part == "nats"]
        assert (line.state, line.address) == ("yours", "nats://elsewhere:4222")


def test_in_a_cloud_of_the_operators_only_what_is_not_named_is_made(tmp_path: Path, moto: Moto) -> None:
    theirs = moto.fresh_buckets("operators")
    queue_url = theirs.pop("ASSENT_RECORDINGS_QUEUE_URL")
    with Stack(tmp_path, parts=("nats", "moto"), environ=CLEAN | theirs) as stack:
        variables = stack.env()
        assert stack.pid("moto") is None
        assert {name: variables[name] for name in theirs} == theirs
        assert variables["ASSENT_RECORDINGS_QUEUE_URL"] not in ("", queue_url)
        assert variables["ASSENT_WHEREBY_RECORDING_ACCESS_KEY_ID"] == theirs["AWS_ACCESS_KEY_ID"]
        assert read_stack_env(tmp_path / "stack.env") == variables


def test_down_stops_what_was_started_and_nothing_else(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as stranger:
        stack = Stack(tmp_path, parts=QUICK, environ=CLEAN)
        stack.up()
        running = [part.process for part in stack.parts.values()]
        stack.down()
        assert [process.alive for process in running if process] == [False, False]
        assert stranger.poll() is None
        assert not (tmp_path / "stack.env").exists()
        assert [line.state for line in stack.status()] == ["stopped", "stopped"]
        stack.down()
        stranger.send_signal(signal.SIGKILL)


def test_a_port_that_a_stranger_took_is_given_up(tmp_path: Path) -> None:
    stack = Stack(tmp_path, parts=("issuer",), environ=CLEAN)
    before = stack.parts["issuer"].address
    stranger = [sys.executable, "-c", LISTEN, before.partition(":")[2]]
    with subprocess.Popen(stranger, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "listening\n"
        with stack:
            assert stack.parts["issuer"].address != before
            assert stack.env()["ASSENT_OIDC_ISSUER"] == f"http://{stack.parts['issuer'].address}"
        process.kill()


LISTEN = """
import socket, sys, time
listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
time.sleep(60)
"""


class Broken(Part):
    """Says something and ends."""

    name = "broken"
    advice = "mend it"

    def command(self) -> list[str]:
        return ["sh", "-c", "echo the disk is full; exit 3"]

    def ready(self) -> bool:
        return False


def test_what_does_not_start_says_why_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(PartError) as error:
        Broken(tmp_path).start()
    told = str(error.value)
    assert "broken ended while it started" in told
    assert "    the disk is full" in told
    assert "What to do: mend it." in told
    assert str(tmp_path / "logs" / "broken.log") in told


class Slow(Broken):
    """Runs, and is never ready."""

    name = "slow"
    patience = 0.2

    def command(self) -> list[str]:
        return ["sleep", "60"]


def test_what_is_never_ready_is_said_too(tmp_path: Path) -> None:
    with pytest.raises(PartError, match=r"slow was not ready after 0 s"), Slow(tmp_path):
        pass
    assert Slow(tmp_path).pid is None


def test_the_commands_say_what_they_did_and_end_with_1_on_failure(tmp_path: Path) -> None:
    stopped = command(tmp_path, "status")
    assert stopped.returncode == 1
    assert stopped.stdout.split("\n")[0].split() == ["part", "state", "pid", "address", "log"]
    refused = command(tmp_path, "up", ASSENT_WHEREBY_API_URL="https://api.whereby.dev/v1")
    assert refused.returncode == 1
    assert "set ASSENT_WHEREBY_API_KEY, ASSENT_WHEREBY_WEBHOOK_SECRET too" in refused.stderr
    assert command(tmp_path, "down").returncode == 0
