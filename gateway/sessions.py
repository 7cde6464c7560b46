"""Who signed in on our pages: cookies that only the gateway can make or read, and when they are believed.

A browser sends a cookie with whatever a page asks for, so a cookie counts only where the browser says that one of our
own pages asks: by its Origin, or by Sec-Fetch-Site for what has none.
"""

import base64
import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from starlette.requests import HTTPConnection
from starlette.responses import Response

from chassis.errors import PermissionDenied
from gateway.tokens import SignedIn

SESSION_COOKIE = "assent-session"
"""Its plain name, which `__Host-` may stand before."""
_SAFE = ("GET", "HEAD")
_HOUR = 3600


class Seal:
    """Encrypts and signs small claims for one purpose; the first secret seals, every one opens."""

    def __init__(self, secrets: Sequence[str], purpose: str) -> None:
        # A key of its own for each purpose: one kind of cookie can never pass for another.
        self._fernet = MultiFernet([Fernet(_key(secret, purpose)) for secret in secrets])

    def close(self, claims: dict[str, Any]) -> str:
        """The sealed claims, as a cookie takes them."""
        return self._fernet.encrypt(json.dumps(claims).encode()).decode()

    def open(self, sealed: str, seconds: int | None = None) -> dict[str, Any] | None:
        """What was sealed in the last `seconds`, or ever; None where it is not ours."""
        try:
            claims: dict[str, Any] = json.loads(self._fernet.decrypt(sealed.encode(), seconds))
        except InvalidToken:
            return None
        return claims


class Cookies:
    """Sets and reads cookies at the gateway's own address, out of the reach of scripts and of other hosts."""

    def __init__(self, gateway_url: str) -> None:
        self._is_secure = gateway_url.startswith("https:")

    def name(self, plain: str) -> str:
        """`__Host-`, where there is TLS, stops every other host from setting one like it."""
        return f"__Host-{plain}" if self._is_secure else plain

    def set(self, response: Response, plain: str, value: str, seconds: int) -> None:
        """Sent back by navigations from elsewhere (the way back from the issuer is one), and by our own pages."""
        response.set_cookie(
            self.name(plain), value, max_age=seconds, path="/", secure=self._is_secure, httponly=True, samesite="lax"
        )

    def drop(self, response: Response, plain: str) -> None:
        """Make the browser forget it."""
        self.set(response, plain, "", 0)

    def read(self, connection: HTTPConnection, plain: str) -> str:
        """Its value; empty where there is none, or more than one."""
        name = self.name(plain)
        values = [value for found, value in _cookies(connection) if found == name]
        return values[0] if len(values) == 1 else ""

    def names(self, connection: HTTPConnection, beginning: str) -> list[str]:
        """The plain names of those that are there and begin so."""
        prefix = self.name("")
        names = (name.removeprefix(prefix) for name, _ in _cookies(connection) if name.startswith(prefix))
        return [name for name in names if name.startswith(beginning)]


class Sessions:
    """The cookie that says who signed in. It ends by itself, or where the browser is told to forget it."""

    def __init__(
        self,
        *,
        secrets: Sequence[str],
        issuer: str,
        gateway_url: str,
        hours: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._seal = Seal(secrets, "session") if secrets else None
        self._cookies = Cookies(gateway_url)
        self._issuer = issuer
        self._own_origin = gateway_url
        self._seconds = int(hours * _HOUR)
        self._clock = clock

    def begin(self, response: Response, subject: str, name: str = "") -> None:
        """From this response on the browser is signed in; `name` is what to show."""
        assert self._seal is not None, "there is nothing to sign in with"
        claims = {"iss": self._issuer, "sub": subject, "name": name, "exp": self._clock() + self._seconds}
        self._cookies.set(response, SESSION_COOKIE, self._seal.close(claims), self._seconds)

    def end(self, response: Response) -> None:
        """From this response on the browser is not signed in."""
        self._cookies.drop(response, SESSION_COOKIE)

    def holder(self, connection: HTTPConnection) -> SignedIn | None:
        """Who signed in in this browser; None where nobody did.

        Raises PermissionDenied (ORIGIN_REFUSED) where something else than a page of ours asks with their cookie.
        """
        sealed = self._cookies.read(connection, SESSION_COOKIE)
        claims = self._seal.open(sealed) if self._seal and sealed else None
        if claims is None or claims["iss"] != self._issuer or claims["exp"] <= self._clock():
            return None
        if not self._is_asked_by_us(connection):
            detail = "a sign-in by cookie is for Assent's own pages: send Authorization: Bearer <token> instead"
            raise PermissionDenied(detail, reason="ORIGIN_REFUSED")
        return SignedIn(claims["sub"], claims["exp"], claims["name"])

    def _is_asked_by_us(self, connection: HTTPConnection) -> bool:
        headers = connection.headers
        if "origin" in headers:
            return headers["origin"] == self._own_origin
        if connection.scope["type"] == "websocket" or connection.scope["method"] not in _SAFE:
            return False
        # Somebody who follows a link to us, or types it, is no page of another origin that asks in their name.
        is_own = headers.get("sec-fetch-site", "none") in ("same-origin", "none")
        return is_own or headers.get("sec-fetch-mode") == "navigate"


def _cookies(connection: HTTPConnection) -> list[tuple[str, str]]:
    """Names and values exactly as they came: a name that only a kind reader takes for ours is another host's."""
    lines = ";".join(connection.headers.getlist("cookie"))
    pairs = (part.strip(" \t").partition("=") for part in lines.split(";"))
    return [(name, value) for name, _, value in pairs]


def _key(secret: str, purpose: str) -> bytes:
    derived = HKDF(SHA256(), length=32, salt=None, info=f"assent {purpose}".encode()).derive(secret.encode())
    return base64.urlsafe_b64encode(derived)
