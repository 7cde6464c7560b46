"""No cancellation is lost, in whichever moment it comes."""

import asyncio

import pytest

from chassis import tasks
from chassis.tasks import end, set_within


@pytest.mark.parametrize("turns", range(6))
async def test_a_loop_that_is_cancelled_just_when_its_event_comes_ends(turns: int) -> None:
    event = asyncio.Event()

    async def loop() -> None:
        while True:
            event.clear()
            await set_within(event, 60)

    task = asyncio.create_task(loop())
    await asyncio.sleep(0)
    event.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    ended, _ = await asyncio.wait([task], timeout=5)
    assert ended


async def test_an_event_that_does_not_come_is_waited_for_no_longer() -> None:
    event = asyncio.Event()
    assert not await set_within(event, 0.01)
    event.set()
    assert await set_within(event, 60)


async def test_a_task_that_swallowed_its_cancellation_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "_PATIENCE", 0.01)
    swallowed = 0

    async def deaf() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed == 2:
                    raise

    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    await asyncio.wait_for(end(task), 30)
    assert (swallowed, task.cancelled()) == (2, True)


async def test_tasks_end_together_and_what_one_raises_stays_its_own() -> None:
    async def fails() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise RuntimeError("the disk is full")

    async def done() -> int:
        return 7

    failing, ended, waiting = (asyncio.create_task(one) for one in (fails(), done(), asyncio.Event().wait()))
    await asyncio.sleep(0)
    await end(failing, ended, waiting)
    assert (ended.result(), waiting.cancelled()) == (7, True)
    assert isinstance(failing.exception(), RuntimeError)
    await end()
