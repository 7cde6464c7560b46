"""The stack's own secrets and folders: made once, readable for their owner only."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from deploy.local.certificates import Certificates
from deploy.local.run_dir import RunDir, write_private

OPERATOR = "operator"  # the name in the client certificate that stack.env offers to people and tests
# The variable of each signing key, and that of its public half, for people.
SIGNING_KEYS = {
    "certificate-key": ("ASSENT_CERTIFICATE_KEY_FILE", "ASSENT_CERTIFICATE_PUBLIC_KEY_FILE"),
    "receipt-key": ("ASSENT_CONSENT_RECEIPT_KEY_FILE", "ASSENT_RECEIPT_PUBLIC_KEY_FILE"),
}
# What receipts say here. Nobody is responsible for meetings that are only tried out, and the receipt says so.
TRIAL = {
    "ASSENT_CONSENT_CONTROLLER_NAME": "Assent on this machine (a trial, no organisation)",
    "ASSENT_CONSENT_CONTROLLER_CONTACT": "whoever started it with `make up`",
    "ASSENT_CONSENT_JURISDICTION": "none: nothing leaves this machine",
    "ASSENT_CONSENT_STORAGE_LOCATION": "This machine",
}


def own_variables(run_dir: RunDir) -> dict[str, str]:
    """The variables that belong to no part."""
    return {
        "ASSENT_WHEREBY_API_KEY": run_dir.secret("whereby-api-key"),
        "ASSENT_WHEREBY_WEBHOOK_SECRET": run_dir.secret("whereby-webhook-secret"),
        "ASSENT_PARTICIPANT_TOKEN_SECRET": run_dir.secret("participant-token-secret"),
        "ASSENT_FINGERPRINT_KEY": run_dir.secret("fingerprint-key"),
        **_signing_keys(run_dir),
        **TRIAL,
        "ASSENT_SCRATCH_DIR": str(run_dir.folder("scratch")),
        **Certificates(run_dir).env(OPERATOR),
    }


def public_halves(run_dir: RunDir, given: Mapping[str, str]) -> dict[str, str]:
    """The public halves of the operator's own signing keys, in files."""
    variables = {}
    for name, (private, public) in SIGNING_KEYS.items():
        if private in given:
            file = run_dir.folder("secrets") / f"given-{name}.pub.pem"
            write_private(file, _public(Path(given[private])))
            variables[public] = str(file)
    return variables


def _signing_keys(run_dir: RunDir) -> dict[str, str]:
    variables = {}
    for name, (private, public) in SIGNING_KEYS.items():
        key = run_dir.secret_file(f"{name}.pem", _new_signing_key)
        variables[private] = str(key)
        variables[public] = str(run_dir.secret_file(f"{name}.pub.pem", partial(_public, key)))
    return variables


def _new_signing_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _public(private: Path) -> bytes:
    key = load_pem_private_key(private.read_bytes(), password=None)
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
