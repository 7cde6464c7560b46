"""The issuer as the place where people sign in: authorization code with PKCE (OpenID Connect Core, RFC 7636).

Everything that the issuer answers is checked against what was asked: the state and the browser by `sign_in`, the
issuer's name (RFC 9207), the ID token's signature, audience and nonce here.
"""

import asyncio
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Self
from urllib.parse import urlsplit

import httpx2
import jwt
import structlog
from authlib.integrations.httpx_client import AsyncOAuth2Client, OAuthError

from chassis.errors import Unauthenticated, Unavailable
from gateway.keys import ALGORITHMS, KeySet
from gateway.tokens import LONGEST_SUBJECT

log = structlog.get_logger()

_SECONDS = 5.0
"""For one answer of the issuer's."""
_METADATA_SECONDS = 3600.0
_LEAST_SECONDS = 1.0
"""Between two questions for a description that was not to be had."""
_LARGEST_METADATA = 1024 * 1024
_LONGEST_NAME = 100
_LONGEST_REFUSAL = 300


@dataclass(frozen=True)
class Flow:
    """One sign-in under way: what binds the issuer's answer to this browser, this request and this page."""

    state: str
    nonce: str
    verifier: str
    return_to: str

    @classmethod
    def begun(cls, return_to: str) -> Self:
        """A new one; each part is 256 bits or more of chance."""
        return cls(secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(48), return_to)

    def claims(self) -> dict[str, Any]:
        """As it is sealed into a cookie."""
        return asdict(self)


@dataclass(frozen=True)
class Person:
    """Somebody who signed in; `name` is what to show, empty where the issuer says none."""

    subject: str
    name: str


@dataclass(frozen=True)
class Client:
    """What the issuer knows our pages as."""

    client_id: str
    client_secret: str
    scope: str
    redirect_uri: str
    subject_claim: str = "sub"


