"""Page tokens: where the last page ended, opaque to the caller (https://google.aip.dev/158)."""

import base64
import binascii
import json

from chassis.errors import InvalidArgument


def page_size(asked: int, *, default: int, most: int) -> int:
    """How many to return at most. Raises InvalidArgument (PAGE_SIZE_INVALID) below 0."""
    if asked < 0:
        raise InvalidArgument(f"page_size must be 1 to {most}", reason="PAGE_SIZE_INVALID")
    return min(asked or default, most)


def page_token(place: str) -> str:
    """The token that continues after `place`."""
    return base64.urlsafe_b64encode(json.dumps([place]).encode()).decode().rstrip("=")


def page_place(token: str) -> str:
    """Where a token continues; empty for the first page. Raises InvalidArgument (PAGE_TOKEN_INVALID)."""
    if not token:
        return ""
    try:
        match json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))):
            case [str(place)] if place:
                return place
    except (binascii.Error, ValueError):
        pass
    raise page_token_invalid()


def page_token_invalid() -> InvalidArgument:
    """It is none of ours."""
    return InvalidArgument("page_token is not one that a list returned: begin without it", reason="PAGE_TOKEN_INVALID")
