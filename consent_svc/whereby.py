"""Makes meetings and looks at their sessions by Whereby's REST API (https://docs.whereby.com/reference)."""

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx
import structlog
from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from chassis.errors import Unavailable
from consent_svc.domain.meetings import Meeting
from consent_svc.domain.presence import Session
from consent_svc.domain.rooms import RecordingType, Room

log = structlog.get_logger()

DEADLINE = 4.0
"""Seconds for one call, with the wait for its turn; below the 5 s that our own callers wait."""

CALLS_AT_ONCE = 16
"""A Whereby that hangs gets no more of them; the others wait for their turn."""

SPARED_FOR_OPENING = 0.5
"""The part of an organisation's points that looking at sessions leaves alone. Whereby gives so many a minute (100 or
1000, by plan), and without any no room can be opened."""

_LONGEST_PREFIX = 39
_POINTS_COME_AGAIN = 60.0
_LONGEST_PAGE = 100
_MOST_PAGES = 10


@dataclass(frozen=True)
class Destination:
    """The bucket that Whereby writes recordings to, and its keys for it."""

    bucket: str
    access_key_id: str
    secret_access_key: str = field(repr=False)


class _Reply(BaseModel):
    meeting_id: str = Field(alias="meetingId", min_length=1)
    room_name: str = Field(alias="roomName", min_length=1)
    room_url: str = Field(alias="roomUrl", min_length=1)
    host_room_url: str = Field(alias="hostRoomUrl", min_length=1)
    start: AwareDatetime = Field(alias="startDate")
    end: AwareDatetime = Field(alias="endDate")


class _Session(BaseModel):
    session_id: str = Field(alias="roomSessionId", min_length=1)
    room_name: str = Field(alias="roomName", min_length=1)
    started_at: AwareDatetime = Field(alias="startedAt")
    # Absent while it goes on.
    ended_at: AwareDatetime | None = Field(None, alias="endedAt")


class _Sessions(BaseModel):
    cursor: str | None = None
    results: list[_Session]


class Whereby:
    """A client of Whereby at `url` (with /v1). Use as an async context manager."""

    def __init__(self, url: str, api_key: str, destination: Destination) -> None:
        self._http = httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {api_key}"}, timeout=DEADLINE)
        self._destination = destination
        self._turns = asyncio.Semaphore(CALLS_AT_ONCE)
        self._short_until = 0.0

    async def __aenter__(self) -> "Whereby":
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._http.__aexit__(*error)

    async def create_meeting(self, room: Room, closes_at: datetime) -> Meeting:
        """Make a meeting for a room, as the room's settings want it.

        Raises Unavailable (WHEREBY_UNAVAILABLE) when Whereby refuses, is silent or answers what we cannot read.
        """
        answer = await self._call("POST", "/meetings", room.name, self._asked(room, closes_at))
        try:
            reply = _Reply.model_validate_json(answer)
        except ValidationError as error:
            raise _unavailable(room.name, error) from None
        return Meeting(
            meeting_id=reply.meeting_id,
            room=room.name,
            whereby_room_name="/" + reply.room_name.removeprefix("/"),
            room_url=reply.room_url,
            host_room_url=reply.host_room_url,
            owner_id=room.owner_id,
            started_at=reply.start,
            closes_at=reply.end,
            settings=room.settings,
        )

    async def delete_meeting(self, meeting: Meeting) -> None:
        """Delete a meeting that nobody was sent into. Raises Unavailable (WHEREBY_UNAVAILABLE)."""
        await self._call("DELETE", f"/meetings/{quote(meeting.meeting_id, safe='')}", meeting.room)

    async def room_sessions(self, meeting: Meeting) -> list[Session]:
        """Every session in a meeting's room, those that ended too. One person alone makes none.

        Raises Unavailable (WHEREBY_UNAVAILABLE) as above.
        """
        asked = {"roomName": meeting.whereby_room_name, "limit": str(_LONGEST_PAGE)}
        found: list[Session] = []
        for _ in range(_MOST_PAGES):
            answer = await self._call("GET", "/insights/room-sessions", meeting.room, query=asked)
            try:
                page = _Sessions.model_validate_json(answer)
            except ValidationError as error:
                raise _unavailable(meeting.room, error) from None
            # A room of another name has nothing to do with this meeting, whatever was asked for.
            ours = [one for one in page.results if f"/{one.room_name.removeprefix('/')}" == meeting.whereby_room_name]
            found += [Session(one.session_id, one.started_at, one.ended_at) for one in ours]
            if not page.cursor:
                return found
            asked["cursor"] = page.cursor
        raise _unavailable(meeting.room, OverflowError("more pages than any meeting has"))

    @property
    def has_points_to_spare(self) -> bool:
        """Whether Whereby will let rooms be opened even if somebody looks at a session now."""
        return time.monotonic() >= self._short_until

    async def _call(
        self,
        method: str,
        path: str,
        room: str,
        body: dict[str, Any] | None = None,
        query: dict[str, str] | None = None,
    ) -> bytes:
        try:
            # Waiting for a turn counts too: our own callers do not wait any longer for it.
            async with asyncio.timeout(DEADLINE), self._turns:
                answer = await self._http.request(method, path, json=body, params=query)
            self._count_points(answer)
            return answer.raise_for_status().content
        except httpx.HTTPStatusError as error:
            self._log_refusal(room, error.response)
            raise _refused() from None
        except (httpx.HTTPError, TimeoutError) as error:
            raise _unavailable(room, error) from None

    def _asked(self, room: Room, closes_at: datetime) -> dict[str, Any]:
        return {
            "endDate": closes_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "isLocked": room.settings.is_locked,
            "roomMode": room.settings.mode,
            "roomNamePrefix": f"{room.name[: _LONGEST_PREFIX - 1]}-",
            "roomNamePattern": "uuid",
            "recording": self._recording(room),
            "fields": ["hostRoomUrl"],
        }

    def _recording(self, room: Room) -> dict[str, Any]:
        asked: dict[str, Any] = {
            "type": room.settings.recording_type,
            "startTrigger": room.settings.recording_trigger,
        }
        if room.settings.recording_type is RecordingType.CLOUD:
            asked["destination"] = {
                "provider": "s3",
                "bucket": self._destination.bucket,
                "accessKeyId": self._destination.access_key_id,
                "accessKeySecret": self._destination.secret_access_key,
                "fileFormat": "mp4",
            }
        return asked

    def _count_points(self, answer: httpx.Response) -> None:
        left, most = (answer.headers.get(f"X-RateLimit-{name}", "") for name in ("Remaining", "Limit"))
        is_known = left.isdecimal() and most.isdecimal()
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS or (
            is_known and int(left) < SPARED_FOR_OPENING * int(most)
        ):
            self._short_until = time.monotonic() + _POINTS_COME_AGAIN
        elif is_known:
            self._short_until = 0.0

    def _log_refusal(self, room: str, answer: httpx.Response) -> None:
        # It says what is wrong with our request, and might repeat it.
        said = answer.text.replace(self._destination.secret_access_key, "[secret]")[:300]
        passes = answer.is_server_error or answer.status_code == httpx.codes.TOO_MANY_REQUESTS
        tell = log.warning if passes else log.error
        tell("whereby_refused", room=room, status=answer.status_code, said=said)


def _unavailable(room: str, error: Exception) -> Unavailable:
    log.warning("whereby_unavailable", room=room, error=type(error).__name__)
    return _refused()


def _refused() -> Unavailable:
    return Unavailable("Whereby does not answer as it should: try again in a moment", reason="WHEREBY_UNAVAILABLE")
