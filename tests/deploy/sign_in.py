"""Somebody in front of the local issuer, in the tests' own process."""

import base64
import hashlib
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

import httpx

from deploy.local.issuer.__main__ import application
from deploy.local.issuer.clients import Client
from deploy.local.issuer.codes import Codes
from deploy.local.issuer.stand_in import Issuer

GATEWAY = "http://127.0.0.1:8080"
CALLBACK = f"{GATEWAY}/v1/sign-in/callback"
SECRET = "a secret: with + and % in it"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
ASKED = {
    "response_type": "code",
    "client_id": "assent-pages",
    "redirect_uri": CALLBACK,
    "scope": "openid",
    "state": "a state & more",
    "nonce": "once",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}
SIGN_IN = {"sub": "ana", "decision": "sign-in"}
Given = Mapping[str, str | None]


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Browser:
    """Somebody in front of the issuer, and the gateway behind it."""

    def __init__(self, issuer: Issuer, secret: str | None) -> None:
        self.clock = Clock()
        self.issuer = issuer
        client = Client.of_gateway(GATEWAY, "assent-pages", secret)
        app = application(self.issuer.key, self.issuer.url, client, Codes(self.clock))
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=self.issuer.url)

    async def ask(self, changed: Given, said: Mapping[str, str] | None = None) -> httpx.Response:
        """GET /authorize, or POST what was said there."""
        asked = _changed(ASKED, changed)
        if said is None:
            return await self.http.get("/authorize", params=asked)
        return await self.http.post("/authorize", params=asked, data=dict(said))

    async def code(self, sub: str = "ana") -> str:
        return sent_back(await self.ask({}, SIGN_IN | {"sub": sub}))["code"]

    async def redeem(self, code: str, changed: Given, auth: tuple[str, str] | None = None) -> httpx.Response:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
            "client_id": "assent-pages",
            "client_secret": SECRET,
        }
        return await self.http.post("/token", data=_changed(form, changed), auth=auth or httpx.USE_CLIENT_DEFAULT)


def _changed(these: Mapping[str, str], changed: Given) -> dict[str, str]:
    return {name: value for name, value in {**these, **changed}.items() if value is not None}


def sent_back(response: httpx.Response) -> dict[str, str]:
    """What the gateway is told by way of the browser."""
    assert response.status_code == 303
    target = urlsplit(response.headers["Location"])
    assert f"{target.scheme}://{target.netloc}{target.path}" == CALLBACK
    return dict(parse_qsl(target.query, strict_parsing=True))
