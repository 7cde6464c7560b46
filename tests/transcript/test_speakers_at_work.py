"""Who speaks is told as it is heard, kept in the transcript, and right after a crash as well."""

import signal
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.transcript.crew import Crew
from tests.transcript.forked import PIECES
from tests.transcript.surroundings import Store
from tests.transcript.track_files import OwnTrack, talk, tracks_file
from tests.transcript.workshop import Workshop
from transcript_svc.domain import Segment
from transcript_svc.recognition import Heard

HALF = PIECES[3].start_ms / 1000
"""Seconds, after which another speaks."""


def conversation(late: float = 0.0) -> bytes:
    """One person speaks in the first half of what is heard, a nameless one in the second."""
    ana = OwnTrack(talk((0.0, HALF), seconds=2), about={"title": "Ana"})
    other = OwnTrack(talk((HALF - late, 2.0 - late), seconds=2 - late, pitch=300), late)
    return tracks_file("matroska", "pcm_s16le", ana, other)


class Listener:
    """Hears two segments in everything, one after the other."""

    language = "en"

    async def hear(self, wav: Path) -> AsyncGenerator[Heard, None]:
        yield Heard(700, (Segment(0, 700, "is it done"),))
        yield Heard(1_500, (Segment(800, 1_500, "it is"),))

    async def aclose(self) -> None:
        """Nothing to let go of."""


@pytest.mark.parametrize("late", [0.0, 0.6])
async def test_who_speaks_is_told_as_it_is_heard_and_kept(
    postgres_store: Store, shop: Workshop, tmp_path: Path, late: float
) -> None:
    shop.store = postgres_store
    (tmp_path / "two.mkv").write_bytes(conversation(late))
    shop.arrive(tmp_path / "two.mkv")
    await (await shop.worker(recogniser=Listener())).transcribe("r1")
    transcript = await shop.transcript()
    assert [(one.speaker, one.text) for one in transcript.segments] == [("Ana", "is it done"), ("2", "it is")]
    events = await shop.store.transcripts.events(transcript.id, 0)
    assert [event.segment.speaker for event in events if event.HasField("segment")] == ["Ana", "2"]


async def test_after_a_crash_between_decoding_and_recognition_everybody_is_told_apart(crew: Crew) -> None:
    process = await crew.begin("one")
    await crew.arrive("r1", conversation(late=0.6))

    async def first_words() -> bool:
        found = await crew.transcripts.of_recording("r1")
        events = await crew.transcripts.events(found.id, 0) if found else []
        return any(event.HasField("segment") for event in events)

    await eventually(first_words)
    process.send(signal.SIGKILL)
    assert await process.ended() == -signal.SIGKILL
    await crew.begin("two")
    await crew.completed(["r1"])
    transcript = await crew.transcript("r1")
    assert transcript.attempt > 1
    assert [one.speaker for one in transcript.segments] == ["Ana"] * 3 + ["2"] * 3
    events = await crew.transcripts.events(transcript.id, 0)
    assert [event.segment.speaker for event in events if event.HasField("segment")] == ["Ana"] * 3 + ["2"] * 3
