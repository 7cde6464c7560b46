"""Tells whoever asks again that nothing has changed, and spares them the body (RFC 9110, section 13)."""

import hashlib
from typing import Annotated, Any

from fastapi import Header, Response
from pydantic import BaseModel

from gateway.ranges import names

ASK_EACH_TIME = "private, no-cache"
"""A browser may keep it, asks before each use, and is asked anew who they are; nobody else may keep it."""

IfNoneMatch = Annotated[
    str | None, Header(alias="If-None-Match", description="The `ETag` of what you have: 304 while it is the same.")
]

UNCHANGED: dict[int | str, dict[str, Any]] = {
    200: {"headers": {"ETag": {"description": "Of these very bytes.", "schema": {"type": "string"}}}},
    304: {"description": "It is still that of the If-None-Match header; without a body."},
}
"""Documents it in OpenAPI; to be given to a route among its `responses`."""


def shown(found: BaseModel, if_none_match: str | None, caching: str = ASK_EACH_TIME) -> Response:
    """What was found, as JSON, or 304 where whoever asks has it already."""
    return sent(found.model_dump_json().encode(), if_none_match, "application/json", caching)


def sent(body: bytes, if_none_match: str | None, media_type: str, caching: str = ASK_EACH_TIME) -> Response:
    """A body, or 304 in its place. Whether it may be seen, the caller has asked before: a 304 tells of it as well."""
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": caching}
    if names(if_none_match, etag, weakly=True):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=media_type)
