"""Signing in on the pages: to the issuer and back, who is signed in, and signing out."""

import re
import secrets
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlencode

import structlog
from fastapi import APIRouter, Query, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, Field
from starlette.requests import HTTPConnection, Request

from chassis.errors import NotFound, ServiceError, Unauthenticated, Unavailable
from gateway.parts import Gateway, Parts
from gateway.problems import may_fail
from gateway.provider import Flow, Provider
from gateway.sessions import Cookies, Seal
from gateway.settings import Settings

log = structlog.get_logger()
router = APIRouter(tags=["sign-in"])

BEGIN, CALLBACK = "/v1/sign-in", "/v1/sign-in/callback"
_MINUTES = 10
"""To sign in at the issuer."""
_COOKIE = "assent-sign-in-"
_MOST_AT_ONCE = 4
# A path of ours: nothing that a browser could take for another host, and not this way round again.
_OWN_PATH = re.compile(r"/(?![/\\]|v1/sign-in)[\x21-\x5b\x5d-\x7e]{0,511}")
_NO_STORE = {"Cache-Control": "no-store"}


class SignIn:
    """The sign-ins under way, each in a cookie of the browser that began it."""

    def __init__(self, provider: Provider, settings: Settings) -> None:
        self.provider = provider
        self._seal = Seal(settings.session_secrets, "sign-in")
        self._cookies = Cookies(settings.gateway_url)

    def keep(self, request: HTTPConnection, response: Response, flow: Flow) -> None:
        """Until the issuer's answer comes, in this browser alone."""
        under_way = self._cookies.names(request, _COOKIE)
        # Another page could begin them by the dozen, until the browser's requests are too large for anybody.
        for name in under_way if len(under_way) >= _MOST_AT_ONCE else ():
            self._cookies.drop(response, name)
        self._cookies.set(response, _cookie_of(flow.state), self._seal.close(flow.claims()), _MINUTES * 60)

    def kept(self, request: HTTPConnection, state: str) -> Flow | None:
        """The sign-in that this browser began with this state; None where it began none, or too long ago."""
        sealed = self._cookies.read(request, _cookie_of(state))
        claims = self._seal.open(sealed, _MINUTES * 60) if sealed else None
        flow = Flow(**claims) if claims else None
        return flow if flow and secrets.compare_digest(flow.state.encode(), state.encode()) else None

    def drop(self, response: Response, state: str) -> None:
        """An answer counts once."""
        self._cookies.drop(response, _cookie_of(state))


class Session(BaseModel):
    """Who is signed in in this browser, by cookie."""

    sign_in_url: str | None = Field(description="Where to sign in, with `?return_to=/path`; null where nobody can.")
    subject: str | None = Field(description="The issuer's `sub`; null where nobody is signed in.")
    name: str | None = Field(description="What to show for them; null where the issuer says none.")
    expires_at: datetime | None


@router.get(BEGIN, status_code=303, response_class=RedirectResponse, responses=may_fail(404, 429))
async def sign_in(
    request: Request,
    gateway: Gateway,
    return_to: Annotated[str, Query(description="The page to come back to: a path of ours.")] = "/",
) -> Response:
    """Go to the issuer to sign in, and come back signed in: for a browser, which is sent on with 303."""
    way = _way(gateway)
    gateway.limits.sign_in(request.client.host if request.client else None)
    flow = Flow.begun(return_to if _OWN_PATH.fullmatch(return_to) else "/")
    try:
        response = _sent_to(await way.provider.sign_in_url(flow))
    except Unavailable:
        return _sent_home("unavailable")
    way.keep(request, response, flow)
    return response


@router.get(CALLBACK, status_code=303, response_class=RedirectResponse, responses=may_fail(404, 429))
async def signed_in(
    request: Request,
    gateway: Gateway,
    state: str = "",
    code: str = "",
    iss: str | None = None,
    error: str = "",
    error_description: str = "",
) -> Response:
    """Where the issuer sends people back to; not to be called by anybody else."""
    way = _way(gateway)
    flow = way.kept(request, state)
    if flow is None:
        return _sent_home("expired")
    gateway.limits.sign_in(request.client.host if request.client else None)
    if error:
        log.info("sign_in_ended", error=error[:64], description=error_description[:300])
        response = _sent_home("refused" if error == "access_denied" else "failed")
    else:
        response = await _finished(gateway, way, flow, code, iss)
    way.drop(response, state)
    return response


@router.get("/v1/session", responses=may_fail(403))
async def get_session(connection: HTTPConnection, gateway: Gateway, response: Response) -> Session:
    """Whether this browser is signed in, and where to."""
    response.headers.update(_NO_STORE)
    holder = gateway.sessions.holder(connection)
    return Session(
        sign_in_url=BEGIN if gateway.sign_in else None,
        subject=holder.subject if holder else None,
        name=(holder.name or None) if holder else None,
        expires_at=datetime.fromtimestamp(holder.expires_at, UTC) if holder else None,
    )


@router.delete("/v1/session", status_code=204, responses=may_fail(403))
async def sign_out(connection: HTTPConnection, gateway: Gateway) -> Response:
    """Sign out in this browser. The issuer is not told: there, somebody may stay signed in."""
    gateway.sessions.holder(connection)  # another origin's page must not sign anybody out
    response = Response(status_code=204, headers=_NO_STORE)
    gateway.sessions.end(response)
    return response


async def _finished(parts: Parts, way: SignIn, flow: Flow, code: str, issuer: str | None) -> RedirectResponse:
    try:
        person = await way.provider.person(flow, code, issuer)
    except Unauthenticated as refusal:
        log.warning("sign_in_refused", reason=refusal.message)
        return _sent_home("failed")
    except ServiceError:
        return _sent_home("unavailable")
    response = _sent_to(flow.return_to)
    parts.sessions.begin(response, person.subject, person.name)
    return response


def _way(parts: Parts) -> SignIn:
    if parts.sign_in is None:
        raise NotFound("nobody can sign in on these pages: present a token", reason="SIGN_IN_NOT_CONFIGURED")
    return parts.sign_in


def _sent_home(why: str) -> RedirectResponse:
    return _sent_to(f"/?{urlencode({'sign-in': why})}")


def _sent_to(url: str) -> RedirectResponse:
    return RedirectResponse(url, 303, _NO_STORE)


def _cookie_of(state: str) -> str:
    # One for each sign-in: a second tab must not end the first one's.
    return _COOKIE + state[:8]
