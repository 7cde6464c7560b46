"""The room in a browser: whoever has the page open is in the call, and no longer."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response, StreamingResponse
from starlette.routing import Route

from deploy.local.whereby.calls import Calls
from deploy.local.whereby.meetings import Client, Meeting, Meetings, now

PAGE = Path(__file__).with_name("room.html")
LOOK = 10.0  # seconds after which a quiet stream says something, so that a dead connection is noticed


class Page:
    """The room's page and the stream that keeps somebody in the room."""

    def __init__(self, meetings: Meetings, calls: Calls) -> None:
        self._meetings = meetings
        self._calls = calls
        self._leaving: set[asyncio.Task[None]] = set()

    def routes(self) -> list[Route]:
        """The endpoints; the room's own comes last, for it matches every name."""
        return [
            Route("/{room}/call", self.call, methods=["GET"]),
            Route("/{room}/record", self.record, methods=["POST"]),
            Route("/{room}", self.show, methods=["GET"]),
        ]

    async def show(self, request: Request) -> Response:
        """The page, while the meeting exists."""
        meeting = self._meetings.by_room(request.path_params["room"])
        if meeting is None or meeting.end < now():
            return HTMLResponse("<!doctype html><title>No such room</title><p>This room is not available.", 404)
        return FileResponse(PAGE, headers={"Cache-Control": "no-store"})

    async def call(self, request: Request) -> Response:
        """Join, and stay as long as the connection does. Tells who is there as server-sent events."""
        meeting = self._meetings.by_room(request.path_params["room"])
        if meeting is None or meeting.end < now():
            return Response(status_code=204)  # tells EventSource not to come back
        asked = request.query_params
        client = Client(
            display_name=asked.get("displayName") or "Guest",
            external_id=asked.get("externalId"),
            metadata=asked.get("metadata"),
            role="host" if asked.get("roomKey") == meeting.host_key else "visitor",
        )
        headers = {"Cache-Control": "no-store"}
        return StreamingResponse(self._stay(meeting, client), media_type="text/event-stream", headers=headers)

    async def record(self, request: Request) -> Response:
        """The host presses the button."""
        meeting = self._meetings.by_room(request.path_params["room"])
        if meeting is None or request.query_params.get("roomKey") != meeting.host_key:
            return Response(status_code=403)
        await self._calls.record(meeting, now())
        return Response(status_code=204)

    async def _stay(self, meeting: Meeting, client: Client) -> AsyncIterator[str]:
        try:
            await self._calls.join(meeting, client, now())
            while client in meeting.clients or client in meeting.knocking:
                yield f"data: {json.dumps(_seen_by(client, meeting))}\n\n"
                await self._calls.changed(meeting, LOOK)
            yield "event: ended\ndata: {}\n\n"
        finally:
            # The connection is gone and this task cancelled with it: leaving must not be.
            leaving = asyncio.create_task(self._calls.leave(meeting, client, now()))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)


def _seen_by(client: Client, meeting: Meeting) -> dict[str, object]:
    return {
        "me": client.participant_id,
        "joined": client in meeting.clients,
        "host": client.role == "host",
        "recording": meeting.recorder is not None,
        "may_record": meeting.recording == "cloud",
        "people": [
            {"participantId": person.participant_id, "displayName": person.display_name, "roleName": person.role}
            for person in meeting.people
        ],
    }
