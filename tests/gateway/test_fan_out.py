"""One event for many listeners: made once, written at once to whoever can take it, in order for everybody."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from assent.transcript.v1 import transcript_events_pb2

from chassis.errors import Unavailable
from gateway import transcript_feed
from gateway.frames import FramesProtocol, WriteFrame, text_frame
from gateway.transcript_feed import TranscriptFeed, numbered
from tests.eventually import eventually
from tests.gateway.conftest import Stack
from tests.gateway.watching import Event, append, message, publish, segment, watching


@pytest.fixture
def feed(stack: Stack) -> TranscriptFeed:
    """A feed of the test's own, which never looks again by itself."""
    return TranscriptFeed(stack.app.state.parts.channels["transcript_svc"], refresh=3600)


def told(event: Event) -> transcript_events_pb2.TranscriptEventAppended:
    return transcript_events_pb2.TranscriptEventAppended(event=event)


def noting(written: list[bytes]) -> WriteFrame:
    """A connection that takes everything."""

    def write(one: bytes) -> bool:
        written.append(one)
        return True

    return write


def frame(event: Event) -> bytes:
    return text_frame(numbered(event).text)


async def test_who_has_had_everything_is_written_the_next_event_and_misses_none(
    stack: Stack, feed: TranscriptFeed, transcript: str
) -> None:
    written: list[bytes] = []
    append(stack, transcript, **segment(1))
    events = feed.follow(transcript, write=noting(written))
    assert '"sequence":1,' in await anext(events)
    second = append(stack, transcript, **segment(2))
    # Whoever is busy with the one before is told of this one when they are done.
    await feed.on_event(told(second))
    assert (written, '"sequence":2,' in await anext(events)) == ([], True)
    rest = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    third, lost, fifth = (append(stack, transcript, **segment(number)) for number in (3, 4, 5))
    for event in (third, third, second, fifth):
        await feed.on_event(told(event))
    assert '"sequence":4,' in await rest
    assert written == [frame(third)]
    assert '"sequence":5,' in await anext(events)
    rest = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    sixth = append(stack, transcript, **segment(6))
    # Before it can look at any of them: what waits is not overtaken, even where it will only be dropped.
    await asyncio.gather(*(feed.on_event(told(event)) for event in (lost, fifth, sixth)))
    async with asyncio.timeout(10):
        assert '"sequence":6,' in await rest
    assert written == [frame(third)]


async def test_who_cannot_be_written_to_is_sent_what_waits_in_order(
    stack: Stack, feed: TranscriptFeed, transcript: str
) -> None:
    append(stack, transcript, **segment(1))
    events = feed.follow(transcript, write=lambda one: False)
    await anext(events)
    rest = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    for number in range(2, 50):
        await feed.on_event(told(append(stack, transcript, **segment(number))))
    seen = [await rest, *[await anext(events) for _ in range(3, 50)]]
    assert seen == [numbered(event).text for event in stack.backend.events[transcript][1:]]


async def test_an_event_that_comes_while_it_is_asked_for_again_is_said_once(
    stack: Stack, feed: TranscriptFeed, transcript: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[bytes] = []
    append(stack, transcript, **segment(1))
    events = feed.follow(transcript, write=noting(written))
    await anext(events)
    rest = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    second, third = (append(stack, transcript, **segment(number)) for number in (2, 3))
    answer, calls = feed._transcripts.ListTranscriptEvents, list[Any]()

    async def away_at_first(request: Any) -> Any:
        calls.append(request)
        if len(calls) == 1:
            raise Unavailable("away", reason="UNAVAILABLE")
        answered = await answer(request)
        await feed.on_event(told(second))
        return answered

    monkeypatch.setattr(feed._transcripts, "ListTranscriptEvents", away_at_first)
    monkeypatch.setattr(transcript_feed, "_RETRY_SECONDS", 0.01)
    await feed.on_event(told(third))
    async with asyncio.timeout(10):
        assert '"sequence":2,' in await rest
        assert '"sequence":3,' in await anext(events)
    assert (written, len(calls)) == ([], 2)


async def test_an_event_is_one_frame_for_all_sockets(
    stack: Stack, transcript: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[bytes] = []
    write: Callable[[FramesProtocol, bytes], bool] = FramesProtocol._write

    def note(self: FramesProtocol, one: bytes) -> bool:
        written.append(one)
        return write(self, one)

    monkeypatch.setattr(FramesProtocol, "_write", note)
    path, token = f"/v1/transcripts/{transcript}/events", stack.issuer.token("owner-demo")
    append(stack, transcript, **segment(1))
    async with watching(stack, path, token) as one, watching(stack, path, token) as other:
        assert [(await message(live))["sequence"] for live in (one, other)] == [1, 1]
        event = append(stack, transcript, **segment(2))
        await publish(stack, event)
        assert [(await message(live))["sequence"] for live in (one, other)] == [2, 2]
    assert written == [frame(event)] * 2
    assert written[0] is written[1]


async def test_many_who_miss_the_same_event_are_one_question(
    stack: Stack, feed: TranscriptFeed, transcript: str
) -> None:
    append(stack, transcript, **segment(1))
    listeners = [feed.follow(transcript) for _ in range(50)]
    for events in listeners:
        await anext(events)
    waiting = [asyncio.ensure_future(anext(events)) for events in listeners]
    await asyncio.sleep(0)
    before = stack.backend.asked_for_events
    append(stack, transcript, **segment(2))
    await feed.on_event(told(append(stack, transcript, **segment(3))))
    assert all('"sequence":2,' in text for text in await asyncio.gather(*waiting))
    assert stack.backend.asked_for_events == before + 1


async def test_an_answer_that_is_under_way_is_not_for_whoever_asks_later(
    stack: Stack, feed: TranscriptFeed, transcript: str
) -> None:
    append(stack, transcript, **segment(1))
    before = stack.backend.asked_for_events
    stack.backend.replays_run.clear()

    async def asked(times: int) -> None:
        async def is_asked() -> bool:
            return stack.backend.asked_for_events == before + times

        await eventually(is_asked)

    try:
        early = asyncio.ensure_future(anext(feed.follow(transcript)))
        await asked(1)
        append(stack, transcript, **segment(2))
        late = feed.follow(transcript)
        first = asyncio.ensure_future(anext(late))
        await asked(2)
    finally:
        stack.backend.replays_run.set()
    assert '"sequence":1,' in await early
    assert '"sequence":1,' in await first
    assert '"sequence":2,' in await anext(late)
