"""A transcript's events: replay, then live, without loss or repetition, wherever a listener was before."""

import asyncio
from urllib.parse import quote

import pytest
from assent.transcript.v1 import transcript_pb2

from gateway.transcript_feed import TranscriptFeed
from tests.eventually import eventually
from tests.gateway.conftest import Stack
from tests.gateway.watching import Event, append, heard, message, publish, segment, watching


async def test_that_it_is_queued_is_said_once_and_hides_nothing(stack: Stack, transcript: str) -> None:
    queued = Event(transcript_id=transcript, status=transcript_pb2.TRANSCRIPT_STATUS_QUEUED)
    stack.backend.queued[transcript] = queued
    events = TranscriptFeed(stack.app.state.parts.channels["transcript_svc"], refresh=0.01).follow(transcript)
    assert '"queued"' in await anext(events)
    rest = asyncio.ensure_future(anext(events))

    async def has_asked_again() -> bool:
        return stack.backend.asked_for_events >= 4

    await eventually(has_asked_again)
    assert not rest.done()
    append(stack, transcript, status=transcript_pb2.TRANSCRIPT_STATUS_PROCESSING)
    assert '"sequence":1,' in await rest


async def test_an_edited_segment_is_sent_again_with_its_place(stack: Stack, transcript: str) -> None:
    edited = transcript_pb2.Segment(start_ms=1, end_ms=2, text="new", original_text="old", edited=True, index=0)
    async with watching(stack, f"/v1/transcripts/{transcript}/events", stack.issuer.token("owner-demo")) as live:
        await publish(stack, append(stack, transcript, segment=edited))
        shown = {"start_ms": 1, "end_ms": 2, "text": "new", "words": []}
        assert await heard(live) == ("TRANSCRIPT", {**shown, "edited": True, "original_text": "old", "index": 0})


async def test_replay_then_live_without_a_gap_and_without_repetition(stack: Stack, transcript: str) -> None:
    """Events go on being committed and published, some twice, some never, while listeners come."""
    total, listeners = 300, 8

    async def produce() -> None:
        for number in range(1, total + 1):
            event = append(stack, transcript, **segment(number))
            if number % 7 or number == total:  # NATS may lose one
                await publish(stack, event)
            if number % 5 == 0:  # and repeat one
                await publish(stack, event)

    async def listen(wait: int) -> list[int]:
        async def has_begun() -> bool:
            return len(stack.backend.events[transcript]) >= wait

        await eventually(has_begun, every=0.001)
        path = f"/v1/transcripts/{transcript}/events"
        async with watching(stack, path, stack.issuer.token("owner-demo")) as live:
            return [(await heard(live))[1]["start_ms"] for _ in range(total)]

    producing = asyncio.create_task(produce())
    seen = await asyncio.gather(*(listen(number * total // listeners) for number in range(listeners)))
    await producing
    for numbers in seen:
        assert numbers == list(range(1, total + 1))


async def test_who_comes_back_says_where_they_were_and_hears_the_rest_once(stack: Stack, transcript: str) -> None:
    """Lines break again and again while events are committed, some published twice, some never."""
    total = 200

    async def produce() -> None:
        for number in range(1, total + 1):
            event = append(stack, transcript, **segment(number))
            if number % 7 or number == total:
                await publish(stack, event)
            if number % 5 == 0:
                await publish(stack, event)

    async def listen(patience: int) -> list[tuple[int, str]]:
        seen: list[tuple[int, str]] = []
        while len(seen) < total:
            after = seen[-1][0] if seen else 0
            path = f"/v1/transcripts/{transcript}/events?after={after}"
            async with watching(stack, path, stack.issuer.token("owner-demo")) as live:
                for _ in range(min(patience, total - len(seen))):
                    said = await message(live)
                    seen.append((said["sequence"], said["data"]["text"]))
                live.transport.abort()
        return seen

    producing = asyncio.create_task(produce())
    heard_by_all = await asyncio.gather(*(listen(patience) for patience in (7, 17, 41)))
    await producing
    committed = [(event.sequence, event.segment.text) for event in stack.backend.events[transcript]]
    assert all(heard_by_one == committed for heard_by_one in heard_by_all)


@pytest.mark.parametrize("after", ["4", "999999999999999999", "9" * 40, "-1", "x", "", "1.5", "%00", "\u0663"])
async def test_a_number_that_no_event_has_had_asks_for_everything(stack: Stack, transcript: str, after: str) -> None:
    for number in (1, 2, 3):
        append(stack, transcript, **segment(number))
    path = f"/v1/transcripts/{transcript}/events?after={quote(after, safe='%')}"
    async with watching(stack, path, stack.issuer.token("owner-demo")) as live:
        assert [(await message(live))["sequence"] for _ in range(3)] == [1, 2, 3]
        await publish(stack, append(stack, transcript, **segment(4)))
        assert (await message(live))["sequence"] == 4


async def test_who_has_seen_everything_hears_only_what_comes(stack: Stack, transcript: str) -> None:
    for number in (1, 2, 3):
        append(stack, transcript, **segment(number))
    path = f"/v1/transcripts/{transcript}/events?after=3"
    async with watching(stack, path, stack.issuer.token("owner-demo")) as live:
        await publish(stack, append(stack, transcript, **segment(4)))
        assert (await message(live))["sequence"] == 4


async def test_missing_progress_is_no_gap_that_holds_anything_up(stack: Stack, transcript: str) -> None:
    for percent in (10, 20, 30):
        append(stack, transcript, progress=transcript_pb2.Progress(percent=percent))
    async with watching(stack, f"/v1/transcripts/{transcript}/events", stack.issuer.token("owner-demo")) as live:
        assert (await heard(live))[1]["percent"] == 30  # of several only the latest is kept
        append(stack, transcript, progress=transcript_pb2.Progress(percent=40))
        await publish(stack, append(stack, transcript, progress=transcript_pb2.Progress(percent=50)))
        assert (await heard(live))[1]["percent"] == 50
        await publish(stack, append(stack, transcript, status=transcript_pb2.TRANSCRIPT_STATUS_COMPLETED))
        assert await heard(live) == ("STATUS", {"status": "completed"})
