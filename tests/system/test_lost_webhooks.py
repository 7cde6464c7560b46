"""Webhooks are evidence and never the only basis: what becomes of a call of which none arrives."""

from collections.abc import AsyncIterator

import pytest

from tests.eventually import eventually
from tests.system.world import World


@pytest.fixture
async def deaf(world: World) -> AsyncIterator[World]:
    """The stack, which hears no webhook."""
    await world.whereby.post("/control/webhooks", json={"mode": "lose"})
    yield world
    await world.whereby.post("/control/webhooks", json={"mode": "deliver"})


async def test_m3_a_call_of_which_no_webhook_told_is_closed_and_its_refused_audio_erased(deaf: World) -> None:
    call = await deaf.call("Ana", "Ben")
    path = f"/v1/meetings/{call.meeting_id}"

    async def has_ended() -> bool:
        return not (await deaf.get(path))["is_active"]

    assert not await has_ended()
    await deaf.answer(call, "Ana", True)
    await deaf.answer(call, "Ben", False)
    await deaf.hang_up(call, announce=False)
    await eventually(has_ended, within=90)
    assert (await deaf.open(call.room))["meeting"]["id"] != call.meeting_id
    await deaf.recording(call, "erased")
