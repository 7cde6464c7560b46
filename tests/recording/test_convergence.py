"""Settling from two places at once, and after being killed at any step: it ends the same."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from assent.recording.v1.recording_events_pb2 import AudioDeleted

from chassis.errors import Unavailable
from recording_svc.domain.recordings import State
from recording_svc.store.postgres import PostgresRecordings
from tests.recording.conftest import published
from tests.recording.surroundings import Clock
from tests.recording.world import KEY, World


async def test_while_one_settles_another_is_told_to_come_again(world: World) -> None:
    recording = await world.arrive()
    world.answers.gate.clear()
    first = asyncio.create_task(world.settle(recording))
    await world.answers.was_asked.wait()
    world.neighbours.refuse()
    with pytest.raises(Unavailable) as raised:
        await world.settle(recording)
    assert raised.value.reason == "BEING_SETTLED"
    world.answers.gate.set()
    assert (await first).state is State.KEPT
    # What woke the second was newer than what the first had read.
    assert (await world.settle(recording)).state is State.ERASED


async def test_two_replicas_at_once_erase_and_certify_once(
    postgres_recordings: PostgresRecordings, cloud: Any, neighbours: Any, clock: Clock, signing_key: Any
) -> None:
    replicas = [World(postgres_recordings, cloud, neighbours, clock, signing_key) for _ in range(2)]
    ids = [(await replicas[0].arrive(f"room-{n}-2026-11-22T11:20:00Z.mp4")).recording_id for n in range(6)]
    neighbours.refuse()
    await asyncio.gather(*(replica.sweep.settle_due() for replica in replicas for _ in range(3)))
    await asyncio.gather(
        *(replica.settlement.settle(one) for replica in replicas for one in ids), return_exceptions=True
    )
    deleted = [one for one in await published(postgres_recordings) if isinstance(one, AudioDeleted)]
    assert sorted(one.recording_id for one in deleted) == sorted(ids)
    assert replicas[0].lying() == []


_CRASHES: list[tuple[str, Callable[[World, Any], None]]] = [
    ("before the listing", lambda world, die: world.s3.before.update(list_object_versions=die)),
    ("before the deletion", lambda world, die: world.s3.before.update(delete_objects=die)),
    ("before the abort", lambda world, die: world.s3.before.update(abort_multipart_upload=die)),
    ("after the deletion", lambda world, die: world.s3.after.update(delete_objects=die)),
    ("after the abort", lambda world, die: world.s3.after.update(abort_multipart_upload=die)),
]


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize(("where", "plant"), _CRASHES, ids=[name for name, _ in _CRASHES])
async def test_killed_at_any_step_it_converges_and_the_certificate_names_all(
    world: World, where: str, plant: Callable[[World, Any], None]
) -> None:
    recording = await world.arrive()
    await world.write_mp3(recording)
    world.cloud.oracle.create_multipart_upload(Bucket=world.cloud.recordings, Key=KEY)
    world.neighbours.refuse()

    def die(*_: Any, **__: Any) -> None:
        raise Killed(where)

    plant(world, die)
    with pytest.raises(Killed):
        await world.settle(recording)
    assert (await world.now(recording)).certificate == ""
    world.s3.before.clear()
    world.s3.after.clear()
    erased = await world.settle(recording)
    assert world.lying() == []
    removed = {(one["kind"], one["key"]) for one in world.statement(erased)["removed"]}
    assert removed == {("upload", KEY), ("version", f"{recording.recording_id}.mp3"), ("version", KEY)}
