"""Speaks to Assent over HTTP and a WebSocket as a browser does, and to the stand-in for Whereby."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, TypeVar

import httpx
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.sync.client import connect

Json = dict[str, Any]
T = TypeVar("T")

ANSWER_SECONDS = 20.0  # opening a room may mean asking Whereby
EVENT_SECONDS = 60.0  # the longest silence while something is transcribed
PAUSE = 0.1  # seconds between two looks


class UnexpectedError(Exception):
    """What came is not what must come; the message says both."""


def expect(holds: bool, expected: str, came: object) -> None:
    """Go on only if it holds."""
    if not holds:
        raise UnexpectedError(f"Expected {expected}.\nWhat came instead: {came}.")


def until(look: Callable[[], T], is_it: Callable[[T], bool], within: float, expected: str) -> T:
    """Look until it is as it should be; at most `within` seconds."""
    deadline = time.monotonic() + within
    while not is_it(seen := look()):
        expect(time.monotonic() < deadline, f"{expected} within {within:.0f} s", seen)
        time.sleep(PAUSE)
    return seen


class Assent:
    """The gateway, seen by somebody: the owner, a participant, or a stranger without a token."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url
        self.token = token
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.Client(base_url=url, timeout=ANSWER_SECONDS, trust_env=False)

    def seen_by(self, token: str | None) -> "Assent":
        """The same gateway for somebody else."""
        return Assent(self.url, token)

    def ask(self, method: str, path: str, body: Json | None = None, **headers: str) -> httpx.Response:
        """Whatever it answers. A header `idempotency_key` is sent as Idempotency-Key."""
        named = {name.replace("_", "-").title(): value for name, value in headers.items()}
        try:
            return self._client.request(method, path, json=body, headers={**self._headers, **named})
        except httpx.TransportError as error:
            raise UnexpectedError(f"Expected {method} {path} to be answered.\nWhat came instead: {error!r}.") from error

    def get(self, path: str) -> Json:
        """A JSON document."""
        return _json(self.ask("GET", path), 200)

    def post(self, path: str, body: Json | None = None, status: int = 200, **headers: str) -> Json:
        """What the gateway made of it."""
        return _json(self.ask("POST", path, body or {}, **headers), status)

    def events(self, path: str) -> Iterator[tuple[str, Json]]:
        """The events of a WebSocket, from the first one on, until the caller has enough of them."""
        address = self.url.replace("http", "ws", 1) + path
        try:
            with connect(address, additional_headers=self._headers, proxy=None) as socket:
                while True:
                    event = json.loads(socket.recv(timeout=EVENT_SECONDS))
                    yield event["event"], event["data"]
        except InvalidStatus as refused:
            said = (refused.response.body or b"").decode(errors="replace")
            raise UnexpectedError(f"Expected events from {path}.\nWhat came instead: {said}") from refused
        except (WebSocketException, OSError, TimeoutError) as error:
            raise UnexpectedError(f"Expected events from {path}.\nWhat came instead: {error!r}.") from error


class StandIn:
    """The levers of the stand-in for Whereby; see deploy.local.whereby."""

    def __init__(self, api_url: str) -> None:
        self._assent = Assent(api_url.removesuffix("/v1"))

    def rooms(self) -> list[Json]:
        """Every meeting with who is in it."""
        answer = self._assent.ask("GET", "/control/rooms")
        expect(
            answer.status_code == 200,
            f"the stand-in for Whereby at {self._assent.url} (unset ASSENT_WHEREBY_API_URL for the demo)",
            f"status {answer.status_code}",
        )
        return list(answer.json()["meetings"])

    def join(self, room: str, name: str, external_id: str, at: datetime) -> None:
        """Somebody comes, at that time."""
        body = {"displayName": name, "externalId": external_id, "at": at.isoformat()}
        self._assent.post(f"/control/rooms/{room}/join", body)

    def roles(self, room: str) -> list[str]:
        """What those in the room are: visitor, recorder …"""
        return [client["role"] for meeting in self.rooms() if meeting["room"] == room for client in meeting["clients"]]

    def end(self, room: str) -> Json:
        """Everybody leaves. Where the recording lies now."""
        recording = self._assent.post(f"/control/rooms/{room}/end")["recording"]
        expect(recording is not None, "the stand-in to drop a recording when the call ends", "none")
        return dict(recording)


def problem(answer: httpx.Response) -> str:
    """An answer in a few words: its status, and its reason where it is a problem."""
    if not answer.headers.get("Content-Type", "").endswith("json"):  # or +json, but not JSON Lines
        return f"status {answer.status_code}"
    document = answer.json()
    detail = f"{document.get('reason', '')}: {document.get('detail', '')}" if "reason" in document else document
    return f"status {answer.status_code}, {detail}"


def _json(answer: httpx.Response, status: int) -> Json:
    what = f"{answer.request.method} {answer.request.url.path} to answer {status}"
    expect(answer.status_code == status, what, problem(answer))
    return dict(answer.json())
