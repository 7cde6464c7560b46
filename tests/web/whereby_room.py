"""Whereby's side of the call: a page at its origin that says what a test tells it to, by the same messages."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.async_api import BrowserContext, Frame, Page, Route

from tests.eventually import eventually

PAGE = Path(__file__).with_suffix(".html").read_text()


class WherebyRoom:
    """Answers for Whereby's origin and remembers how its rooms were entered."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self.visits: list[dict[str, str]] = []

    async def answer_for(self, context: BrowserContext) -> None:
        await context.route(re.compile(re.escape(self._origin)), self._answer)
        # A real gateway's rooms are at its stand-in: here they are at whereby.com, so that the vendored embed is used.
        await context.route(re.compile(r"/v1/rooms/[^/]+/meeting$"), self._move_room)

    async def say(self, page: Page, kind: str, payload: dict[str, Any] | None = None) -> None:
        """Post one of Whereby's messages from inside its frame."""

        async def frame_of_the_call() -> Frame | None:
            return next((frame for frame in page.frames if frame.url.startswith(self._origin)), None)

        # It is there before it has gone to its address.
        frame = await eventually(frame_of_the_call)
        assert frame is not None
        await frame.wait_for_load_state()
        await frame.evaluate("([type, payload]) => tell(type, payload)", [kind, payload])

    async def _answer(self, route: Route) -> None:
        query = parse_qs(urlsplit(route.request.url).query, keep_blank_values=True)
        self.visits.append({name: values[0] for name, values in query.items()})
        await route.fulfill(body=PAGE, content_type="text/html; charset=utf-8")

    async def _move_room(self, route: Route) -> None:
        response = await route.fetch()
        if not response.ok:
            await route.fulfill(response=response)
            return
        opened = await response.json()
        meeting = opened["meeting"]
        for address in ("room_url", "host_room_url"):
            if meeting.get(address):
                parts = urlsplit(meeting[address])
                meeting[address] = f"{self._origin}{parts.path}" + (f"?{parts.query}" if parts.query else "")
        await route.fulfill(response=response, json=opened)
