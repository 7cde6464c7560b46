"""The levers that only the stand-in has; the package's docstring lists them."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, get_args

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deploy.local.whereby.calls import Calls
from deploy.local.whereby.meetings import Client, Meeting, Meetings, now
from deploy.local.whereby.recorder import File
from deploy.local.whereby.webhooks import Mode, Webhooks

Body = dict[str, Any]
Action = Callable[[Meeting, Body, datetime, bool], Awaitable[object]]


class Control:
    """Lets the demo and the tests act in rooms without a browser, and play with webhooks."""

    def __init__(self, meetings: Meetings, calls: Calls, webhooks: Webhooks) -> None:
        self._meetings = meetings
        self._calls = calls
        self._webhooks = webhooks

    def routes(self) -> list[Route]:
        """The endpoints."""
        actions = {
            "join": self.join,
            "leave": self.leave,
            "admit": self.admit,
            "record": self.record,
            "end": self.end,
            "file": self.file,
        }
        return [
            Route("/control/rooms", self.rooms, methods=["GET"]),
            *(
                Route(f"/control/rooms/{{room}}/{name}", self._in_room(act), methods=["POST"])
                for name, act in actions.items()
            ),
            Route("/control/webhooks", self.sent, methods=["GET"]),
            Route("/control/webhooks", self.play, methods=["POST"]),
            Route("/control/webhooks/release", self.release, methods=["POST"]),
        ]

    async def rooms(self, _: Request) -> Response:
        """Every meeting; keys and secrets left out."""
        hidden = {"host_key", "destination"}
        shown = [meeting.model_dump(mode="json", exclude=hidden) for meeting in self._meetings.all()]
        return JSONResponse({"meetings": shown})

    async def join(self, meeting: Meeting, asked: Body, at: datetime, wait: bool) -> object:
        """Somebody comes."""
        client = Client(
            display_name=asked["displayName"],
            external_id=asked.get("externalId"),
            metadata=asked.get("metadata"),
            role=asked.get("roleName", "visitor"),
            is_dial_in=asked.get("isDialIn", False),
        )
        joined = await self._calls.join(meeting, client, at, wait)
        return {"participantId": client.participant_id, "joined": joined}

    async def leave(self, meeting: Meeting, asked: Body, at: datetime, wait: bool) -> object:
        """Somebody goes, named by either id."""
        wanted = {asked.get("participantId"), asked.get("externalId")} - {None}
        for client in [*meeting.clients, *meeting.knocking]:
            if {client.participant_id, client.external_id} & wanted:
                await self._calls.leave(meeting, client, at, wait)
                return {"participantId": client.participant_id}
        raise ValueError(f"nobody in {meeting.room} is {wanted or 'named'}: GET /control/rooms shows who is")

    async def admit(self, meeting: Meeting, asked: Body, at: datetime, wait: bool) -> object:
        """Open the door."""
        return {"admitted": [client.participant_id for client in await self._calls.admit(meeting, at, wait)]}

    async def record(self, meeting: Meeting, asked: Body, at: datetime, wait: bool) -> object:
        """Start the recorder."""
        await self._calls.record(meeting, at, wait)
        return {"recording_since": str(meeting.recording_since)}

    async def end(self, meeting: Meeting, asked: Body, at: datetime, wait: bool) -> object:
        """End the call; the file is there afterwards."""
        if "start_time" in asked:
            if meeting.recorder is not None:
                raise ValueError(f"the recorder joined at {meeting.recording_since}: date the joins back with `at`")
            await self._calls.record(meeting, _time(asked, "start_time"), wait)
        return {"recording": await self._calls.end(meeting, at, File.of(asked), wait)}

    async def file(self, meeting: Meeting, asked: Body, at: datetime, wait: bool) -> object:
        """A file out of nothing."""
        start = _time(asked, "start_time")
        return {"recording": await self._calls.drop(meeting, start, File.of(asked), at, wait)}

    async def sent(self, _: Request) -> Response:
        """How the webhooks fared."""
        return JSONResponse({"webhooks": [delivery.shown() for delivery in self._webhooks.log]})

    async def play(self, request: Request) -> Response:
        """What to do with the next webhooks."""
        asked = await _body(request)
        if asked.get("mode", "deliver") not in get_args(Mode):
            return _refused(f"mode must be one of {', '.join(get_args(Mode))}")
        self._webhooks.mode = asked.get("mode", "deliver")
        self._webhooks.copies = int(asked.get("copies", 1))
        return JSONResponse({"mode": self._webhooks.mode, "copies": self._webhooks.copies})

    async def release(self, request: Request) -> Response:
        """Deliver what was held."""
        asked = await _body(request)
        return JSONResponse({"released": await self._webhooks.release(asked.get("order") == "reversed")})

    def _in_room(self, action: Action) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            meeting = self._meetings.by_room(request.path_params["room"])
            if meeting is None:
                return JSONResponse({"error": "no such room: GET /control/rooms lists them"}, 404)
            asked = await _body(request)
            try:
                return JSONResponse(await action(meeting, asked, _time(asked, "at"), bool(asked.get("wait", True))))
            except KeyError as missing:
                return _refused(f"{missing} is missing")
            except ValueError as refused:
                return _refused(str(refused))

        return endpoint


async def _body(request: Request) -> Body:
    return dict(await request.json()) if await request.body() else {}


def _time(asked: Body, name: str) -> datetime:
    if name not in asked:
        return now()
    time = datetime.fromisoformat(asked[name])
    if time.tzinfo is None:
        raise ValueError(f"{name} needs a zone, such as 2026-05-04T09:30:00Z")
    return time


def _refused(why: str) -> Response:
    return JSONResponse({"error": why}, 400)
