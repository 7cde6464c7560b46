"""Lists as the API gives them out: a page at a time."""

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response


def page_of(name: str, items: Sequence[Any], request: Request, size: int = 50) -> Response:
    """The page that the request asks for, of at most `size` unless it asks for fewer."""
    at = int(request.query_params.get("page_token", "0"))
    end = at + int(request.query_params.get("page_size", size))
    token = str(end) if end < len(items) else ""
    return JSONResponse({name: list(items[at:end]), "next_page_token": token})
