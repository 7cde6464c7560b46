"""No byte of the sound is left on disk: what lay in scratch while it was worked on is searched for afterwards."""

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from assent.recording.v1 import recording_pb2 as pb

from tests.eventually import eventually
from tests.forking import Process
from tests.transcript.crew import Crew
from transcript_svc.domain import Status

PIECE = 24
"""Bytes that are looked for in one go."""
TELLING = 8
"""So many different bytes make a piece of sound; fewer are in many a file."""
INSTANCES = ("one", "two")


def pieces(sound: bytes) -> set[bytes]:
    """The sound, cut up; without silence and padding."""
    cut = (sound[at : at + PIECE] for at in range(0, len(sound) - PIECE, PIECE))
    return {piece for piece in cut if len(set(piece)) >= TELLING}


def leavings(folder: Path, wanted: set[bytes], besides: Path) -> list[Path]:
    """Files below the folder that hold a piece of the sound anywhere, except one that may."""
    return [path for path in files(folder) if path != besides and holds(path.read_bytes(), wanted)]


def holds(content: bytes, wanted: set[bytes]) -> bool:
    return any(content[at : at + PIECE] in wanted for at in range(len(content) - PIECE + 1))


def files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


async def caught_at_work(crew: Crew, instance: str, recording_id: str) -> set[bytes]:
    """Every kind of file that the work on one recording makes, as it lies in scratch while it is recognised."""

    async def first_words() -> bool:
        transcript = await crew.transcripts.of_recording(recording_id)
        events = await crew.transcripts.events(transcript.id, 0) if transcript else []
        return any(event.HasField("segment") for event in events)

    await eventually(first_words)
    found = {path.name: pieces(path.read_bytes()) for path in files(crew.scratch(instance))}
    assert set(found) == {"source", "audio.wav", "audio.mp3"}
    assert all(found.values())
    return set().union(*found.values())


@pytest.mark.parametrize("instance", INSTANCES)
async def test_no_piece_of_the_sound_is_left_after_success_failure_and_kill_9(
    crew: Crew, spoken: Path, instance: str
) -> None:
    crew.piece, sound = 0.5, await asyncio.to_thread(spoken.read_bytes)
    process = await crew.begin(instance)
    await crew.arrive("whole", sound)
    wanted = await caught_at_work(crew, instance, "whole") | pieces(sound)
    assert leavings(crew.scratch(instance), wanted, spoken), "a search that finds nothing now shows nothing later"
    await crew.completed(["whole"])
    await crew.scratch_empty()
    assert leavings(crew.folder, wanted, spoken) == [], "after success"

    await fails(crew, sound[: len(sound) * 2 // 3])
    assert leavings(crew.folder, wanted, spoken) == [], "after a failure"

    for recording_id in ("killed", "erased"):
        await dies(crew, process, instance, recording_id, sound)
        assert leavings(crew.scratch(instance), wanted, spoken), "nobody was there to wipe it"
        if recording_id == "erased":  # nobody works on it again: only the beginning can wipe it
            crew.recording_svc.fake.recordings[recording_id].state = pb.RECORDING_STATE_ERASING
        process = await crew.begin(instance)
        if recording_id == "killed":
            await crew.completed([recording_id])
        await crew.scratch_empty()
        assert leavings(crew.folder, wanted, spoken) == [], "after kill -9 and another beginning"
    process.send(signal.SIGTERM)
    assert await process.ended() == 0
    assert list(files(crew.scratch(instance))) == []


async def fails(crew: Crew, sound: bytes) -> None:
    """A recording comes in that was cut off, and cannot be transcribed."""
    await crew.arrive("broken", sound)

    async def failed() -> bool:
        found = await crew.transcripts.of_recording("broken")
        return found is not None and found.status is Status.FAILED

    await eventually(failed)
    await crew.scratch_empty()


async def dies(crew: Crew, process: Process, instance: str, recording_id: str, sound: bytes) -> None:
    """The process is killed while it works, and whatever it had begun ends with it."""
    await crew.arrive(recording_id, sound)
    await caught_at_work(crew, instance, recording_id)
    process.send(signal.SIGKILL)
    assert await process.ended() == -signal.SIGKILL
