"""Tokens of the gateway in memory: an owner's, participants', receipts'."""

from typing import Any

import jwt

SECRET = "a-secret-of-the-fake-that-is-long-enough"
OWNER = "owner-demo"


def signed_in_token(sub: str, **claims: str) -> str:
    """A token of somebody whom the issuer knows."""
    return jwt.encode({"iss": "fake", "aud": "assent", "sub": sub, **claims}, SECRET, "HS256")


OWNER_TOKEN = signed_in_token(OWNER)


def participant_token(meeting_id: str, participant: str, issued_at: int = 0) -> str:
    """A token as the gateway issues it when a meeting is opened."""
    claims = {"iss": "assent", "aud": "assent-participant", "sub": participant, "meeting_id": meeting_id}
    return jwt.encode({**claims, "iat": issued_at}, SECRET, "HS256")


def receipt_token(meeting_id: str, participant: str) -> str:
    """The token in a receipt's link."""
    claims = {"iss": "assent", "aud": "assent-receipt", "sub": participant, "meeting_id": meeting_id}
    return jwt.encode(claims, SECRET, "HS256")


def claims_of(token: str) -> dict[str, Any] | None:
    """What a token says of itself; None where it is none of ours."""
    try:
        return jwt.decode(token, SECRET, ["HS256"], audience=["assent", "assent-participant", "assent-receipt"])
    except jwt.InvalidTokenError:
        return None
