"""Signing in at the gateway in memory: the issuer's side is one redirect, the cookie is the token itself."""

from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.web.fake_tokens import OWNER_TOKEN, claims_of

COOKIE = "assent-session"


class FakeSession:
    """Whether people can sign in, and how their next visit to the issuer ends."""

    def __init__(self) -> None:
        self.is_offered = False
        self.failure = ""
        """What the first page is told instead, as `refused`."""
        self.name: str | None = None
        """What the issuer calls whoever is signed in."""

    @property
    def routes(self) -> list[Route]:
        """Who is signed in, signing in and signing out."""
        return [
            Route("/v1/session", self._get),
            Route("/v1/session", self._end, methods=["DELETE"]),
            Route("/v1/sign-in", self._sign_in),
        ]

    async def _get(self, request: Request) -> Response:
        claims = claims_of(request.cookies.get(COOKIE, ""))
        way = "/v1/sign-in" if self.is_offered else None
        who = {"subject": claims and claims["sub"], "name": self.name if claims else None}
        return JSONResponse({"sign_in_url": way, **who, "expires_at": None})

    async def _end(self, _: Request) -> Response:
        response = Response(status_code=204)
        response.delete_cookie(COOKIE)
        return response

    async def _sign_in(self, request: Request) -> Response:
        if self.failure:
            return RedirectResponse(f"/?sign-in={self.failure}", 303)
        response = RedirectResponse(request.query_params["return_to"], 303)
        response.set_cookie(COOKIE, OWNER_TOKEN, httponly=True)
        return response


def token_of(connection: HTTPConnection) -> str:
    """What was presented: a token, or else the cookie; empty where there is none."""
    offered = connection.scope.get("subprotocols", [])
    bearer = next((each.removeprefix("bearer.") for each in offered if each.startswith("bearer.")), "")
    header = connection.headers.get("Authorization", "").removeprefix("Bearer ")
    return bearer or header or connection.cookies.get(COOKIE, "")
