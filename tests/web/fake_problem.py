"""Errors of the gateway in memory, told as the API tells them."""

import json

from starlette.requests import Request
from starlette.responses import Response


class Problem(Exception):
    """An error as the API tells it."""

    def __init__(self, status: int, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.reason, self.detail = status, reason, detail


async def problem_json(_: Request, problem: Exception) -> Response:
    """The problem as JSON."""
    assert isinstance(problem, Problem)
    body = {"title": problem.reason, "status": problem.status, "reason": problem.reason, "detail": problem.detail}
    return Response(json.dumps(body), problem.status, media_type="application/problem+json")
