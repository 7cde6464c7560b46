"""Authorization codes: each stands for one sign-in, is good once, and not for long."""

import base64
import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

GOOD_FOR = 60.0  # seconds


@dataclass(frozen=True)
class Grant:
    """What a code stands for."""

    sub: str
    client_id: str
    redirect_uri: str
    challenge: str
    """The base64url of the SHA-256 of the verifier (RFC 7636, 4.2)."""
    nonce: str | None

    def belongs_to(self, client_id: str, redirect_uri: str, verifier: str) -> bool:
        """Whether whoever has the code is who asked for it."""
        digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        return (client_id, redirect_uri, digest) == (self.client_id, self.redirect_uri, self.challenge)


class Codes:
    """Those that were given out and not yet used, in memory. `now` tells seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._grants: dict[str, tuple[float, Grant]] = {}

    def give(self, grant: Grant) -> str:
        """A new code for this."""
        self._grants = {code: kept for code, kept in self._grants.items() if self._is_good(kept[0])}
        code = secrets.token_urlsafe(32)
        self._grants[code] = (self._now(), grant)
        return code

    def take(self, code: str) -> Grant | None:
        """What the code stands for, if it is good; from now on it is not."""
        given_at, grant = self._grants.pop(code, (float("-inf"), None))
        return grant if self._is_good(given_at) else None

    def _is_good(self, given_at: float) -> bool:
        return self._now() - given_at < GOOD_FOR
