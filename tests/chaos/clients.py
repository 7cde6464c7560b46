"""Clients that answer over HTTP without a pause, and send every press with the same key until it is acknowledged."""

import asyncio
import json
import random
import secrets
import time
from datetime import UTC, datetime
from urllib.parse import urlsplit

from bench.load import Plan, content_length, ready_request
from tests.chaos.people import Person
from tests.chaos.presses import Press, Tally, Told

CLIENTS = 40
PATIENCE = 10.0
"""Seconds without a reply after which a request counts as left hanging."""
_AGAIN = (0.02, 0.2)  # seconds until somebody who was refused presses again
_TICK = 0.05
_LATE = 0.1  # part of the presses that are delivered once more, after the next


class Clients:
    """Forty of them, among whom the people are dealt out: nobody presses twice at the same time."""

    def __init__(self, url: str, people: list[Person]) -> None:
        address = urlsplit(url)
        host, port, key = address.hostname or "", address.port or 80, secrets.token_hex(12)
        self.tally = Tally(people, key)
        self._plan = Plan(host, port, [(one.meeting_id, one.token) for one in people], CLIENTS, 0, key)
        self._chance = random.Random()
        self._changed = asyncio.Event()
        self._stopping = False

    async def run(self) -> None:
        """Press until stopped, and then until the last press is acknowledged."""
        everybody = len(self.tally.people)
        watching = asyncio.create_task(self._watch_the_clock())
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(CLIENTS):
                    group.create_task(self._press_on(range(number, everybody, CLIENTS)))
        finally:
            watching.cancel()

    def stop(self) -> None:
        """No new presses."""
        self._stopping = True

    async def acknowledged(self, count: int) -> None:
        """Return once so many presses are acknowledged in all."""
        while self.tally.acknowledged < count:
            self._changed.clear()
            await self._changed.wait()

    async def _watch_the_clock(self) -> None:
        while True:
            due = time.monotonic() + _TICK
            await asyncio.sleep(_TICK)
            self.tally.lateness = max(self.tally.lateness, time.monotonic() - due)

    async def _press_on(self, mine: range) -> None:
        line = _Line(self._plan)
        late: Press | None = None
        while not self._stopping:
            press = self.tally.press(self._chance.choice(mine), self._chance.random() < 0.5)
            await self._until_told(line, press)
            if late is not None:
                self.tally.repeated += 1
                await self._until_told(line, late)
            late = press if press.told and self._chance.random() < _LATE else None
        line.close()

    async def _until_told(self, line: "_Line", press: Press) -> None:
        request = self._request(press)
        while True:
            if press.told is None:
                press.sent, press.sent_at = press.sent + 1, datetime.now(UTC)
            began = time.monotonic()
            try:
                async with asyncio.timeout(PATIENCE):
                    status, body = await line.ask(request)
            except TimeoutError:
                self.tally.hanging += 1
                line.close()
            except (OSError, EOFError):
                self.tally.disconnected.append(time.monotonic())
                line.close()
            else:
                if self._is_told(press, status, body, began):
                    return
            await asyncio.sleep(self._chance.uniform(*_AGAIN))

    def _is_told(self, press: Press, status: int, body: bytes, began: float) -> bool:
        """Note a reply. Returns whether there is nothing more to ask."""
        now = time.monotonic()
        if status == 503:
            self.tally.refused.append((now, now - began))
            return False
        if status == 200:
            self.tally.take(press, _told(body))
            self._changed.set()
        else:
            self.tally.strange[f"{status} {body[:300].decode(errors='replace')}"] += 1
        return True

    def _request(self, press: Press) -> bytes:
        request = ready_request(self._plan, press.person, 0, b"true" if press.granted else b"false")
        return b"%b%012x%b" % (request.head, press.number, request.tail)


class _Line:
    """A connection to the gateway, opened when it is needed and there is none."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body. Raises OSError or EOFError when the connection is refused or lost."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._plan.host, self._plan.port)
        reader, writer = self._streams
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        return int(head[9:12]), await reader.readexactly(content_length(head))

    def close(self) -> None:
        """Give the connection up."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def _told(body: bytes) -> Told:
    said = json.loads(body)
    answered_at = datetime.fromisoformat(said["answered_at"])
    return Told(said["consent_id"], said["consent_given"], said["revision"], answered_at)
