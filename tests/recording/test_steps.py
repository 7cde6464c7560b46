"""Every way that the table of transitions allows, and the process killed before and after every step of each.

`ASSENT_EVERY_STEP=1` kills it at steps that repeat an earlier one of the same way, too.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from assent.recording.v1.recording_events_pb2 import AudioDeleted
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from recording_svc.certificate import verify
from recording_svc.domain.recordings import Recording, State
from recording_svc.domain.settling import TRANSITIONS
from recording_svc.store import Recordings
from tests.recording.conftest import published
from tests.recording.faults import denied, unreachable
from tests.recording.memory import MemoryRecordings
from tests.recording.neighbours import COMPLETED, FAILED, PROCESSING, Neighbours
from tests.recording.steps import Killed, Steps, Stepwise
from tests.recording.surroundings import Clock, Cloud
from tests.recording.world import KEY, World

D, U, T, N, K, E, X, B, F = (
    State.DISCOVERED, State.UNMATCHED, State.TRANSCRIBING, State.UNDECIDED, State.KEPT,
    State.ERASING, State.ERASED, State.BLOCKED, State.FAILED,
)  # fmt: skip


def _raising(error: Exception) -> Callable[..., Any]:
    def raise_it(**_: Any) -> None:
        raise error

    return raise_it


class Circumstances:
    """What is so around recording_svc, for as long as nobody changes it."""

    def __init__(self, neighbours: Neighbours) -> None:
        self._neighbours = neighbours
        self.of_s3: dict[str, Callable[..., Any]] = {}

    def become(self, state: State, *, failed: bool, now: Any) -> None:
        """Those in which a recording comes to this state; `failed` where its transcription did."""
        answers, written = self._neighbours.answers, self._neighbours.written
        answers.error, answers.default_meetings = None, ["meeting-1"]
        answers.refusals.clear()
        written.default, written.finished_at = FAILED if failed else COMPLETED, now - timedelta(days=2)
        self.of_s3 = {}
        if state is D:
            written.default = None
        if state is T:
            written.default = PROCESSING
        if state is F:
            written.default = FAILED
        if state is U:
            answers.default_meetings = []
        if state is N:
            self._neighbours.fall_silent()
        if state in (E, B, X):
            self._neighbours.refuse()
        if state in (E, B):
            error = unreachable() if state is E else denied("ListObjectVersions")
            self.of_s3 = dict.fromkeys(("list_object_versions", "list_multipart_uploads"), _raising(error))


@dataclass
class Run:
    """One recording's way through its states."""

    store: Recordings
    cloud: Cloud
    neighbours: Neighbours
    key: Ed25519PrivateKey

    def __post_init__(self) -> None:
        self.clock = Clock()
        self.around = Circumstances(self.neighbours)

    async def arrives(self) -> None:
        """Whereby puts the object, another upload of it is left unfinished, and transcript_svc writes its mp3."""
        self.around.become(D, failed=False, now=self.clock())
        world = self._process(Steps())
        await world.write_mp3(await world.arrive())
        self.cloud.oracle.create_multipart_upload(Bucket=self.cloud.recordings, Key=KEY)

    async def comes_back(self) -> None:
        """A worker that was thought dead writes its mp3 once more."""
        recording_id = (await self.now()).recording_id
        self.cloud.put(f"{recording_id}.mp3", b"mp3", self.cloud.audio)
        await self.store.look_now([recording_id], self.clock())

    async def reaches(
        self, state: State, *, failed: bool, steps: Steps | None = None, came_back: bool = False
    ) -> Recording:
        """Let circumstances be those of this state, and settle. Killed at a step, it is started again."""
        self.around.become(state, failed=failed, now=self.clock())
        if came_back:  # what is there is seen, but does not go
            self.around.of_s3 = {"delete_objects": _raising(unreachable())}
        try:
            await self._settle(steps or Steps())
        except Killed:
            await self._settle(Steps())
        return await self.now()

    async def now(self) -> Recording:
        """As it is stored."""
        [recording] = await self.store.of_versions(self.cloud.recordings, {KEY})
        return recording

    async def check(self, recording: Recording) -> None:
        """Hold what is left, by the buckets' own account, against what is said of it."""
        told = [one for one in await published(self.store) if isinstance(one, AudioDeleted)]
        lying, audio = self._process(Steps()).lying(), [("upload", KEY), ("version", KEY)]
        audio.append(("version", f"{recording.recording_id}.mp3"))
        if recording.state is X:
            removed = verify(recording.certificate, self.key.public_key())["removed"]
            assert ({(one["kind"], one["key"]) for one in removed}, lying, len(told)) == (set(audio), [], 1)
        elif recording.removal_began:
            assert recording.state in (E, B)
            assert recording.grounds is not None
        else:
            assert (sorted(lying), told) == (sorted(audio), [])

    def clear(self) -> None:
        """Leave nothing to the next."""
        for bucket in (self.cloud.recordings, self.cloud.audio):
            listed = self.cloud.oracle.list_object_versions(Bucket=bucket)
            for one in (*listed.get("Versions", []), *listed.get("DeleteMarkers", [])):
                self.cloud.oracle.delete_object(Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"])
            for one in self.cloud.oracle.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
                self.cloud.oracle.abort_multipart_upload(Bucket=bucket, Key=one["Key"], UploadId=one["UploadId"])

    def _process(self, steps: Steps) -> World:
        store: Any = Stepwise(self.store, steps)
        s3: Any = Stepwise(self.cloud.s3, steps)
        world = World(store, replace(self.cloud, s3=s3), self.neighbours, self.clock, self.key)
        world.s3.before.update(self.around.of_s3)
        return world

    async def _settle(self, steps: Steps) -> None:
        world = self._process(steps)
        for _ in range(2):
            self.clock.advance(minutes=6)
            await world.sweep.settle_due()


EVERY_STEP = bool(os.environ.get("ASSENT_EVERY_STEP"))


@dataclass(frozen=True)
class Way:
    """From one state into another; `failed` where the transcription had failed by then, before and after."""

    before: State
    after: State
    failed: tuple[bool, bool]

    def __str__(self) -> str:
        return f"{self.before} to {self.after}"


def _way(before: State, after: State) -> Way:
    # What has a transcript keeps it: where there is none later, it had failed before.
    return Way(before, after, (before is F or after in (D, T, F), before is F and after is E))


WAYS = [_way(before, after) for before, ways in TRANSITIONS.items() for after in sorted(ways)]


async def walked(way: Way, run: Run, steps: Steps) -> Recording:
    await run.arrives()
    if way.before is not D:
        at = await run.reaches(way.before, failed=way.failed[0])
        assert at.state is way.before, f"{at.state} ({at.reason}) instead of {way.before}"
    if way.before is X:
        await run.comes_back()
    return await run.reaches(way.after, failed=way.failed[1], steps=steps, came_back=way.before is X)


@pytest.mark.parametrize("way", WAYS, ids=str)
async def test_r4_r5_d5_killed_before_and_after_every_step_of_every_way_it_ends_the_same(
    way: Way, cloud: Cloud, neighbours: Neighbours, signing_key: Ed25519PrivateKey
) -> None:
    undisturbed, steps = Run(MemoryRecordings(), cloud, neighbours, signing_key), Steps()
    expected = await walked(way, undisturbed, steps)
    assert expected.state is way.after, f"{expected.state} ({expected.reason}): the table allows what never happens"
    assert f"save {way.after}" in steps.taken
    await undisturbed.check(expected)
    numbers: Sequence[int] = range(len(steps.taken))
    if not EVERY_STEP:
        numbers = sorted(steps.taken.index(what) for what in set(steps.taken))
    for number, before in product(numbers, (True, False)):
        undisturbed.clear()
        run, dying = Run(MemoryRecordings(), cloud, neighbours, signing_key), Steps(number, before=before)
        ended = await walked(way, run, dying)
        when = f"killed {'before' if before else 'after'} step {number}, {steps.taken[number]}"
        assert dying.is_dead, when
        assert (ended.state, ended.reason) == (expected.state, expected.reason), when
        await run.check(ended)
