"""The token endpoint: takes a code back, once, and answers with who signed in."""

from collections.abc import Mapping
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deploy.local.issuer.clients import Client, NotTheClient, Repeated, read_parameters
from deploy.local.issuer.codes import Codes, Grant
from deploy.local.issuer.tokens import AUDIENCE, mint

GOOD_FOR = 3600  # seconds, of both tokens
FORM = "application/x-www-form-urlencoded"
NOT_STORED = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class Refused(Exception):
    """An error as RFC 6749 (5.2) names it."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error = error
        self.status = status


class Redeem:
    """`/token`."""

    def __init__(self, key: Path, issuer: str, client: Client, codes: Codes) -> None:
        self._key = key
        self._issuer = issuer
        self._client = client
        self._codes = codes

    async def answer(self, request: Request) -> Response:
        """Both tokens, or the reason why not."""
        try:
            form = await _form(request)
            self._authenticate(request, form)
            grant = self._redeem(form)
        except Refused as refused:
            headers = NOT_STORED | ({"WWW-Authenticate": "Basic"} if refused.status == 401 else {})
            body = {"error": refused.error, "error_description": str(refused)}
            return JSONResponse(body, refused.status, headers)
        answer = {
            "token_type": "Bearer",
            "expires_in": GOOD_FOR,
            "scope": "openid",
            "access_token": mint(self._key, self._issuer, grant.sub, AUDIENCE, GOOD_FOR),
            "id_token": mint(self._key, self._issuer, grant.sub, self._client.id, GOOD_FOR, grant.nonce),
        }
        return JSONResponse(answer, headers=NOT_STORED)

    def _authenticate(self, request: Request, form: Mapping[str, str]) -> None:
        try:
            self._client.authenticate(request.headers.get("Authorization"), form)
        except NotTheClient as wrong:
            raise Refused("invalid_client", str(wrong), 401) from None

    def _redeem(self, form: Mapping[str, str]) -> Grant:
        if "grant_type" not in form:
            raise Refused("invalid_request", "grant_type is missing")
        if form["grant_type"] != "authorization_code":
            raise Refused("unsupported_grant_type", "grant_type must be authorization_code")
        if missing := [name for name in ("code", "redirect_uri", "code_verifier") if name not in form]:
            raise Refused("invalid_request", f"{', '.join(missing)} is missing")
        # Taken before it is looked at: whoever guesses at a code's verifier has one try.
        grant = self._codes.take(form["code"])
        if grant is None or not grant.belongs_to(self._client.id, form["redirect_uri"], form["code_verifier"]):
            raise Refused("invalid_grant", "the code is used, over, or somebody else's: sign in again")
        return grant


async def _form(request: Request) -> dict[str, str]:
    if request.headers.get("Content-Type", "").partition(";")[0].strip().lower() != FORM:
        raise Refused("invalid_request", f"the body must be {FORM}")
    try:
        return read_parameters((await request.body()).decode())
    except (Repeated, UnicodeDecodeError):
        raise Refused("invalid_request", "a parameter came more than once, or the body is not UTF-8") from None
