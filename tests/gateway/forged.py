"""Tokens that must open nothing, each with the one fault that it may be told."""

import base64
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

import jwt

from tests.gateway.conftest import PARTICIPANT_SECRET
from tests.gateway.issuer import AUDIENCE, URL, Issuer

INVALID, EXPIRED, MISSING = "TOKEN_INVALID", "TOKEN_EXPIRED", "TOKEN_MISSING"


def by_hand(header: Any, claims: Any, secret: str = "") -> str:
    """A token that no library would make: `alg: none`, or a public key taken for a secret."""
    signed = b".".join(encoded(json.dumps(part).encode()) for part in (header, claims))
    signature = hmac.digest(secret.encode(), signed, "sha256") if secret else b""
    return (signed + b"." + encoded(signature)).decode()


def encoded(part: bytes) -> bytes:
    """As each part of a token is written."""
    return base64.urlsafe_b64encode(part).rstrip(b"=")


def forgeries(issuer: Issuer, meeting_id: str, elsewhere: Issuer | None = None) -> dict[str, tuple[str, str]]:
    """Every kind of token that is to be refused, and the reason; `elsewhere` serves keys of its own."""
    elsewhere = elsewhere or Issuer()
    now = int(time.time())
    good = {"iss": URL, "aud": AUDIENCE, "sub": "owner-demo", "exp": now + 600}
    mine = {"iss": "assent", "aud": "assent-participant", "sub": "p1", "meeting_id": meeting_id, "iat": now}
    found = dict(_shapeless(issuer))
    found |= dict(_by_no_key(issuer, good, mine))
    found |= dict(_by_a_key_of_their_own(elsewhere, good))
    found |= dict(_by_the_issuer(issuer))
    found |= dict(_by_the_participant_secret(good, mine))
    refused = {name: (token, INVALID) for name, token in found.items()}
    refused["expired"] = (issuer.token("owner-demo", expires_in=-5), EXPIRED)
    long_ago = jwt.encode({**mine, "exp": now - 5}, PARTICIPANT_SECRET, "HS256")
    refused["participant, expired"] = (long_ago, EXPIRED)
    return refused


def _shapeless(issuer: Issuer) -> Iterator[tuple[str, str]]:
    token = issuer.token("owner-demo")
    header, claims, signature = token.split(".")
    yield "not a token", "hello"
    yield "three parts of nothing", "a.b.c"
    yield "dots", ".."
    yield "of 8193 characters", "x" * 8193
    yield "of 20000 characters", "x" * 20_000
    yield "cut short", token[:-10]
    yield "without signature", f"{header}.{claims}."
    yield "without its last part", f"{header}.{claims}"
    yield "with a part too many", f"{token}.{signature}"
    yield "with another's signature", f"{header}.{claims}.{issuer.token('somebody').split('.')[2]}"
    yield "with other claims", f"{header}.{encoded(b'{}').decode()}.{signature}"
    yield "two tokens", f"{token},{token}"
    yield "nested beyond reason", f"{encoded(b'[' * 6000).decode()}.e30.x"
    yield "a list for a header", by_hand([], {})
    yield "a list for an alg", by_hand({"alg": ["HS256"]}, {})
    yield "no ASCII", "\x80\x81.\xff.é"