class Provider:
    """One issuer. Its description is fetched when needed, and kept while it is away."""

    def __init__(
        self, issuer: str, client: Client, keys: KeySet, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._issuer = issuer
        self._client = client
        self._keys = keys
        self._clock = clock
        self._metadata: dict[str, Any] = {}
        self._asked_at = float("-inf")
        self._fetching = asyncio.Lock()
        self._refreshing: asyncio.Task[None] | None = None

    async def sign_in_url(self, flow: Flow) -> str:
        """Where to send the browser. Raises Unavailable."""
        metadata = await self._described()
        async with self._oauth(metadata) as oauth:
            url, _ = oauth.create_authorization_url(
                metadata["authorization_endpoint"], flow.state, flow.verifier, nonce=flow.nonce
            )
        return str(url)

    async def person(self, flow: Flow, code: str, issuer: str | None) -> Person:
        """Who signed in, for a code; `issuer` is who the answer says it is from.

        Raises Unauthenticated where the answer does not belong to what was asked, Unavailable.
        """
        metadata = await self._described()
        if issuer is None and metadata.get("authorization_response_iss_parameter_supported") is True:
            raise _refused("the answer names no issuer")
        if issuer not in (None, self._issuer):
            raise _refused("the answer is another issuer's")
        try:
            async with asyncio.timeout(_SECONDS), self._oauth(metadata) as oauth:
                token = await oauth.fetch_token(
                    metadata["token_endpoint"],
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=flow.verifier,
                    redirect_uri=self._client.redirect_uri,
                )
        except OAuthError as error:
            raise _refused(f"the code was refused: {error.error}: {error.description}"[:_LONGEST_REFUSAL]) from None
        except (httpx2.HTTPError, ValueError, TimeoutError) as error:
            raise _away(error) from None
        return self._person(await self._claims(token.get("id_token")), flow)

    async def _claims(self, token: object) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(str(token))
            algorithm, key_id = header.get("alg"), header.get("kid")
            if algorithm not in ALGORITHMS:
                raise _refused(f"the ID token is signed with {algorithm}")
            key = await self._keys.key(key_id if isinstance(key_id, str) else None, algorithm)
            return jwt.decode(
                str(token),
                key.key,
                algorithms=[algorithm],
                audience=self._client.client_id,
                issuer=self._issuer,
                options={"require": ["iss", "aud", "exp", "nonce", self._client.subject_claim], "verify_iat": False},
            )
        except (jwt.PyJWTError, TypeError) as error:
            raise _refused(f"the ID token is not good: {error}") from None

    def _person(self, claims: dict[str, Any], flow: Flow) -> Person:
        if not secrets.compare_digest(str(claims["nonce"]).encode(), flow.nonce.encode()):
            raise _refused("the ID token answers another request")
        # With several audiences only `azp` says who asked for it.
        alone = claims["aud"] in (self._client.client_id, [self._client.client_id])
        if claims.get("azp", self._client.client_id if alone else None) != self._client.client_id:
            raise _refused("the ID token was made for another client")
        subject = claims[self._client.subject_claim]
        if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_SUBJECT:
            raise _refused("the subject is empty, too long or no text")
        names = (claims.get(claim) for claim in ("name", "preferred_username", "email"))
        shown = next((name for name in names if isinstance(name, str) and name), "")
        return Person(subject, shown[:_LONGEST_NAME])

    def _oauth(self, metadata: dict[str, Any]) -> AsyncOAuth2Client:
        methods = metadata.get("token_endpoint_auth_methods_supported", "client_secret_basic")
        confidential = "client_secret_basic" if "client_secret_basic" in methods else "client_secret_post"
        return AsyncOAuth2Client(
            self._client.client_id,
            self._client.client_secret or None,
            token_endpoint_auth_method=confidential if self._client.client_secret else "none",
            scope=self._client.scope,
            redirect_uri=self._client.redirect_uri,
            code_challenge_method="S256",
            timeout=_SECONDS,
        )

    async def _described(self) -> dict[str, Any]:
        age = self._clock() - self._asked_at
        if self._metadata:
            if age >= _METADATA_SECONDS and not self._refreshing:
                # What it said last is good enough for whoever waits now.
                self._refreshing = asyncio.create_task(self._fetch(), name="issuer's description")
                self._refreshing.add_done_callback(self._refreshed)
            return self._metadata
        async with self._fetching:
            if not self._metadata and self._clock() - self._asked_at >= _LEAST_SECONDS:
                await self._fetch()
        if not self._metadata:
            raise Unavailable("the sign-in service cannot be reached: try again", reason="ISSUER_UNAVAILABLE")
        return self._metadata

    def _refreshed(self, _: "asyncio.Task[None]") -> None:
        self._refreshing = None

    async def _fetch(self) -> None:
        url = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
        try:
            async with asyncio.timeout(_SECONDS):
                self._metadata = self._checked(json.loads(await _read(url)))
        except (httpx2.HTTPError, ValueError, TypeError, KeyError, TimeoutError) as error:
            log.warning("issuer_not_described", url=url, error=f"{type(error).__name__}: {error}")
        self._asked_at = self._clock()

    def _checked(self, metadata: Any) -> dict[str, Any]:
        if metadata["issuer"] != self._issuer:
            raise ValueError(f"it calls itself {metadata['issuer']}: set ASSENT_OIDC_ISSUER to exactly that")
        # In the clear only where the issuer itself is: on one machine.
        schemes = ("https",) if self._issuer.startswith("https:") else ("https", "http")
        for name in ("authorization_endpoint", "token_endpoint"):
            parts = urlsplit(metadata[name]) if isinstance(metadata[name], str) else None
            if parts is None or parts.scheme not in schemes or not parts.hostname:
                raise ValueError(f"{name} is no address to send people or secrets to")
        if not isinstance(metadata.get("token_endpoint_auth_methods_supported", []), list):
            raise TypeError("token_endpoint_auth_methods_supported is no list")
        return dict(metadata)


async def _read(url: str) -> bytes:
    """What is there, up to a size that no description has. Raises httpx2.HTTPError, ValueError."""
    async with httpx2.AsyncClient(timeout=_SECONDS) as http, http.stream("GET", url) as response:
        response.raise_for_status()
        body = bytearray()
        async for part in response.aiter_bytes():
            body += part
            if len(body) > _LARGEST_METADATA:
                raise ValueError(f"larger than {_LARGEST_METADATA} bytes")
    return bytes(body)


def _refused(why: str) -> Unauthenticated:
    return Unauthenticated(why, reason="SIGN_IN_REFUSED")


def _away(error: Exception) -> Unavailable:
    log.warning("issuer_unavailable", error=f"{type(error).__name__}: {error}")
    return Unavailable("the sign-in service cannot be reached: try again", reason="ISSUER_UNAVAILABLE")
