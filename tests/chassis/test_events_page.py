"""What `docs/events.md` says of events is so, and its subscriber runs."""

import asyncio
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from assent.consent.v1 import consent_events_pb2
from assent.consent.v1.consent_events_pb2 import AnswerSubmitted
from assent.meeting.v1 import meeting_events_pb2
from assent.recording.v1 import recording_events_pb2
from assent.transcript.v1 import transcript_events_pb2

from chassis.bus import Bus
from deploy.local import Nats

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/events.md").read_text()
SERVICES = ("gateway", "consent_svc", "recording_svc", "transcript_svc")
CONSUMES = re.compile(r"bus\.(?:consume|consume_together|listen)\((?:\w+\.)?(\w+)")


def messages() -> Iterator[str]:
    for module in (consent_events_pb2, meeting_events_pb2, recording_events_pb2, transcript_events_pb2):
        yield from (one.full_name for one in module.DESCRIPTOR.message_types_by_name.values())


def rows() -> dict[str, list[str]]:
    """Of each subject that the page lists: who publishes it, when, and who hears it."""
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if "| `assent." in line
    ]
    return {subject.strip("`"): rest for subject, *rest in cells}


def test_the_page_lists_every_event_that_there_is() -> None:
    assert set(rows()) == set(messages()) - {"assent.meeting.v1.Client"}


def test_the_page_names_whoever_listens() -> None:
    heard: dict[str, set[str]] = {name.rpartition(".")[2]: set() for name in rows()}
    for service in SERVICES:
        for path in (ROOT / service).rglob("*.py"):
            for name in CONSUMES.findall(path.read_text()):
                heard[name].add(service)
    listed = {name.rpartition(".")[2]: set(filter(None, hears.split(", "))) for name, (_, _, hears) in rows().items()}
    assert listed == heard


@pytest.fixture
def empty_nats(tmp_path: Path) -> Iterator[Nats]:
    """Without what other tests published there, readable or not."""
    with Nats(tmp_path / "nats", fsync=False) as server:
        yield server


async def test_the_pages_subscriber_prints_what_happens(empty_nats: Nats, tmp_path: Path) -> None:
    [program] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len([line for line in program.splitlines() if line.strip()]) <= 15
    (tmp_path / "subscriber.py").write_text(program)
    async with Bus(empty_nats.url) as bus:
        await bus.connected()
        await bus.publish(AnswerSubmitted(meeting_id="before", revision=3))
        subscriber = await asyncio.create_subprocess_exec(
            *(sys.executable, "subscriber.py"),
            cwd=tmp_path,
            env={**os.environ, "ASSENT_NATS_URL": empty_nats.url, "PYTHONPATH": str(ROOT / "protos/gen")},
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            assert subscriber.stdout
            async with asyncio.timeout(60):
                while (line := await subscriber.stdout.readline()) != b"meeting before is at revision 3\n":
                    assert line, "the subscriber has ended"
                await bus.publish(AnswerSubmitted(meeting_id="after", revision=7))
                assert await subscriber.stdout.readline() == b"meeting after is at revision 7\n"
        finally:
            subscriber.kill()
            await subscriber.wait()
