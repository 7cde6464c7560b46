"""Audio lies on disk only while it is worked on, and recording_svc knows where."""

import errno
from pathlib import Path

import pytest
from assent.recording.v1 import recording_pb2 as pb
from assent.recording.v1 import recording_service_pb2

from tests.eventually import eventually
from tests.transcript.workshop import Workshop
from transcript_svc import scratch
from transcript_svc.domain import Job, Outcome, Status


async def test_every_copy_is_registered_before_its_first_byte(shop: Workshop, spoken: Path) -> None:
    shop.arrive(spoken)
    already_there: list[str] = []

    def look(request: recording_service_pb2.RegisterCopyRequest) -> None:
        if request.kind == pb.COPY_KIND_SCRATCH:
            already_there.extend(str(path) for path in shop.left_in_scratch())
        else:
            already_there.extend(key for key, _ in shop.cloud.audio_versions())

    shop.recording_svc.fake.on_register = look
    await (await shop.worker()).transcribe("r1")
    assert already_there == []
    kinds = [place[0] for _, place in shop.recording_svc.fake.registered]
    assert kinds[0] == pb.COPY_KIND_SCRATCH
    assert pb.COPY_KIND_MP3 in kinds


async def test_scratch_is_private_while_at_work_and_empty_afterwards(shop: Workshop, spoken: Path) -> None:
    shop.arrive(spoken)
    modes: dict[str, int] = {}

    def look(wav: Path) -> None:
        for path in (wav.parent, shop.scratch()):
            modes[path.name] = path.stat().st_mode & 0o777
        assert shop.recording_svc.fake.scratch() == {"r1"}

    shop.parrot.look = look
    await (await shop.worker()).transcribe("r1")
    assert modes == {"r1": 0o700, "one": 0o700}
    assert shop.left_in_scratch() == []
    assert shop.recording_svc.fake.scratch() == set()


async def test_scratch_is_wiped_before_the_original_may_be_erased(shop: Workshop, spoken: Path) -> None:
    shop.arrive(spoken)
    left: list[Path] = []
    complete = shop.store.transcripts.complete

    async def look(job: Job, outcome: Outcome) -> None:
        left.extend(shop.left_in_scratch())
        await complete(job, outcome)

    shop.store.transcripts.complete = look  # type: ignore[method-assign]
    await (await shop.worker()).transcribe("r1")
    assert left == []
    assert (await shop.transcript()).status is Status.COMPLETED


async def test_a_release_that_is_not_heard_is_repeated_and_holds_nothing_up(shop: Workshop, spoken: Path) -> None:
    shop.arrive(spoken)
    worker = await shop.worker()
    await worker.transcribe("unknown")
    sleeper = shop.parrot
    sleeper.look = lambda wav: setattr(shop.recording_svc.fake, "deaf_to_releases", True)
    await worker.transcribe("r1")
    assert (await shop.transcript()).status is Status.COMPLETED
    assert shop.recording_svc.fake.scratch() == {"r1"}
    shop.recording_svc.fake.deaf_to_releases = False

    async def released() -> bool:
        return not shop.recording_svc.fake.scratch()

    assert await eventually(released)


async def test_what_an_earlier_life_left_is_wiped_and_released_at_the_start(shop: Workshop, spoken: Path) -> None:
    left = shop.scratch() / "r0" / "source"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"audio")
    place = (int(pb.COPY_KIND_SCRATCH), "one", "r0")
    shop.recording_svc.fake.present.add(("r0", place))
    shop.arrive(spoken)
    await (await shop.worker()).transcribe("r1")
    assert not left.exists()
    assert shop.recording_svc.fake.scratch() == set()


async def test_two_instances_do_not_share_a_scratch(shop: Workshop) -> None:
    await shop.worker("one")
    with pytest.raises(RuntimeError, match="ASSENT_SCRATCH_DIR"):
        await shop.worker("one")


async def test_what_the_disk_does_not_let_go_of_stays_registered_and_goes_with_the_sweep(
    shop: Workshop, spoken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.arrive(spoken)

    def refuse(path: Path) -> None:
        raise OSError(errno.EIO, "the disk says no")

    wipe = scratch._wipe
    shop.parrot.look = lambda wav: monkeypatch.setattr(scratch, "_wipe", refuse)
    worker = await shop.worker()
    with pytest.raises(OSError, match="the disk says no"):
        await worker.transcribe("r1")
    assert (await shop.transcript()).status is Status.PROCESSING, "nothing is set free to be erased yet"
    assert shop.recording_svc.fake.scratch() == {"r1"}
    monkeypatch.setattr(scratch, "_wipe", wipe)
    shop.parrot.look = lambda wav: None

    async def gone() -> bool:
        return shop.left_in_scratch() == [] and not shop.recording_svc.fake.scratch()

    assert await eventually(gone)
    await worker.transcribe("r1")
    assert (await shop.transcript()).status is Status.COMPLETED
