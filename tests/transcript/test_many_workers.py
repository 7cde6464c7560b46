"""Three workers that share thirty recordings and are killed and paused all the time.

The processes, Postgres, NATS and S3 are real, and so is each recording's way: downloaded, decoded in a child, put as
an mp3, committed. Not real are recording_svc, which is a stand-in in the test's own process, and the recogniser,
which hears the same pieces in everything, 2.4 s long: there is much to be interrupted and little to be reckoned.
A job is held for 3 s here, not for 12 s, so that pauses that outlive it fit into the test.
"""

import asyncio
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import nats
import pytest
from assent.recording.v1 import recording_pb2 as pb
from assent.transcript.v1 import transcript_events_pb2 as news

from tests.forking import Process
from tests.transcript.crew import Crew
from tests.transcript.forked import PIECES

SEED = 5
INSTANCES = ("one", "two", "three")
RECORDINGS = [f"r{number:02}" for number in range(30)]
PIECE = 0.4
LONGEST = 40.0
"""Seconds after which they are left in peace."""


class Fate:
    """Kills and pauses the processes of a crew, one or two at a time, and has them begun again or go on."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._random = random.Random(SEED)  # the same fate every time
        self._struck: set[asyncio.Task[None]] = set()
        self.processes: dict[str, Process] = {}
        self.blows: Counter[str] = Counter()

    async def strike(self, recording_ids: list[str]) -> None:
        """Blow upon blow until all is done; at the end all are at work again, or have nothing left to do."""
        done = asyncio.create_task(self._crew.completed(recording_ids, within=LONGEST))
        while not done.done():
            await asyncio.wait([done], timeout=self._random.uniform(0.2, 0.8))
            at_peace = sorted({*self.processes} - {task.get_name() for task in self._struck})
            if len(at_peace) > 1:
                instance = self._random.choice(at_peace)
                blow = self._random.choice([self._kill, self._pause])
                task = asyncio.create_task(blow(instance), name=instance)
                self._struck.add(task)
                task.add_done_callback(self._struck.discard)
        await asyncio.gather(done, *self._struck, return_exceptions=True)

    async def _kill(self, instance: str) -> None:
        self.blows["kill"] += 1
        self.processes[instance].send(signal.SIGKILL)
        assert await self.processes[instance].ended() == -signal.SIGKILL
        self.processes[instance] = await self._crew.begin(instance)

    async def _pause(self, instance: str) -> None:
        self.blows["pause"] += 1
        self.processes[instance].send(signal.SIGSTOP)
        await asyncio.sleep(self._crew.hold * self._random.uniform(1.2, 2))
        self.processes[instance].send(signal.SIGCONT)


@pytest.mark.timeout(290)
async def test_r1_d3_of_thirty_recordings_and_three_workers_in_trouble_come_thirty_transcripts(
    crew: Crew, spoken: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fate, sound = Fate(crew), spoken.read_bytes()  # noqa: ASYNC240
    crew.piece, began = PIECE, time.monotonic()
    for instance in INSTANCES:
        fate.processes[instance] = await crew.begin(instance)
    await asyncio.gather(*(crew.arrive(recording_id, sound, f"room{recording_id[-1]}") for recording_id in RECORDINGS))
    await fate.strike(RECORDINGS)
    await crew.completed(RECORDINGS, within=120)
    took = time.monotonic() - began
    await crew.scratch_empty()
    for process in fate.processes.values():
        process.send(signal.SIGTERM)
        assert await process.ended() == 0
    assert crew.left_in_scratch() == []
    attempts = [await check(crew, recording_id) for recording_id in RECORDINGS]
    assert Counter(await completions(crew)) == Counter(RECORDINGS), "each is told once"
    overtaken = crew.said("transcription_overtaken")
    assert sum(attempts) > len(RECORDINGS), "nobody lost a job to another: the test shows nothing"
    doubled = check_audio(crew)
    with capsys.disabled():
        figures = f"{fate.blows['kill']} kills, {fate.blows['pause']} pauses, {sum(attempts)} attempts, "
        figures += f"{overtaken} overtaken, {doubled} mp3 put twice, {took:.0f} s"
        sys.stdout.write(f"\n3 workers, 30 recordings: {figures}\n")


async def check(crew: Crew, recording_id: str) -> int:
    """One whole transcript, told without a gap or a repetition; how often it was begun."""
    transcript = await crew.transcript(recording_id)
    assert transcript.segments == PIECES
    assert transcript.audio is not None
    events = await crew.transcripts.events(transcript.id, 0)
    told = [event.segment.text for event in events if event.HasField("segment")]
    assert told == [piece.text for piece in PIECES]
    return transcript.attempt


def check_audio(crew: Crew) -> int:
    """Every mp3 lies where recording_svc looks for it; how many were put more than once."""
    versions = crew.cloud.audio_versions()
    known = {place for _, place in crew.recording_svc.fake.present}
    assert {(int(pb.COPY_KIND_MP3), crew.cloud.audio, key) for key, _ in versions} <= known
    assert {key for key, _ in versions} == {f"{recording_id}.mp3" for recording_id in RECORDINGS}
    return len(versions) - len(RECORDINGS)


async def completions(crew: Crew) -> list[str]:
    """Of which recordings JetStream keeps the word that they are transcribed."""
    client = await nats.connect(crew.nats_url)
    try:
        subject = news.TranscriptCompleted.DESCRIPTOR.full_name
        events = await client.jetstream().pull_subscribe(subject, stream="TRANSCRIPT")
        waiting = (await events.consumer_info()).num_pending
        received = await events.fetch(waiting, timeout=5) if waiting else []
        return [news.TranscriptCompleted.FromString(one.data).recording_id for one in received]
    finally:
        await client.close()
