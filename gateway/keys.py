"""Keeps the issuer's public keys (JWKS, RFC 7517): fetched when needed, kept while the issuer is away."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx
import jwt
import structlog

from chassis.errors import Unauthenticated, Unavailable

log = structlog.get_logger()

ALGORITHMS = ("RS256", "ES256", "EdDSA")
"""Signatures by a private key, and nothing else: a symmetric one could be forged with the published key."""


class KeySet:
    """The keys behind one JWKS address. `least` and `longest` are seconds between two fetches."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        url: str,
        *,
        least: float = 10.0,
        longest: float = 3600.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = http
        self._url = url
        self._least = least
        self._longest = longest
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._asked_at = float("-inf")
        self._is_away = False
        self._fetching = asyncio.Lock()

    async def key(self, key_id: str | None, algorithm: str) -> jwt.PyJWK:
        """The key that a token names.

        Raises Unauthenticated (TOKEN_INVALID) where there is none, Unavailable (ISSUER_UNAVAILABLE) where the
        issuer cannot be asked whether there is one.
        """
        age = self._clock() - self._asked_at
        found = self._find(key_id, algorithm)
        if age >= self._longest or (found is None and age >= self._least):
            await self._fetch()
            found = self._find(key_id, algorithm)
        if found is not None:
            return found
        if self._is_away:
            raise Unavailable("the sign-in service cannot be reached: try again", reason="ISSUER_UNAVAILABLE")
        raise Unauthenticated("the token's key is not one of the issuer's: sign in again", reason="TOKEN_INVALID")

    def _find(self, key_id: str | None, algorithm: str) -> jwt.PyJWK | None:
        fitting = {name: key for name, key in self._keys.items() if key.algorithm_name == algorithm}
        if key_id is None:
            return next(iter(fitting.values())) if len(fitting) == 1 else None
        return fitting.get(key_id)

    async def _fetch(self) -> None:
        asked_before = self._asked_at
        async with self._fetching:
            if self._asked_at != asked_before:  # somebody else fetched while we waited
                return
            try:
                response = await self._http.get(self._url)
                response.raise_for_status()
                self._keys = _usable(response.json())
                self._is_away = False
            except (httpx.HTTPError, ValueError, TypeError, AttributeError) as error:
                self._is_away = True
                log.warning("keys_not_fetched", url=self._url, error=f"{type(error).__name__}: {error}")
            self._asked_at = self._clock()


def _usable(document: dict[str, Any]) -> dict[str, jwt.PyJWK]:
    keys: dict[str, jwt.PyJWK] = {}
    for number, entry in enumerate(document.get("keys", ())):
        try:
            key = jwt.PyJWK(entry)
        except jwt.PyJWTError as error:  # an issuer may publish kinds of keys that we do not use
            log.info("key_ignored", error=str(error))
            continue
        if key.algorithm_name in ALGORITHMS and entry.get("use", "sig") == "sig":
            keys[key.key_id or f"#{number}"] = key
    if not keys:
        raise ValueError("no usable key in the key set")
    return keys
