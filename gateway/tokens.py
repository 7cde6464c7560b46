"""Who a bearer token is: a signed-in user by the issuer's JWT, a participant or a receipt's holder by one of ours."""

import hashlib
import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import jwt

from chassis.errors import Unauthenticated
from gateway.keys import ALGORITHMS, KeySet

_OWN_ISSUER = "assent"
_PARTICIPANT_AUDIENCE = "assent-participant"
_RECEIPT_AUDIENCE = "assent-receipt"
_PARTICIPANT_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")
_LONGEST_TOKEN = 8192
LONGEST_SUBJECT = 255
"""Characters of a `sub`, by OpenID Connect."""
_REMEMBERED = 10_000


@dataclass(frozen=True)
class SignedIn:
    """Somebody whom the issuer knows; the owner of what bears their `sub`."""

    subject: str
    expires_at: float
    name: str = ""
    """To be shown; it decides nothing."""

    @property
    def participant_id(self) -> str:
        """Who they are in a meeting: the `sub`, or where that is no Whereby externalId, a digest that always is."""
        if _PARTICIPANT_ID.fullmatch(self.subject):
            return self.subject
        return "u_" + hashlib.sha256(self.subject.encode()).hexdigest()[:34]


@dataclass(frozen=True)
class Participant:
    """The holder of a token that we issued for one meeting."""

    meeting_id: str
    participant_id: str
    expires_at: float = float("inf")


@dataclass(frozen=True)
class ReceiptHolder:
    """The holder of a receipt's link: may see and change that one answer, and nothing else.

    A kind of its own, no Participant with less: what does not know it refuses it.
    """

    meeting_id: str
    participant_id: str
    expires_at: float = float("inf")


Person = SignedIn | Participant
"""Somebody who may see a meeting."""
Identity = Person | ReceiptHolder
"""Whoever holds a good token."""


class Tokens:
    """Checks bearer tokens, and issues those of participants and receipts.

    The first of `participant_secrets` signs ours; those after it are good for as long as they are listed.
    """

    def __init__(
        self,
        keys: KeySet,
        *,
        issuer: str,
        audience: str,
        subject_claim: str = "sub",
        participant_secrets: Sequence[str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._subject_claim = subject_claim
        self._secrets = participant_secrets
        self._clock = clock
        self._known: dict[str, Identity] = {}

    async def identify(self, token: str) -> Identity:
        """Who holds this token. Raises Unauthenticated (TOKEN_INVALID, TOKEN_EXPIRED), Unavailable as `KeySet.key`."""
        if known := self.remembered(token):
            return known
        identity = await self._verify(token)
        while len(self._known) >= _REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[token] = identity
        return identity

    def remembered(self, token: str) -> Identity | None:
        """Who holds this token, where it was found good before and still is."""
        known = self._known.get(token)
        return known if known is not None and known.expires_at > self._clock() else None

    def issue(self, meeting_id: str, participant_id: str) -> str:
        """A token that says who somebody is in one meeting. It never expires: an answer may be changed years later."""
        claims = _own_claims(_PARTICIPANT_AUDIENCE, meeting_id, participant_id)
        return jwt.encode({**claims, "iat": int(self._clock())}, self._secrets[0], "HS256")

    def issue_receipt(self, meeting_id: str, participant_id: str) -> str:
        """A token for a receipt's link. It never expires, and is the same each time: a link once kept stays good."""
        return jwt.encode(_own_claims(_RECEIPT_AUDIENCE, meeting_id, participant_id), self._secrets[0], "HS256")

    async def _verify(self, token: str) -> Identity:
        if len(token) > _LONGEST_TOKEN:
            raise _invalid()
        try:
            header = jwt.get_unverified_header(token)
            # The header chooses who checks; each checker then pins its own algorithms and key.
            if header.get("alg") == "HS256":
                return self._own(token)
            if header.get("alg") in ALGORITHMS:
                return await self._signed_in(token, header)
        except jwt.ExpiredSignatureError:
            raise Unauthenticated("the token has expired: sign in again", reason="TOKEN_EXPIRED") from None
        except (jwt.PyJWTError, ValueError, TypeError):
            raise _invalid() from None
        raise _invalid()

    def _own(self, token: str) -> Participant | ReceiptHolder:
        claims = _signed_by_one_of(self._secrets, token)
        # One audience makes one kind; a list of them, which we never issue, makes none.
        kind = _OWN_KINDS.get(claims["aud"]) if isinstance(claims["aud"], str) else None
        if kind is None:
            raise _invalid()
        return kind(str(claims["meeting_id"]), claims["sub"])

    async def _signed_in(self, token: str, header: dict[str, object]) -> SignedIn:
        key_id, algorithm = header.get("kid"), str(header["alg"])
        key = await self._keys.key(key_id if isinstance(key_id, str) else None, algorithm)
        claims = jwt.decode(
            token,
            key.key,
            algorithms=[algorithm],
            audience=self._audience,
            issuer=self._issuer,
            # An issuer's clock a little ahead of ours is no reason to refuse.
            options={"require": ["iss", "aud", self._subject_claim, "exp"], "verify_iat": False},
        )
        subject = claims[self._subject_claim]
        if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_SUBJECT:
            raise _invalid()
        return SignedIn(subject, float(claims["exp"]))


_OWN_KINDS: dict[str, type[Participant | ReceiptHolder]] = {
    _PARTICIPANT_AUDIENCE: Participant,
    _RECEIPT_AUDIENCE: ReceiptHolder,
}


def _signed_by_one_of(secrets: Sequence[str], token: str) -> dict[str, Any]:
    """The claims of a token of ours. Raises jwt.PyJWTError."""
    for secret in secrets:
        with suppress(jwt.InvalidSignatureError):
            return jwt.decode(
                token,
                secret,
                algorithms=["HS256"],
                audience=_OWN_KINDS.keys(),
                issuer=_OWN_ISSUER,
                options={"require": ["iss", "aud", "sub", "meeting_id"], "verify_iat": False},
            )
    raise jwt.InvalidSignatureError


def _own_claims(audience: str, meeting_id: str, participant_id: str) -> dict[str, object]:
    return {"iss": _OWN_ISSUER, "aud": audience, "sub": participant_id, "meeting_id": meeting_id}


def _invalid() -> Unauthenticated:
    return Unauthenticated("the token is not valid here: sign in, or open the room again", reason="TOKEN_INVALID")
