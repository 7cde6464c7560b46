"""What a consumer has in hand when it ends goes to those who share its name at once."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from assent.consent.v1.consent_events_pb2 import AnswerSubmitted

from chassis import bus
from chassis.bus import Bus
from deploy.local import Nats


def alone(consuming: Bus, name: str, handle: Callable[[], Awaitable[None]]) -> None:
    consuming.consume(AnswerSubmitted, consumer=name, handle=lambda _: handle())


def together(consuming: Bus, name: str, handle: Callable[[], Awaitable[None]]) -> None:
    consuming.consume_together(AnswerSubmitted, consumer=name, handle=lambda _: handle())


@pytest.mark.parametrize("consume", [alone, together])
async def test_an_event_in_hand_at_the_end_is_not_waited_for(
    nats: Nats, consume: Callable[[Bus, str, Callable[[], Awaitable[None]]], None]
) -> None:
    begun, again = asyncio.Event(), asyncio.Event()

    async def never_done() -> None:
        begun.set()
        await asyncio.Event().wait()

    async def remember() -> None:
        again.set()

    name = f"ending-{consume.__name__}"
    async with Bus(nats.url) as ending:
        await ending.connected()
        consume(ending, name, never_done)
        await ending.publish(AnswerSubmitted(meeting_id="ending"))
        async with asyncio.timeout(10):
            await begun.wait()
    async with Bus(nats.url) as other:
        consume(other, name, remember)
        async with asyncio.timeout(bus.ACK_WAIT / 3):
            await again.wait()
