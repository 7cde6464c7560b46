"""What a consumer has in hand when it ends goes to those who share its name at once."""

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from assent.consent.v1.consent_events_pb2 import AnswerSubmitted
from nats.aio.msg import Msg
from nats.js import JetStreamContext

from chassis import bus
from chassis.bus import Bus
from chassis.bus.consuming import Consumer
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


class Late:
    """A subscription whose event comes at the moment of the end, so that the fetch does not notice the end."""

    def __init__(self) -> None:
        self.is_over = False
        self.message: Any = SimpleNamespace(metadata=SimpleNamespace(num_delivered=1, num_pending=0))

    async def fetch(self, batch: int, **_: Any) -> list[Any]:
        self.is_over = True
        return [self.message]


@pytest.mark.parametrize("together", [False, True])
async def test_an_event_that_comes_with_the_end_is_not_begun_and_goes_to_others(together: bool) -> None:
    late, unfinished, handled = Late(), list[Msg](), list[object]()
    consumer = Consumer(AnswerSubmitted, "test-AnswerSubmitted", unfinished, lambda: late.is_over)

    async def handle(given: object) -> None:
        handled.append(given)

    subscription = cast(JetStreamContext.PullSubscription, late)
    if together:
        await consumer.take_together(subscription, 10, handle)
    else:
        await consumer.take(subscription, handle)
    assert (unfinished, handled) == ([late.message], [])
