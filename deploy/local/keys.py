"""The stack's own secrets and folders: made once, readable for their owner only."""

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


def own_variables(run_dir: RunDir) -> dict[str, str]:
    """The variables that belong to no part."""
    key = run_dir.secret_file("certificate-key.pem", _new_signing_key)
    public = run_dir.secret_file("certificate-key.pub.pem", lambda: _public(key.read_bytes()))
    return {
        "ASSENT_WHEREBY_API_KEY": run_dir.secret("whereby-api-key"),
        "ASSENT_WHEREBY_WEBHOOK_SECRET": run_dir.secret("whereby-webhook-secret"),
        "ASSENT_PARTICIPANT_TOKEN_SECRET": run_dir.secret("participant-token-secret"),
        "ASSENT_FINGERPRINT_KEY": run_dir.secret("fingerprint-key"),
        "ASSENT_CERTIFICATE_KEY_FILE": str(key),
        "ASSENT_CERTIFICATE_PUBLIC_KEY_FILE": str(public),
        "ASSENT_SCRATCH_DIR": str(run_dir.folder("scratch")),
        **Certificates(run_dir).env(OPERATOR),
    }


def public_half(run_dir: RunDir, key: Path) -> Path:
    """The public half of the operator's own signing key, in a file."""
    public = run_dir.folder("secrets") / "given-certificate-key.pub.pem"
    write_private(public, _public(key.read_bytes()))
    return public


def _new_signing_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _public(private: bytes) -> bytes:
    key = load_pem_private_key(private, password=None)
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
