"""The part of Whereby's REST API that Assent uses."""

import hmac
import re
import secrets
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, get_args

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deploy.local.whereby.meetings import Destination, Meeting, Meetings, Trigger, now, room_name
from deploy.local.whereby.webhooks import rfc3339

Endpoint = Callable[[Request], Awaitable[Response]]


class Refused(Exception):
    """What the API does not accept: becomes 400 with this text."""


class Rest:
    """`/v1/meetings` and `/v1/insights/room-sessions`, behind a bearer key."""

    def __init__(self, meetings: Meetings, api_key: str, public_url: str) -> None:
        self._meetings = meetings
        self._api_key = api_key
        self._public_url = public_url

    def routes(self) -> list[Route]:
        """The endpoints."""
        return [
            Route("/v1/meetings", self._guarded(self.create), methods=["POST"]),
            Route("/v1/meetings/{meeting_id}", self._guarded(self.read), methods=["GET"]),
            Route("/v1/meetings/{meeting_id}", self._guarded(self.delete), methods=["DELETE"]),
            Route("/v1/insights/room-sessions", self._guarded(self.sessions), methods=["GET"]),
        ]

    async def create(self, request: Request) -> Response:
        """Make a meeting with a room of its own."""
        asked = await request.json()
        meeting = _meeting(asked)
        self._meetings.add(meeting)
        return JSONResponse(self._shown(meeting, asked.get("fields", [])), 201)

    async def read(self, request: Request) -> Response:
        """One meeting."""
        meeting = self._meetings.by_id(request.path_params["meeting_id"])
        if meeting is None:
            return JSONResponse({"error": "Meeting not found"}, 404)
        return JSONResponse(self._shown(meeting, request.query_params.getlist("fields")))

    async def delete(self, request: Request) -> Response:
        """Forget a meeting; its room is gone. Deleting what is not there answers the same."""
        if meeting := self._meetings.by_id(request.path_params["meeting_id"]):
            self._meetings.remove(meeting)
        return Response(status_code=204)

    async def sessions(self, request: Request) -> Response:
        """When there were people in a room, page by page."""
        room = request.query_params.get("roomName")
        if not room:
            raise Refused("roomName is required")
        begin, limit = _number(request, "cursor", 0, 10**9), _number(request, "limit", 10, 100)
        meeting = self._meetings.by_room(room)
        results = [
            {
                "roomSessionId": session.id,
                "roomName": f"/{meeting.room}",
                "startedAt": rfc3339(session.started_at),
                "endedAt": rfc3339(session.ended_at) if session.ended_at else None,
            }
            for session in (meeting.sessions if meeting else [])
            if meeting
        ]
        end = begin + limit
        return JSONResponse({"cursor": str(end) if end < len(results) else None, "results": results[begin:end]})

    def _guarded(self, endpoint: Endpoint) -> Endpoint:
        async def guarded(request: Request) -> Response:
            given = request.headers.get("Authorization", "").encode()
            if not hmac.compare_digest(given, f"Bearer {self._api_key}".encode()):
                return JSONResponse({"error": "Unauthorized"}, 401)
            try:
                return await endpoint(request)
            except Refused as refused:
                return JSONResponse({"error": str(refused)}, 400)

        return guarded

    def _shown(self, meeting: Meeting, fields: list[str]) -> dict[str, Any]:
        url = f"{self._public_url}/{meeting.room}"
        shown = {
            "meetingId": meeting.id,
            "roomName": f"/{meeting.room}",
            "roomUrl": url,
            "startDate": rfc3339(meeting.start),
            "endDate": rfc3339(meeting.end),
        }
        return shown | ({"hostRoomUrl": f"{url}?roomKey={meeting.host_key}"} if "hostRoomUrl" in fields else {})


def _number(request: Request, name: str, otherwise: int, most: int) -> int:
    given = request.query_params.get(name, str(otherwise))
    if not given.isdecimal() or not min(1, otherwise) <= int(given) <= most:
        raise Refused(f"{name} must be at most {most}")
    return int(given)


def _meeting(asked: object) -> Meeting:
    if not isinstance(asked, dict):
        raise Refused("the body must be an object")
    end = _date(asked)
    prefix = asked.get("roomNamePrefix") or ""
    if not re.fullmatch(r"/?[a-z0-9-]{0,39}", prefix):
        raise Refused("roomNamePrefix: at most 39 of a-z, 0-9 and -")
    pattern = _one_of(asked, "roomNamePattern", ("uuid", "human-short"), "uuid")
    _one_of(asked, "roomMode", ("normal", "group"), "normal")
    recording = asked.get("recording") or {"type": "none"}
    if not isinstance(recording, dict):
        raise Refused("recording must be an object")
    return Meeting(
        id=str(uuid.uuid4()),
        room=room_name(prefix.removeprefix("/"), pattern),
        start=now(),
        end=end,
        locked=bool(asked.get("isLocked", False)),
        host_key=secrets.token_urlsafe(32),
        recording=_one_of(recording, "type", ("none", "local", "cloud"), "none"),
        trigger=_one_of(recording, "startTrigger", get_args(Trigger), "none"),
        destination=_destination(recording) if recording.get("type") == "cloud" else None,
    )


def _date(asked: dict[str, Any]) -> datetime:
    if not asked.get("endDate"):
        raise Refused("endDate is required")
    try:
        end = datetime.fromisoformat(asked["endDate"])
    except (TypeError, ValueError):
        raise Refused("endDate must be an ISO 8601 date") from None
    end = end if end.tzinfo else end.replace(tzinfo=UTC)
    if end <= now():
        raise Refused("endDate must be in the future")
    return end


def _destination(recording: dict[str, Any]) -> Destination:
    asked = recording.get("destination") or {}
    wanted = ("provider", "bucket", "accessKeyId", "accessKeySecret", "fileFormat")
    missing = [name for name in wanted[1:4] if not asked.get(name)]
    if missing or asked.get("provider") != "s3":
        raise Refused(f"recording.destination needs provider s3, bucket and its keys; missing: {missing or 'provider'}")
    return Destination(
        bucket=asked["bucket"],
        access_key_id=asked["accessKeyId"],
        secret_access_key=asked["accessKeySecret"],
        file_format=_one_of(asked, "fileFormat", ("mp4", "mkv"), "mp4"),
    )


def _one_of(asked: dict[str, Any], name: str, known: tuple[str, ...], otherwise: str) -> Any:
    value = asked.get(name) or otherwise
    if value not in known:
        raise Refused(f"{name} must be one of {', '.join(known)}")
    return value
