"""An issuer that people sign in at: codes and ID tokens as OpenID Connect has them, or wrong where a test asks."""

import asyncio
import base64
import hashlib
import secrets
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.gateway.issuer import Issuer

CLIENT_ID = "assent-pages"
CLIENT_SECRET = "a client secret: with signs"


class SignInIssuer(Issuer):
    """`origin` is where it is served, and who it says it is."""

    def __init__(self) -> None:
        super().__init__()
        self.origin = ""
        self.metadata: dict[str, Any] = {}
        """Said otherwise, or left out where None."""
        self.claims: dict[str, Any] = {}
        """Of the next ID tokens, said otherwise, or left out where None."""
        self.id_token: str | None = None
        """Instead of the one that belongs there."""
        self.token_failure: Response | None = None
        self.described = 0
        self.hangs = asyncio.Event()
        """Cleared: its description is asked for, and does not come."""
        self.hangs.set()
        self._asked: dict[str, dict[str, str]] = {}
        self.app.router.routes += [
            Route("/.well-known/openid-configuration", self._describe),
            Route("/token", self._token, methods=["POST"]),
        ]

    def approve(self, sign_in_url: str, subject: str = "owner-demo", **changes: str | None) -> str:
        """Somebody signs in there; the address that their browser is sent back to."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(sign_in_url).query).items()}
        assert sign_in_url.startswith(f"{self.origin}/authorize?")
        assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
        assert asked["client_id"] == CLIENT_ID
        assert "openid" in asked["scope"].split()
        code = secrets.token_urlsafe(8)
        self._asked[code] = {**asked, "subject": subject}
        answer = {"code": code, "state": asked["state"], "iss": self.origin, **changes}
        kept = {name: value for name, value in answer.items() if value is not None}
        return f"{asked['redirect_uri']}?{urlencode(kept)}"

    async def _describe(self, _: Request) -> Response:
        await self.hangs.wait()
        self.described += 1
        if self.is_away:
            return Response(status_code=502)
        document = {
            "issuer": self.origin,
            "authorization_endpoint": f"{self.origin}/authorize",
            "token_endpoint": f"{self.origin}/token",
            "authorization_response_iss_parameter_supported": True,
            **self.metadata,
        }
        return JSONResponse({name: value for name, value in document.items() if value is not None})

    async def _token(self, request: Request) -> Response:
        if self.token_failure:
            return self.token_failure
        form = dict(parse_qsl((await request.body()).decode()))
        asked = self._asked.pop(form["code"], None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest())
        known = request.headers["authorization"] == _basic(CLIENT_ID, CLIENT_SECRET)
        if not known or not asked or challenge.rstrip(b"=").decode() != asked["code_challenge"]:
            return JSONResponse({"error": "invalid_grant"}, 400)
        assert form["redirect_uri"] == asked["redirect_uri"]
        claims = {"iss": self.origin, "aud": CLIENT_ID, "nonce": asked["nonce"], **self.claims}
        token = self.id_token or self.token(asked["subject"], **claims)
        return JSONResponse({"access_token": "x", "token_type": "Bearer", "id_token": token})


def _basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()
