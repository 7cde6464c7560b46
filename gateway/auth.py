"""Who is asking: what routes depend on."""

from typing import Annotated

from fastapi import Depends, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import HTTPConnection

from chassis.errors import PermissionDenied, Unauthenticated
from gateway.access import ensure_person
from gateway.parts import Gateway
from gateway.tokens import Identity, Participant, Person, SignedIn

_bearer = HTTPBearer(
    auto_error=False,
    bearerFormat="JWT",
    description="An owner's JWT from the OIDC issuer, or the participant token that opening a meeting returned. The "
    "token in a receipt's link does for that answer and its receipt alone.",
)


async def _whoever(
    connection: HTTPConnection,
    gateway: Gateway,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
) -> Identity | None:
    if credentials:
        return await gateway.tokens.identify(credentials.credentials)
    # Whoever says who they are means that, and not who signed in in this browser.
    return None if "authorization" in connection.headers else gateway.sessions.holder(connection)


async def _answerer(identity: Annotated[Identity | None, Depends(_whoever)]) -> Identity:
    if identity is None:
        raise token_missing()
    return identity


async def _anyone(identity: Annotated[Identity | None, Depends(_whoever)]) -> Person | None:
    return ensure_person(identity) if identity else None


async def _known(identity: Annotated[Identity, Depends(_answerer)]) -> Person:
    return ensure_person(identity)


async def _signed_in(identity: Annotated[Person, Depends(_known)]) -> SignedIn:
    if isinstance(identity, Participant):
        raise PermissionDenied("a participant token does not do here: sign in as the owner", reason="OWNER_ONLY")
    return identity


# Only a route that asks for an Answerer takes a receipt's token: every other one refuses it (403, RECEIPT_ONLY).
Answerer = Annotated[Identity, Depends(_answerer)]
"""A participant, a signed-in user or the holder of a receipt's link; otherwise 401."""
Anyone = Annotated[Person | None, Depends(_anyone)]
"""Somebody, or nobody we know; a token that is there must be good."""
Known = Annotated[Person, Depends(_known)]
"""A participant or a signed-in user; otherwise 401."""
Owner = Annotated[SignedIn, Depends(_signed_in)]
"""A signed-in user; 401 without a token, 403 (OWNER_ONLY) with a participant's. What they own, each route asks."""


def token_missing() -> Unauthenticated:
    """Nobody said who they are."""
    return Unauthenticated("sign in, or send Authorization: Bearer <token>", reason="TOKEN_MISSING")
