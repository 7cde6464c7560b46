"""R6: consent_svc is asked for by one while it is away, and by all as soon as it is back."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from chassis.errors import Unavailable
from chassis.tasks import end
from recording_svc.consent import MALFORMED, UNREACHABLE
from recording_svc.domain.recordings import Recording, State
from recording_svc.store import Recordings
from tests.eventually import eventually
from tests.recording.neighbours import Neighbours
from tests.recording.surroundings import NOON
from tests.recording.world import World

MANY = 60
"""More than are settled at once, and than one sweep takes within a second while each waits for an answer."""


@asynccontextmanager
async def _at_work(world: World) -> AsyncIterator[None]:
    """The loops that a served process runs beside each other."""
    watching = world.neighbours.consent.watch(world.sweep.ask_again, pause=0.01)
    tasks = [asyncio.ensure_future(loop) for loop in (world.sweep.run(), watching)]
    try:
        yield
    finally:
        await end(*tasks)


async def _settled(world: World, expected: Callable[[Recording], State]) -> None:
    recordings = [one async for one in _all(world)]
    assert {one.recording_id: one.state for one in recordings} == {
        one.recording_id: expected(one) for one in recordings
    }


async def _all(world: World) -> AsyncIterator[Recording]:
    for number in range(MANY):
        [recording] = await world.recordings.of_versions(world.cloud.recordings, {_key(number)})
        yield recording


def _key(number: int) -> str:
    return f"room-{number}-2026-11-22T11:20:00Z.mp4"


def _nonsense(neighbours: Neighbours) -> None:
    neighbours.answers.default_meetings = [""]


@pytest.mark.parametrize(("fail", "reason"), [(Neighbours.fall_silent, UNREACHABLE), (_nonsense, MALFORMED)])
async def test_r6_many_that_nothing_was_said_about_are_settled_at_once_when_it_answers(
    world: World, fail: Callable[[Neighbours], None], reason: str
) -> None:
    fail(world.neighbours)
    for number in range(MANY):
        await world.arrive(_key(number))
    for _ in range(3):
        await world.sweep.settle_due()
    await _settled(world, lambda _: State.UNDECIDED)
    assert {one.reason async for one in _all(world)} == {reason}
    world.neighbours.return_()
    world.answers.default_meetings = ["meeting-1"]
    async with _at_work(world):  # the clock stands: nothing becomes due by itself

        async def done() -> bool:
            return {one.state async for one in _all(world)} == {State.KEPT}

        assert await eventually(done)


async def test_r6_whoever_starts_asks_at_once_for_what_waited_before(world: World) -> None:
    world.neighbours.fall_silent()
    recording = await world.arrive(_key(0))
    await world.settle(recording)
    world.neighbours.return_()
    async with _at_work(world):

        async def kept() -> bool:
            return (await world.now(recording)).state is State.KEPT

        assert await eventually(kept)


async def test_r6_who_returns_while_the_sweep_begins_is_not_overlooked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, waited = 0, asyncio.Event()

    async def look(*_: object) -> None:
        nonlocal looked
        looked += 1
        if looked == 1:
            world.sweep.ask_again()
            raise Unavailable("away", reason="STORE_AWAY")
        if looked == 2:
            world.sweep.ask_again()
        if looked == 3:
            waited.set()

    monkeypatch.setattr(world.recordings, "look_now_for", look)
    async with _at_work(world), asyncio.timeout(30):
        await waited.wait()


async def test_a_sweep_that_is_told_to_end_just_when_it_is_woken_ends(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = asyncio.Event()

    async def nothing_due(*_: object) -> list[str]:
        looked.set()
        return []

    monkeypatch.setattr(world.recordings, "claim_due", nothing_due)
    for turns in range(6):
        looked.clear()
        sweeping = asyncio.create_task(world.sweep.run())
        await looked.wait()
        await _turns(5)  # it waits by now
        world.woken.set()
        await _turns(turns)
        sweeping.cancel()
        ended, _ = await asyncio.wait([sweeping], timeout=60)
        assert ended, turns


async def _turns(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def test_r6_while_it_is_away_one_question_waits_and_others_go_on_without(world: World) -> None:
    first, second = await world.arrive(_key(0)), await world.arrive(_key(1))
    world.neighbours.fall_silent()
    assert (await world.settle(first)).reason == UNREACHABLE
    world.neighbours.return_()
    world.answers.gate.clear()
    waiting = asyncio.ensure_future(world.settle(first))
    await world.answers.was_asked.wait()
    asked = len(world.answers.asked)
    assert (await world.settle(second)).reason == UNREACHABLE
    assert (len(world.answers.asked), waiting.done()) == (asked, False)
    world.answers.gate.set()
    assert (await waiting).state is State.KEPT
    assert (await world.settle(second)).state is State.KEPT


async def test_only_what_waits_for_these_reasons_becomes_due(recordings: Recordings, world: World) -> None:
    reasons = {
        0: (State.UNDECIDED, UNREACHABLE), 1: (State.UNDECIDED, "ANSWERS_AWAITED"), 2: (State.FAILED, MALFORMED),
        3: (State.KEPT, UNREACHABLE), 4: (State.KEPT, "NOBODY_REFUSED"),
    }  # fmt: skip
    ids = {}
    for number, (state, reason) in reasons.items():
        taken = await world.arrive(_key(number))
        ids[number] = taken.recording_id
        await world.recordings.save(replace(taken, state=state, reason=reason, next_look_at=None))
    await world.recordings.look_now_for((UNREACHABLE, MALFORMED), NOON)
    assert sorted(await world.recordings.claim_due(NOON, NOON, 9)) == sorted([ids[0], ids[2]])
