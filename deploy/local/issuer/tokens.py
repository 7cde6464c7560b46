"""The issuer's signing key, and the tokens signed with it."""

import base64
import hashlib
import time
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicNumbers, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

AUDIENCE = "assent"
OWNER = "owner-demo"
LIFETIME = 30 * 24 * 3600  # seconds


def mint(
    key: Path, issuer: str, sub: str, audience: str = AUDIENCE, lifetime: int = LIFETIME, nonce: str | None = None
) -> str:
    """A token signed with the key in this file, good for `lifetime` seconds; with the `nonce`, if there is one."""
    now = int(time.time())
    claims = {"iss": issuer, "aud": audience, "sub": sub, "iat": now, "exp": now + lifetime}
    claims |= {"nonce": nonce} if nonce is not None else {}
    return jwt.encode(claims, _load(key), algorithm="RS256", headers={"kid": _key_id(_load(key))})


def public_keys(key: Path) -> dict[str, Any]:
    """The key set by which tokens are verified."""
    numbers = _load(key).public_key().public_numbers()
    half = {"n": _base64(numbers.n), "e": _base64(numbers.e)}
    return {"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": _key_id(_load(key)), **half}]}


def new_key() -> bytes:
    """A signing key, as PEM."""
    key = generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _load(path: Path) -> RSAPrivateKey:
    key = load_pem_private_key(path.read_bytes(), password=None)
    assert isinstance(key, RSAPrivateKey)
    return key


def _key_id(key: RSAPrivateKey) -> str:
    numbers: RSAPublicNumbers = key.public_key().public_numbers()
    return hashlib.sha256(str(numbers.n).encode()).hexdigest()[:16]


def _base64(number: int) -> str:
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
