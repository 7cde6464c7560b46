"""A meeting of somebody's with all that there may be of one, and every way there is to ask for it with a token."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
from assent.recording.v1 import recording_pb2
from assent.transcript.v1 import transcript_pb2
from fastapi.routing import APIWebSocketRoute

from gateway import sockets
from tests.gateway.backend import Backend
from tests.gateway.conftest import Stack, bearer

WHOSE_ID = ("room_name", "meeting_id", "recording_id", "transcript_id")
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/v1/rooms"): {"name": "taken-over"},
    ("PATCH", "/v1/rooms/{room_name}"): {"is_locked": True},
    ("POST", "/v1/meetings/{meeting_id}/consent"): {"consent_given": True},
    ("PATCH", "/v1/transcripts/{transcript_id}"): {"title": "taken over"},
    ("PATCH", "/v1/transcripts/{transcript_id}/segments/{index}"): {"text": "taken over"},
}
_READING = ("Get", "List", "Search", "Render", "Stream", "Export", "Verify")
_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Route:
    """One of the API's, as its description has it."""

    method: str
    path: str
    parameters: frozenset[str]

    def is_about(self, *names: str) -> bool:
        """Whether it takes such an id."""
        return any(f"{{{name}}}" in self.path for name in names)


@dataclass(frozen=True)
class Vault:
    """Ids of what there is, by the parameter's name, and the token of a participant who refused."""

    ids: dict[str, str]
    token: str

    @property
    def never_was(self) -> dict[str, str]:
        """Ids as long, of nothing."""
        return never_were(self.ids)


def routes_with_a_token(description: dict[str, Any]) -> list[Route]:
    """Whatever the OpenAPI document says takes a token, so that a new route is among them."""
    return [
        Route(method.upper(), path, frozenset(one["name"] for one in operation.get("parameters", ())))
        for path, operations in description["paths"].items()
        for method, operation in operations.items()
        if operation.get("security")
    ]


def socket_paths() -> Iterator[str]:
    """Of every WebSocket."""
    for route in sockets.router.routes:
        assert isinstance(route, APIWebSocketRoute)
        yield route.path


def never_were(ids: dict[str, str]) -> dict[str, str]:
    """Ids as long, of nothing."""
    return {name: letter * len(one) for letter, (name, one) in zip("wxyz", ids.items(), strict=True)}


async def made(stack: Stack) -> Vault:
    """A room, a meeting, a refusal, a recording that is erased, and a transcript with audio, all of owner-demo's."""
    number = next(_NUMBERS)
    opened = await stack.opened(f"vault-{number}")
    meeting_id, token = opened["meeting"]["id"], opened["participant"]["token"]
    ids = {
        "room_name": f"vault-{number}",
        "meeting_id": meeting_id,
        "recording_id": f"recording-{number}",
        "transcript_id": f"transcript-{number}",
    }
    path = f"/v1/meetings/{meeting_id}/consent"
    assert (await stack.http.post(path, json={"consent_given": False}, headers=bearer(token))).status_code == 200
    backend = stack.backend
    owned: dict[str, Any] = {"owner_id": "owner-demo", "meeting_ids": [meeting_id]}
    backend.recordings[ids["recording_id"]] = recording_pb2.Recording(recording_id=ids["recording_id"], **owned)
    backend.certificates |= {ids["recording_id"]: "a certificate", meeting_id: "a certificate"}
    segment = transcript_pb2.Segment(start_ms=0, end_ms=1, text="what was said")
    backend.transcripts[ids["transcript_id"]] = transcript_pb2.Transcript(
        transcript_id=ids["transcript_id"], segments=[segment], **owned
    )
    backend.audio[ids["transcript_id"]] = b"audio"
    return Vault(ids, token)


async def asked(
    http: httpx.AsyncClient, route: Route, ids: dict[str, str], headers: Any, params: dict[str, str] | None = None
) -> httpx.Response:
    """One request, right in all but perhaps who asks and for what."""
    path = route.path.format(**ids, index=0)
    return await http.request(
        route.method, path, json=BODIES.get((route.method, route.path)), headers=headers, params=params
    )


def seen(reply: httpx.Response, ids: dict[str, str]) -> tuple[int, str, list[tuple[str, str]], str]:
    """All that a response tells, but for the ids that were asked for, the request's id and the time of day."""
    headers = sorted((name, one) for name, one in reply.headers.items() if name not in ("date", "x-request-id"))
    text = reply.text
    for name, one in ids.items():
        text = text.replace(one, name)
    return reply.status_code, reply.reason_phrase, headers, text


def kept(backend: Backend) -> str:
    """All that may be changed."""
    tables = (
        backend.rooms, backend.meetings, backend.people, backend.answers, backend.requests, backend.recordings,
        backend.certificates, backend.transcripts, backend.audio,
    )  # fmt: skip
    # Looking up who answered leaves an empty list behind.
    return repr([{key: one for key, one in table.items() if one} for table in tables]) + repr(backend.editors)


def changing(calls: list[str]) -> list[str]:
    """Those that may change something: whatever is not known to read only."""
    return [name for name in calls if not name.startswith(_READING)]
