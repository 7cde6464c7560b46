"""Signs what an erasure found and proved, and verifies such a certificate without any service."""

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
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
from recording_svc.domain.recordings import Copy, CopyKind, Grounds, Recording, Revision
from recording_svc.remnants import Remnant, Sight

TYPE = "assent-erasure+jws"
MEETING_TYPE = "assent-meeting-erasure+jws"
VERSION = 1


class CertificateError(Exception):
    """The certificate is not what it claims to be; the message says in what."""


class KeyFileError(Exception):
    """A file holds no key to sign or verify with; the message says what to do."""


@dataclass(frozen=True)
class Proof:
    """Everything that a certificate states about one erased recording."""

    recording: Recording
    grounds: Grounds
    removed: Sequence[Remnant]
    copies: Sequence[Copy]
    sights: Sequence[Sight]
    issued_at: datetime


class Signer:
    """Signs with one Ed25519 key; certificates name it by the thumbprint of its public half."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self._key_id = key_id(key.public_key())

    @classmethod
    def load(cls, path: Path) -> "Signer":
        """Read a PEM file (PKCS#8). Raises KeyFileError, and OSError where it cannot be read."""
        key = _loaded(path, partial(load_pem_private_key, password=None))
        if not isinstance(key, Ed25519PrivateKey):
            raise KeyFileError(f"{path} is no Ed25519 private key: make one with `openssl genpkey -algorithm ed25519`")
        return cls(key)

    def sign(self, proof: Proof) -> str:
        """A compact JWS (RFC 7515, EdDSA) over the canonical JSON of the proof."""
        return self._signed(_statement(proof), TYPE)

    def sign_meeting(self, meeting_id: str, erased: Sequence[Recording], issued_at: datetime) -> str:
        """The same of a meeting: all its recordings, each with the hash of its own certificate.

        Raises ValueError where one is not erased, or where there is none.
        """
        if not erased or not all(recording.certificate for recording in erased):
            raise ValueError(f"meeting {meeting_id} has no recording, or one that is not erased")
        return self._signed(_meeting_statement(meeting_id, erased, issued_at), MEETING_TYPE)

    def _signed(self, statement: dict[str, Any], typ: str) -> str:
        headers = {"kid": self._key_id, "typ": typ}
        return jwt.api_jws.encode(_canonical(statement), self._key, algorithm="EdDSA", headers=headers)


def verify(certificate: str, *public_keys: Ed25519PublicKey) -> dict[str, Any]:
    """What a recording's certificate states. It names which of the keys signed it.

    Raises:
        CertificateError: not signed by one of them, altered, or its own statement shows that audio was left.
    """
    statement = _verified(certificate, public_keys, TYPE)
    if any(place["found"] for place in statement["listing"]):
        raise CertificateError("signed, but its listing is not empty")
    return statement


def verify_meeting(certificate: str, of_recordings: Sequence[str], *public_keys: Ed25519PublicKey) -> dict[str, Any]:
    """What a meeting's certificate states, and that these are the certificates of its recordings, all of them.

    Raises:
        CertificateError: one is not signed by one of these keys or altered, is not the meeting's, or is missing.
    """
    statement = _verified(certificate, public_keys, MEETING_TYPE)
    named = {recording["certificate_sha256"]: recording["recording_id"] for recording in statement["recordings"]}
    for one in of_recordings:
        recording_id = verify(one, *public_keys)["recording_id"]
        if named.pop(_sha256(one), None) != recording_id:
            raise CertificateError(
                f"the certificate of recording {recording_id} is not the one that the meeting's names"
            )
    if named:
        raise CertificateError(f"missing: the certificates of recordings {', '.join(sorted(named.values()))}")
    return statement


def is_of_meeting(certificate: str) -> bool:
    """Whether it says that it is a meeting's; true or not, only its verification tells."""
    try:
        return bool(jwt.get_unverified_header(certificate.strip()).get("typ") == MEETING_TYPE)
    except jwt.InvalidTokenError:
        return False


def _verified(certificate: str, public_keys: Sequence[Ed25519PublicKey], typ: str) -> dict[str, Any]:
    compact = certificate.strip()
    try:
        header = jwt.get_unverified_header(compact)
    except jwt.InvalidTokenError as error:
        raise CertificateError(f"this is no compact JWS: {plain(str(error))}") from error
    if header.get("typ") != typ:
        raise CertificateError(f"this is no erasure certificate of this kind (typ {header.get('typ')!r})")
    key = _named(header.get("kid", ""), public_keys)
    try:
        payload = jwt.api_jws.decode(compact, key, algorithms=["EdDSA"])
    except jwt.InvalidTokenError as error:
        raise CertificateError(f"the signature does not hold under this key: {plain(str(error))}") from error
    statement: dict[str, Any] = json.loads(payload)
    if statement.get("version") != VERSION:
        raise CertificateError(f"version {statement.get('version')!r} is unknown here: verify with a newer release")
    return statement


def _named(named: str, public_keys: Sequence[Ed25519PublicKey]) -> Ed25519PublicKey:
    key = next((one for one in public_keys if key_id(one) == named), None)
    if key is None:
        raise CertificateError(
            f"signed with key {plain(named) or '(it names none)'}, which was not given: give its public half with --key"
        )
    return key


def load_public_keys(paths: Iterable[Path]) -> list[Ed25519PublicKey]:
    """Read a key from each file, and from each *.pem of a folder. Raises as `load_public_key`."""
    keys = []
    for path in paths:
        files = sorted(path.glob("*.pem")) if path.is_dir() else [path]
        if not files:
            raise KeyFileError(f"{path} holds no *.pem")
        keys += [load_public_key(file) for file in files]
    return keys


def load_public_key(path: Path) -> Ed25519PublicKey:
    """Read a public key, or the public half of a private one, from PEM.

    Raises KeyFileError, and OSError where it cannot be read.
    """
    key = _loaded(path, _public_key)
    if not isinstance(key, Ed25519PublicKey):
        raise KeyFileError(f"{path} is no Ed25519 key")
    return key


def _public_key(pem: bytes) -> object:
    return load_pem_private_key(pem, None).public_key() if b"PRIVATE KEY" in pem else load_pem_public_key(pem)


def _loaded(path: Path, load: Callable[[bytes], object]) -> object:
    try:
        return load(path.read_bytes())
    except TypeError as error:
        raise KeyFileError(f"{path} is encrypted: give an unencrypted one, for verifying its public half") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyFileError(f"{path} holds no key in PEM") from error


def key_id(key: Ed25519PublicKey) -> str:
    """The key's JWK thumbprint (RFC 7638, RFC 8037)."""
    raw = _base64url(key.public_bytes(Encoding.Raw, PublicFormat.Raw))
    return _base64url(hashlib.sha256(_canonical({"crv": "Ed25519", "kty": "OKP", "x": raw})).digest())


def _statement(proof: Proof) -> dict[str, Any]:
    """Names objects, times and revisions, and no person: neither owner nor participant is in it."""
    recording = proof.recording
    return {
        "statement": "Every copy of this recording's audio was listed and found gone.",
        "version": VERSION,
        "recording_id": recording.recording_id,
        "meeting_ids": list(recording.match.meeting_ids),
        # Whether an operator said which meetings those were, as no evidence did.
        "meetings_named_by_hand": recording.match.by_hand,
        "transcript_id": recording.transcription.transcript_id,
        "object": {
            "bucket": recording.bucket,
            "key": recording.object_key,
            "version_id": recording.version_id,
            "size_bytes": recording.size_bytes,
            "discovered_at": _time(recording.discovered_at),
        },
        "grounds": _grounds(proof.grounds),
        "removed": [_remnant(one) for one in proof.removed],
        "scratch": [
            {"instance": copy.bucket, "path": copy.key, "wiped_at": copy.gone_at and _time(copy.gone_at)}
            for copy in proof.copies
            if copy.kind is CopyKind.SCRATCH
        ],
        "listing": [_sight(seen) for seen in proof.sights],
        "issued_at": _time(proof.issued_at),
    }


def _meeting_statement(meeting_id: str, erased: Sequence[Recording], issued_at: datetime) -> dict[str, Any]:
    return {
        "statement": "Every recording that was known of this meeting is erased, as its own certificate proves.",
        "version": VERSION,
        "meeting_id": meeting_id,
        "recordings": [
            {
                "recording_id": recording.recording_id,
                "object": {"bucket": recording.bucket, "key": recording.object_key, "version_id": recording.version_id},
                "erased_at": recording.erased_at and _time(recording.erased_at),
                "certificate_sha256": _sha256(recording.certificate),
            }
            for recording in sorted(erased, key=lambda one: (one.discovered_at, one.recording_id))
        ],
        "issued_at": _time(issued_at),
    }


def _sha256(certificate: str) -> str:
    return hashlib.sha256(certificate.strip().encode()).hexdigest()


def _grounds(grounds: Grounds) -> dict[str, Any]:
    return {
        "reason": grounds.reason,
        "decided_at": _time(grounds.decided_at),
        "refusals": _revisions(grounds.refusals),
        "rests_on": _revisions(grounds.rests_on),
        "deadline": grounds.deadline and _time(grounds.deadline),
    }


def _sight(seen: Sight) -> dict[str, Any]:
    return {
        "bucket": seen.place.bucket,
        "key": seen.place.key,
        "version_id": seen.place.version_id or "every version",
        "listed_at": _time(seen.listed_at),
        "found": [_remnant(one) for one in seen.remnants],
        "versions_of_other_recordings": list(seen.other_versions),
    }


def _remnant(one: Remnant) -> dict[str, Any]:
    return {
        "kind": one.kind.value,
        "bucket": one.bucket,
        "key": one.key,
        "version_id": one.version_id,
        "size_bytes": one.size_bytes,
        "modified_at": _time(one.modified_at),
    }


def _revisions(revisions: Sequence[Revision]) -> list[dict[str, Any]]:
    return [{"meeting_id": one.meeting_id, "revision": one.revision} for one in revisions]


def _canonical(statement: dict[str, Any]) -> bytes:
    return json.dumps(statement, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
