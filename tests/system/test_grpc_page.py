"""What `docs/grpc.md` says of the services is so, and its call works against them."""

import asyncio
import os
import re
import sys
from pathlib import Path

from assent.consent.v1 import consent_service_pb2
from assent.meeting.v1 import meeting_service_pb2
from assent.recording.v1 import recording_service_pb2
from assent.transcript.v1 import transcript_service_pb2

from tests.system.world import World

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/grpc.md").read_text()
MODULES = (consent_service_pb2, meeting_service_pb2, recording_service_pb2, transcript_service_pb2)


async def printed(world: World, folder: Path, *meeting_ids: str) -> list[str]:
    """What the page's program prints, line by line."""
    [program] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (folder / "call.py").write_text(program)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "call.py", *meeting_ids),
        cwd=folder,
        env={**os.environ, **world.env, "PYTHONPATH": str(ROOT / "protos/gen")},
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        said, _ = await process.communicate()
    assert process.returncode == 0
    return said.decode().splitlines()


def test_the_page_lists_every_service() -> None:
    listed = set(re.findall(r"^\| `(assent\.[\w.]+)`", PAGE, re.MULTILINE))
    assert listed == {one.full_name for module in MODULES for one in module.DESCRIPTOR.services_by_name.values()}


async def test_the_pages_call_lists_services_and_asks_for_a_verdict(world: World, tmp_path: Path) -> None:
    call = await world.call("Ana", "Ben")
    await world.answer(call, "Ana", True)
    services, verdict = await printed(world, tmp_path, call.meeting_id)
    assert set(services.split()) == {
        "assent.consent.v1.ConsentService",
        "assent.meeting.v1.MeetingService",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    assert verdict == "DECISION_KEEP VERDICT_REASON_NOBODY_REFUSED"
    await world.answer(call, "Ben", False)
    assert (await printed(world, tmp_path, call.meeting_id))[1] == "DECISION_DELETE VERDICT_REASON_SOMEBODY_REFUSED"
    assert (await printed(world, tmp_path, "never-was"))[1] == "NOT_FOUND MEETING_NOT_FOUND"
