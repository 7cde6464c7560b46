"""What transcript_svc says of a transcript counts as far as it can be true."""

from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from recording_svc.domain.recordings import Stage, State
from tests.recording.neighbours import FAILED, Neighbours
from tests.recording.surroundings import NOON
from tests.recording.world import World

IMPOSSIBLE = [
    NOON + timedelta(seconds=1),
    datetime(9999, 12, 31, 23, 59, tzinfo=UTC),
    Timestamp(seconds=10**15),
    Timestamp(seconds=-(10**15)),
    Timestamp(nanos=-5),
]


async def test_the_end_of_a_transcription_is_told(neighbours: Neighbours) -> None:
    neighbours.written.default, neighbours.written.finished_at = FAILED, NOON
    said = await neighbours.transcripts.of("r-1")
    assert (said.stage, said.finished_at) == (Stage.FAILED, NOON)


@pytest.mark.parametrize("finished_at", IMPOSSIBLE)
async def test_an_end_that_cannot_be_is_none(neighbours: Neighbours, finished_at: datetime | Timestamp) -> None:
    neighbours.written.default, neighbours.written.finished_at = FAILED, finished_at
    said = await neighbours.transcripts.of("r-1")
    assert (said.stage, said.finished_at) == (Stage.FAILED, None)


@pytest.mark.parametrize("finished_at", IMPOSSIBLE)
async def test_r4_refused_audio_is_not_kept_by_a_transcription_that_ends_in_the_future(
    world: World, finished_at: datetime | Timestamp
) -> None:
    world.written.default, world.written.finished_at = FAILED, finished_at
    world.neighbours.refuse()
    recording = await world.arrive()
    assert (await world.settle(recording)).state is State.FAILED
    world.clock.advance(hours=23, minutes=59)
    # A time that has come meanwhile would do as well as the one that was noted.
    world.written.finished_at = datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
    assert (await world.settle(recording)).state is State.FAILED
    world.clock.advance(minutes=1)
    assert (await world.settle(recording)).state is State.ERASED
    assert world.lying() == []