def _by_no_key(issuer: Issuer, good: dict[str, Any], mine: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for algorithm in ("none", "None", "NONE", "nOnE", ""):
        yield f"alg {algorithm!r}", by_hand({"alg": algorithm}, good)
        yield f"alg {algorithm!r}, participant", by_hand({"alg": algorithm}, mine)
    yield "no alg", by_hand({}, good)
    yield "alg hs256, written small", by_hand({"alg": "hs256"}, mine, PARTICIPANT_SECRET)
    for key_id in ("rs256", "es256", "eddsa"):
        public = json.dumps(issuer.public_key(key_id))
        yield f"HS256 by the public key {key_id}", by_hand({"alg": "HS256", "kid": key_id}, good, public)
        yield f"HS256 by the public key {key_id}, participant", by_hand({"alg": "HS256", "kid": key_id}, mine, public)
        pem = issuer.public_pem(key_id)
        yield f"HS256 by the PEM of {key_id}", by_hand({"alg": "HS256", "kid": key_id}, good, pem)


def _by_a_key_of_their_own(elsewhere: Issuer, good: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Right in all but who signed them; some say where the key for them is."""
    yield "another's key, same kid", elsewhere.token("owner-demo")
    key, public = elsewhere.keys["es256"][1], elsewhere.public_key("es256")
    headers: dict[str, dict[str, Any]] = {
        "no kid": {},
        "unknown kid": {"kid": "who"},
        "a path for a kid": {"kid": "../../../../dev/null"},
        "an address for a kid": {"kid": elsewhere.url},
        "SQL for a kid": {"kid": "' UNION SELECT 'a secret' --"},
        "a huge kid": {"kid": "k" * 4000},
        "jku": {"kid": "es256", "jku": elsewhere.url},
        "jku, unknown kid": {"kid": "who", "jku": elsewhere.url},
        "x5u": {"kid": "es256", "x5u": elsewhere.url},
        "jwk": {"jwk": public},
        "jwk, known kid": {"kid": "es256", "jwk": public},
        "x5c": {"kid": "es256", "x5c": ["TUlJQg=="]},
    }
    for name, header in headers.items():
        yield name, jwt.encode(good, key, "ES256", headers=header)


def _by_the_issuer(issuer: Issuer) -> Iterator[tuple[str, str]]:
    """Signed by whoever should, and yet not for us, not now, or of nobody."""
    now = int(time.time())
    wrong: dict[str, dict[str, Any]] = {
        "no exp": {"exp": None},
        "exp that is no number": {"exp": "tomorrow"},
        "exp without end": {"exp": float("inf")},
        "exp that is none": {"exp": float("nan")},
        "no sub": {"sub": None},
        "empty sub": {"sub": ""},
        "sub that is no text": {"sub": 7},
        "sub beyond reason": {"sub": "s" * 256},
        "no issuer": {"iss": None},
        "other issuer": {"iss": "https://else.example.org"},
        "issuer with more behind it": {"iss": URL + ".else.example.org"},
        "no audience": {"aud": None},
        "other audience": {"aud": "else"},
        "other audiences": {"aud": ["else", "other"]},
        "no audiences": {"aud": []},
        "our participants' audience": {"aud": "assent-participant"},
        "not yet": {"nbf": now + 600},
        "nbf that is no number": {"nbf": "later"},
    }
    for name, claims in wrong.items():
        yield name, issuer.token("owner-demo", **claims)
    algorithm, key = issuer.keys["es256"]
    good = {"iss": URL, "aud": AUDIENCE, "sub": "owner-demo", "exp": now + 600}
    for extension in (["more"], [], "exp"):
        header = {"kid": "es256", "crit": extension, "more": 1}
        yield f"crit {extension}", jwt.encode(good, key, algorithm, headers=header)


def _by_the_participant_secret(good: dict[str, Any], mine: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Where somebody had a secret like it, or signed with it what is none of its kinds."""
    yield "participant by another secret", jwt.encode(mine, "x" * 32, "HS256")
    yield "participant by no secret", by_hand({"alg": "HS256"}, mine)
    yield "owner by the participant secret", jwt.encode(good, PARTICIPANT_SECRET, "HS256")
    yield "HS512", jwt.encode(mine, PARTICIPANT_SECRET * 2, "HS512")
    wrong: dict[str, dict[str, Any]] = {
        "participant, other audience": {"aud": AUDIENCE},
        "participant, two audiences": {"aud": ["assent-participant", "assent-receipt"]},
        "participant, other issuer": {"iss": URL},
        "participant without meeting": {"meeting_id": None},
        "participant without id": {"sub": None},
    }
    for name, claims in wrong.items():
        given = {key: value for key, value in {**mine, **claims}.items() if value is not None}
        yield name, jwt.encode(given, PARTICIPANT_SECRET, "HS256")
