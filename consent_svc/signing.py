"""Signs documents as JWS (RFC 7515) with an Ed25519 key, and verifies them without any service."""

import base64
import json
from pathlib import Path
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from chassis.logs import plain
from consent_svc.domain.canonical import canonical, text_hash

_UNREADABLE = (TypeError, ValueError, RecursionError, UnsupportedAlgorithm)
_HOW_TO_MAKE_ONE = "make one with `openssl genpkey -algorithm ed25519 -out KEY.pem`"


class SignatureError(Exception):
    """What was given is not what that key signed; the message says in what."""


class KeyFileError(Exception):
    """A file holds no key to sign or verify with; the message says what to do."""


class Signer:
    """Signs with one Ed25519 key; what it signs names that key by the thumbprint of its public half."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.key_id = key_id(key.public_key())

    @classmethod
    def load(cls, path: Path) -> "Signer":
        """Read a private key in PEM (PKCS#8). Raises KeyFileError."""
        try:
            key = load_pem_private_key(_read(path), password=None)
        except _UNREADABLE as error:
            raise KeyFileError(f"{path} holds no unencrypted private key in PEM: {_HOW_TO_MAKE_ONE}") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise KeyFileError(f"{path} holds a private key, but none of Ed25519: {_HOW_TO_MAKE_ONE}")
        return cls(key)

    def sign(self, payload: bytes, typ: str) -> str:
        """A compact JWS (EdDSA); `typ` keeps one kind of document from passing as another."""
        return jwt.api_jws.encode(payload, self._key, algorithm="EdDSA", headers={"kid": self.key_id, "typ": typ})

    def public_jwk(self) -> str:
        """The public key as a JSON Web Key (RFC 8037)."""
        about = {"kid": self.key_id, "alg": "EdDSA", "use": "sig"}
        return canonical(_bare_jwk(self._key.public_key()) | about)


def verify(jws: str, public_key: Ed25519PublicKey, typ: str) -> bytes:
    """The payload of a compact JWS of this type, signed by this key.

    Raises:
        SignatureError: it is no JWS, of another type, names another key, or was altered.
    """
    _require_one_spelling(jws)
    try:
        decoded = jwt.api_jws.decode_complete(jws, public_key, algorithms=["EdDSA"])
    except jwt.InvalidTokenError as error:
        raise SignatureError(f"the signature does not hold under this key: {plain(str(error))}") from error
    if decoded["header"].get("typ") != typ:
        raise SignatureError(f"signed, but as {decoded['header'].get('typ')!r}, not as {typ!r}")
    if decoded["header"].get("kid") != key_id(public_key):
        raise SignatureError("signed, but it names another key")
    payload: bytes = decoded["payload"]
    return payload


def type_of(jws: str) -> str:
    """The `typ` that a compact JWS says it has, verified or not; empty where it says none."""
    return _said(jws, "typ")


def load_public_key(path: Path, jws: str = "") -> Ed25519PublicKey:
    """Read a public key, or the public half of a private one: PEM, a JSON Web Key, or a set of them.

    From a set with several keys it takes the one that `jws` names.

    Raises:
        KeyFileError: there is none, or it is not clear which.
    """
    content = _read(path)
    try:
        if content.lstrip().startswith(b"{"):
            return _chosen(_keys_of(json.loads(content)), jws, path)
        private = b"PRIVATE KEY" in content
        key = load_pem_private_key(content, None).public_key() if private else load_pem_public_key(content)
    except _UNREADABLE as error:
        raise KeyFileError(f"{path} holds no key in PEM and no JSON Web Key of Ed25519") from error
    if not isinstance(key, Ed25519PublicKey):
        raise KeyFileError(f"{path} holds a key, but none of Ed25519")
    return key


def key_id(key: Ed25519PublicKey) -> str:
    """The key's JWK thumbprint (RFC 7638, RFC 8037)."""
    return _base64url(bytes.fromhex(text_hash(canonical(_bare_jwk(key)))))


def _bare_jwk(key: Ed25519PublicKey) -> dict[str, str]:
    return {"crv": "Ed25519", "kty": "OKP", "x": _base64url(key.public_bytes(Encoding.Raw, PublicFormat.Raw))}


def _keys_of(document: dict[str, Any]) -> dict[str, Ed25519PublicKey]:
    """Ed25519 keys of a JSON Web Key or a set of them, by thumbprint: a `kid` that somebody wrote proves nothing."""
    found = [one for one in document.get("keys", [document]) if isinstance(one, dict) and one.get("crv") == "Ed25519"]
    keys = [Ed25519PublicKey.from_public_bytes(_decoded(str(one.get("x")))) for one in found]
    return {key_id(key): key for key in keys}


def _chosen(keys: dict[str, Ed25519PublicKey], jws: str, path: Path) -> Ed25519PublicKey:
    if not keys:
        raise KeyFileError(f"{path} is JSON, but holds no JSON Web Key of Ed25519")
    named = _named_key(jws)
    if named not in keys and len(keys) > 1:
        names = f"names key {plain(named, 100)}" if named else "names no key"
        raise KeyFileError(f"{path} holds {len(keys)} keys, and none is the one that signed: the signature {names}")
    return keys.get(named) or next(iter(keys.values()))


def _named_key(jws: str) -> str:
    return _said(jws, "kid")


def _said(jws: str, name: str) -> str:
    """A field of a header that nobody has verified; empty where there is none."""
    try:
        return str(json.loads(_decoded(jws.partition(".")[0])).get(name, ""))
    except (AttributeError, RecursionError, ValueError):
        return ""


def _require_one_spelling(jws: str) -> None:
    """Base64 has spare bits, and decoders skip strange characters: several texts would carry one signature."""
    parts = jws.split(".")
    try:
        exact = len(parts) == 3 and all(_base64url(_decoded(part)) == part for part in parts)
    except ValueError:
        exact = False
    if not exact:
        raise SignatureError("this is no compact JWS: three parts in base64url, joined by dots")


def _decoded(part: str) -> bytes:
    """Raises ValueError (binascii.Error and UnicodeEncodeError are such)."""
    return base64.b64decode(part.encode("ascii") + b"=" * (-len(part) % 4), b"-_", validate=True)


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read: {error.strerror}") from error
