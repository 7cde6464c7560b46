"""R6: while consent_svc says nothing, nothing is erased and nothing is handed out; once it is back, all is settled."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from tests.system.world import Call, Json, World

SETTLED_WITHIN = 5.0
"""Seconds after its return."""


@asynccontextmanager
async def _paused(world: World) -> AsyncIterator[None]:
    """It keeps its connections and answers nothing."""
    pid = int(world.env["ASSENT_PID_CONSENT_SVC"])
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@asynccontextmanager
async def _gone(world: World) -> AsyncIterator[None]:
    """Nobody listens any more."""
    world.stack.kill("consent_svc")
    try:
        yield
    finally:
        await world.restart("consent_svc")


@pytest.mark.parametrize("away", [_paused, _gone], ids=["paused", "gone"])
async def test_r6_d2_without_a_verdict_audio_is_neither_erased_nor_handed_out(
    world: World, away: Callable[[World], AbstractAsyncContextManager[None]]
) -> None:
    refused, granted = await _recorded(world, given=False), await _recorded(world, given=True)
    await asyncio.gather(world.transcribing(refused), world.transcribing(granted))
    async with away(world):
        for call in (refused, granted):
            withheld = await world.recording(call, "undecided")
            assert withheld["reason"] == "CONSENT_UNREACHABLE"
            assert await _original(world, withheld)
            audio = await world.ask("GET", f"/v1/transcripts/{withheld['transcript_id']}/audio/mp3")
            assert (audio.status_code, audio.json()["reason"]) == (409, "CONSENT_UNDECIDED")
    erased, kept = await asyncio.gather(
        world.recording(refused, "erased", within=SETTLED_WITHIN),
        world.recording(granted, "kept", within=SETTLED_WITHIN),
    )
    assert await world.stored(erased) == []
    assert await _original(world, kept)


async def _recorded(world: World, *, given: bool) -> Call:
    call = await world.call("Ana", "Ben")
    await world.answer(call, "Ben", given)
    await world.hang_up(call)
    return call


async def _original(world: World, recording: Json) -> list[str]:
    place = f"{recording['bucket']}/{recording['object_key']} {recording['version_id']}"
    return [one for one in await world.stored(recording) if one == place]
