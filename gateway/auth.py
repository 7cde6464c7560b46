"""Who is asking: what routes depend on."""

from typing import Annotated

from fastapi import Depends, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from chassis.errors import PermissionDenied, Unauthenticated
from gateway.parts import Gateway
from gateway.tokens import Identity, Participant, SignedIn

_bearer = HTTPBearer(
    auto_error=False,
    bearerFormat="JWT",
    description="An owner's JWT from the OIDC issuer, or the participant token that opening a meeting returned.",
)


async def _anyone(
    gateway: Gateway, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
) -> Identity | None:
    return await gateway.tokens.identify(credentials.credentials) if credentials else None


async def _known(identity: Annotated[Identity | None, Depends(_anyone)]) -> Identity:
    if identity is None:
        raise token_missing()
    return identity


async def _signed_in(identity: Annotated[Identity, Depends(_known)]) -> SignedIn:
    if isinstance(identity, Participant):
        raise PermissionDenied("a participant token does not do here: sign in as the owner", reason="OWNER_ONLY")
    return identity


Anyone = Annotated[Identity | None, Depends(_anyone)]
"""Somebody, or nobody we know; a token that is there must be good."""
Known = Annotated[Identity, Depends(_known)]
"""A participant or a signed-in user; otherwise 401."""
Owner = Annotated[SignedIn, Depends(_signed_in)]
"""A signed-in user; 401 without a token, 403 (OWNER_ONLY) with a participant's. What they own, each route asks."""


def token_missing() -> Unauthenticated:
    """Nobody said who they are."""
    return Unauthenticated("send Authorization: Bearer <token>", reason="TOKEN_MISSING")
