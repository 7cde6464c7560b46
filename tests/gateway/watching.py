"""Listeners at the gateway's sockets, and what they are told of."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from assent.transcript.v1 import transcript_events_pb2, transcript_pb2
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.gateway.conftest import Stack

Event = transcript_pb2.TranscriptEvent


@asynccontextmanager
async def watching(stack: Stack, path: str, token: str, **options: Any) -> AsyncIterator[ClientConnection]:
    """A browser's way: the token among the subprotocols."""
    protocols = [Subprotocol("assent.v1"), Subprotocol(f"bearer.{token}")]
    address = stack.url.replace("http", "ws", 1) + path
    async with connect(address, subprotocols=protocols, proxy=None, **options) as connection:
        yield connection


async def heard(connection: ClientConnection) -> tuple[str, dict[str, Any]]:
    """The next event."""
    said = await message(connection)
    assert said.keys() - {"sequence"} == {"event", "data"}
    return said["event"], said["data"]


async def message(connection: ClientConnection) -> dict[str, Any]:
    """The next event as it was sent."""
    async with asyncio.timeout(10):
        said: dict[str, Any] = json.loads(await connection.recv())
    return said


def append(stack: Stack, transcript_id: str, **content: Any) -> Event:
    """Commit one event, as transcript_svc would."""
    event = Event(transcript_id=transcript_id, sequence=len(stack.backend.events[transcript_id]) + 1, **content)
    stack.backend.events[transcript_id].append(event)
    return event


def segment(number: int) -> dict[str, Any]:
    words = [transcript_pb2.Word(text=f"word{number}", start_ms=number, end_ms=number + 1)]
    return {"segment": transcript_pb2.Segment(start_ms=number, end_ms=number + 1, text=f"word{number}", words=words)}


async def publish(stack: Stack, event: Event) -> None:
    await stack.bus.publish(transcript_events_pb2.TranscriptEventAppended(event=event))
