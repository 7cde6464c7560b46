"""The authorization endpoint: asks a person who they want to be, and sends the browser back with a code."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from deploy.local.issuer import page
from deploy.local.issuer.clients import Client, Repeated, read_parameters
from deploy.local.issuer.codes import Codes, Grant
from deploy.local.issuer.tokens import OWNER

S256 = re.compile(r"[A-Za-z0-9_-]{43}")
SUBJECT = re.compile(r"[!-~]{1,255}")  # OpenID Connect Core, 2: at most 255 ASCII characters


class Refused(Exception):
    """A request that is sent back to the client with this error (RFC 6749, 4.1.2.1)."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error


class Authorize:
    """`/authorize`. The page posts to its own address, so both methods are given the same query."""

    def __init__(self, issuer: str, client: Client, codes: Codes) -> None:
        self._issuer = issuer
        self._client = client
        self._codes = codes

    async def answer(self, request: Request) -> Response:
        """Show the page, or take what was said there."""
        parameters, repeated = _read(request)
        # Nothing may send a browser to an address that nobody registered, not even an error (RFC 6749, 4.1.2.1).
        if parameters.get("client_id") != self._client.id:
            return page.refused("The application that asks is not registered here (client_id).")
        if parameters.get("redirect_uri") != self._client.redirect_uri:
            return page.refused("The address to go back to is not the registered one (redirect_uri).")
        try:
            _check(parameters, repeated)
            if request.method == "POST":
                return await self._decided(request, parameters)
        except Refused as refused:
            return self._back(parameters, {"error": refused.error, "error_description": str(refused)})
        return page.question(OWNER, self._client.redirect_uri)

    async def _decided(self, request: Request, parameters: Mapping[str, str]) -> Response:
        try:
            form = read_parameters((await request.body()).decode())
        except (Repeated, UnicodeDecodeError):
            raise Refused("invalid_request", "the form cannot be read") from None
        if form.get("decision") != "sign-in":
            raise Refused("access_denied", "cancelled")
        sub = form.get("sub", "").strip()
        if not SUBJECT.fullmatch(sub):
            return page.question(sub, self._client.redirect_uri, wrong=True)
        grant = Grant(
            sub=sub,
            client_id=parameters["client_id"],
            redirect_uri=parameters["redirect_uri"],
            challenge=parameters["code_challenge"],
            nonce=parameters.get("nonce"),
        )
        return self._back(parameters, {"code": self._codes.give(grant)})

    def _back(self, parameters: Mapping[str, str], answer: dict[str, str]) -> Response:
        """To the client, with its `state` and, against mix-up, who we are (RFC 9207)."""
        state = {"state": parameters["state"]} if "state" in parameters else {}
        query = urlencode({**answer, **state, "iss": self._issuer})
        return RedirectResponse(f"{self._client.redirect_uri}?{query}", 303, headers=page.HEADERS)


def _read(request: Request) -> tuple[dict[str, str], bool]:
    """The parameters, and whether one was repeated: then only those are kept that came once."""
    try:
        return read_parameters(request.url.query), False
    except Repeated:
        once = {name for name in request.query_params if len(request.query_params.getlist(name)) == 1}
        return {name: request.query_params[name] for name in once}, True


def _check(parameters: Mapping[str, Any], repeated: bool) -> None:
    if repeated:
        raise Refused("invalid_request", "a parameter came more than once")
    if "response_type" not in parameters:
        raise Refused("invalid_request", "response_type is missing")
    if parameters["response_type"] != "code":
        raise Refused("unsupported_response_type", "response_type must be code")
    if "openid" not in parameters.get("scope", "").split():
        raise Refused("invalid_scope", "scope must have openid in it")
    if parameters.get("code_challenge_method") != "S256" or not S256.fullmatch(parameters.get("code_challenge", "")):
        raise Refused("invalid_request", "code_challenge is needed, with code_challenge_method S256 (RFC 7636)")
    if "none" in parameters.get("prompt", "").split():
        raise Refused("login_required", "somebody has to say who they want to be")
