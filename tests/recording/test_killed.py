"""A real recording_svc, ended by kill -9 before and after every step of what takes in, settles and erases.

It is begun again, and ends as if nothing had happened. The steps are those that an undisturbed run takes; with
`ASSENT_EVERY_STEP=1` it is also killed where a step repeats one.
"""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chassis.channel import Tls
from deploy.local import Moto, Nats, Postgres
from recording_svc.certificate import load_public_key
from recording_svc.domain.recordings import State
from tests.recording.conftest import Aws, fresh_cloud
from tests.recording.dying import Death
from tests.recording.lanes import Lane, Servers
from tests.recording.lives import Lives, Service
from tests.recording.memory import MemoryRecordings
from tests.recording.neighbours import Neighbours
from tests.recording.steps import Steps
from tests.recording.test_steps import EVERY_STEP, Run, Way, walked
from tests.recording.told import Story

LANES = 3
Chapter = Callable[[Story], Awaitable[None]]


async def denied(story: Story) -> None:
    """Somebody has refused by the time the transcript is there."""
    await story.is_transcribed(refused=True)
    await story.becomes(State.ERASED)


async def granted(story: Story) -> None:
    """Nobody refuses."""
    await story.is_transcribed(refused=False)
    await story.becomes(State.KEPT)


async def denied_later(story: Story) -> None:
    """Somebody changes their mind about what is kept."""
    await story.is_refused()
    await story.becomes(State.ERASED)


WAYS = [
    Way(before, after, (False, False))
    for before, after in (
        (State.DISCOVERED, State.KEPT),
        (State.KEPT, State.ERASING),
        (State.ERASING, State.ERASED),
    )
]
"""Those of the stories, as they are walked within one process."""
STORIES = ((denied,), (granted,), (granted, denied_later))


@pytest.fixture
async def lives(tmp_path: Path) -> AsyncIterator[Lives]:
    async with Lives(tmp_path) as lives:
        yield lives


@pytest.fixture
async def lanes(
    tmp_path: Path, postgres: Postgres, migrated: str, moto: Moto, aws: Aws, tls: Tls
) -> AsyncIterator[Sequence[Lane]]:
    servers = Servers(postgres, migrated, moto, aws, tls)
    async with AsyncExitStack() as stack:
        made = []
        for number in range(LANES):
            folder = tmp_path / f"lane-{number}"
            neighbours = await stack.enter_async_context(Neighbours(tls))
            made.append(Lane(folder, servers, neighbours, stack.enter_context(Nats(folder / "nats", fsync=False))))
        yield made


@dataclass
class Told:
    """What came of a story: the steps of its last chapter, and whether the service died."""

    steps: list[str]
    died: bool


async def tell(lane: Lane, lives: Lives, chapters: Sequence[Chapter], death: Death | None = None) -> Told:
    """Let a story happen to a service that dies once, or never."""
    async with lane.story() as (story, environ), Service(lives, environ, death) as service:
        key, before, died = load_public_key(lane.key), 0, False
        for chapter in chapters:
            before = len(service.process.steps())
            await chapter(story)
            await story.check(key)
        if death:
            # One that repeats another may not be taken this time.
            died = await service.died(within=3 if death.occurrence > 1 else 60)
            await story.becomes((await story.now()).state)
            await story.check(key)
        return Told(_of_the_way(service.process.steps()[before:]), died)


def _of_the_way(steps: Sequence[str]) -> list[str]:
    """Without what settling does after it came to the state in which it ends: a second look may come, or not."""
    end = max((number for number, step in enumerate(steps) if step.startswith("save")), default=0)
    return [step for number, step in enumerate(steps) if number <= end or " while " not in step]


async def kill_at_each(lanes: Sequence[Lane], lives: Lives, chapters: Sequence[Chapter], deaths: list[Death]) -> int:
    """The story once for each death, in as many lanes as there are; returns how often the service died."""
    left, kills = deaths[::-1], 0

    async def work(lane: Lane) -> None:
        nonlocal kills
        while left:
            death = left.pop()
            try:
                told = await tell(lane, lives, chapters, death)
                assert told.died or death.occurrence > 1, "it was never there"
            except BaseException as error:
                error.add_note(f"killed {death}")
                raise
            kills += told.died

    async with asyncio.TaskGroup() as group:
        for lane in lanes:
            group.create_task(work(lane))
    return kills


@pytest.mark.timeout(1800 if EVERY_STEP else 300)
async def test_r2_r4_r5_d5_killed_before_and_after_every_step_it_ends_as_if_nothing_had_happened(
    lanes: Sequence[Lane],
    lives: Lives,
    aws: Aws,
    neighbours: Neighbours,
    signing_key: Ed25519PrivateKey,
    capsys: pytest.CaptureFixture[str],
) -> None:
    began, known, kills = time.monotonic(), Counter[str](), 0
    for chapters in STORIES:
        taken = Counter((await tell(lanes[0], lives, chapters)).steps)
        kills += await kill_at_each(lanes, lives, chapters, _deaths(taken, known))
        known |= taken
    calls = {step.partition(" while ")[0] for step in known}
    for way in WAYS:
        steps = Steps()
        await walked(way, Run(MemoryRecordings(), await fresh_cloud(aws), neighbours, signing_key), steps)
        assert set(steps.taken) <= calls, f"{way} takes steps that no process was killed at"
    with capsys.disabled():
        figures = f"{len(known)} steps, killed {kills} times, {time.monotonic() - began:.0f} s"
        sys.stdout.write(f"\nkill -9 of recording_svc: {figures}\n")


def _deaths(taken: Counter[str], known: Counter[str]) -> list[Death]:
    """Before and after each step of a story; unless every one is wanted, only the first of a kind that is new."""
    return [
        Death(step, before, occurrence)
        for step, times in taken.items()
        for occurrence in range(1, times + 1)
        for before in (True, False)
        if EVERY_STEP or (occurrence == 1 and step not in known)
    ]
