"""What consent_svc is told: what every receipt will say, or how to put right what cannot be said."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from chassis.settings import load
from consent_svc.settings import Settings

NEEDED = {
    "ASSENT_NATS_URL": "nats://127.0.0.1:4222",
    "ASSENT_TLS_CA": "ca.pem",
    "ASSENT_TLS_CERT": "cert.pem",
    "ASSENT_TLS_KEY": "key.pem",
    "ASSENT_CONSENT_DATABASE_URL": "postgresql+asyncpg://somewhere/consent",
    "ASSENT_WHEREBY_API_URL": "https://api.whereby.dev/v1",
    "ASSENT_WHEREBY_API_KEY": "k",
    "ASSENT_RECORDINGS_BUCKET": "recordings",
    "ASSENT_WHEREBY_RECORDING_ACCESS_KEY_ID": "id",
    "ASSENT_WHEREBY_RECORDING_SECRET_ACCESS_KEY": "secret",
    "ASSENT_CONSENT_RECEIPT_KEY_FILE": "receipt.pem",
    "ASSENT_CONSENT_CONTROLLER_NAME": " Example Cooperative ",
    "ASSENT_CONSENT_CONTROLLER_CONTACT": "privacy@example.org",
    "ASSENT_CONSENT_JURISDICTION": "NO",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in NEEDED.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_receipts_say_what_was_set_and_nothing_that_was_left_out() -> None:
    settings = load(Settings)
    terms = json.loads(settings.terms.document)
    assert settings.consent_receipt_key_file == Path("receipt.pem")
    assert terms["party_identification"][0] == {
        "party_id": "controller",
        "party_name": "Example Cooperative",
        "party_contact": "privacy@example.org",
        "party_role": "PII controller",
    }
    processing = terms["pii_processing"]
    assert processing["jurisdiction"] == "NO"
    assert processing["retention_period"] == {"description": "Until the room's owner deletes it"}
    assert [purpose["lawful_basis"] for purpose in processing["purposes"]] == ["consent"]
    assert "storage_locations" not in processing


def test_all_that_can_be_set_is_in_the_terms(environment: pytest.MonkeyPatch) -> None:
    said = {
        "CONTROLLER_ADDRESS_LINE": "1 Example Street",
        "PURPOSES": '["To listen again", "Réécouter"]',
        "STORAGE_LOCATION": "Norway",
        "RETENTION": "Ten years",
        "WITHDRAWAL": "Write to us",
        "PRIVACY_POLICY_URL": "https://example.org/privacy",
    }
    before = load(Settings).terms
    for name, value in said.items():
        environment.setenv(f"ASSENT_CONSENT_{name}", value)
    terms = load(Settings).terms
    assert terms.hash != before.hash
    for value in ("1 Example Street", "Réécouter", "Norway", "Ten years", "Write to us", "https://example.org/privacy"):
        assert value in terms.document


def test_the_same_settings_are_the_same_terms() -> None:
    assert load(Settings).terms == load(Settings).terms


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("CONTROLLER_NAME", "", "goes into every receipt"),
        ("CONTROLLER_NAME", "   ", "goes into every receipt"),
        ("CONTROLLER_CONTACT", "a\nb", "on one line"),
        ("CONTROLLER_ADDRESS_LINE", "a\nb", "on one line"),
        ("JURISDICTION", "x" * 2001, "at most 2000 characters"),
        ("PURPOSES", "to listen", 'JSON list of at least one sentence, like ["'),
        ("PURPOSES", "[]", "at least one"),
        ("PURPOSES", '{"a": 1}', "JSON list"),
        ("PURPOSES", '[""]', "goes into every receipt"),
        ("PURPOSES", "[3]", "valid string"),
        ("PRIVACY_POLICY_URL", "example.org", "must look like https://"),
        ("PRIVACY_POLICY_URL", "javascript:alert(1)", "must look like https://"),
    ],
)
def test_what_a_receipt_cannot_say_is_refused_with_what_to_do(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str, says: str
) -> None:
    environment.setenv(f"ASSENT_CONSENT_{name}", value)
    with pytest.raises(SystemExit) as left:
        load(Settings)
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"ASSENT_CONSENT_{name}: ")
    assert says in said


@pytest.mark.parametrize("name", ["CONTROLLER_NAME", "CONTROLLER_CONTACT", "JURISDICTION", "RECEIPT_KEY_FILE"])
def test_what_only_the_operator_knows_is_asked_for(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    environment.delenv(f"ASSENT_CONSENT_{name}")
    with pytest.raises(SystemExit):
        load(Settings)
    said = capsys.readouterr().err.splitlines()
    assert said[0] == f"ASSENT_CONSENT_{name}: Field required"
    assert "docs/operations.md" in said[1]


def test_a_service_that_cannot_sign_does_not_start_and_says_what_to_do(tmp_path: Path) -> None:
    settings = {**NEEDED, "ASSENT_CONSENT_RECEIPT_KEY_FILE": str(tmp_path / "missing.pem")}
    command = [sys.executable, "-m", "consent_svc", "serve"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin", **settings})
    said = done.stdout + done.stderr
    assert done.returncode == 2
    assert "receipt_key_unusable" in said
    assert "missing.pem cannot be read: No such file" in said
    assert "Traceback" not in said
