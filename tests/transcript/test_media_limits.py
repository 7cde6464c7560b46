"""What decoding one file may cost, and whose fault it is when it costs more."""

import asyncio
import errno
import os
import struct
from pathlib import Path

import av
import numpy as np
import pytest

from tests.transcript.media_bytes import media, patched, picture_only, wav
from tests.transcript.media_files import tone, write_audio
from transcript_svc import decoding
from transcript_svc.media import BrokenMedia, Decoded, Limits, TookTooLong, decode, probe
from transcript_svc.tracks import Undecodable, raise_if_ours

ENOUGH = Limits(audio_seconds=3600, cpu_seconds=60, wall_seconds=60)


async def ignore(done_ms: int, total_ms: int) -> None:
    """Nobody watches."""


async def decoded(source: Path, limits: Limits = ENOUGH) -> Decoded:
    return await decode(source, source.with_name("out.wav"), source.with_name("out.mp3"), ignore, limits)


@pytest.fixture
def long(tmp_path: Path) -> Path:
    """Five minutes."""
    return write_audio(tmp_path / "long.wav", np.tile(tone(60), 5), codec="pcm_s16le")


def test_limits_grow_with_the_file_up_to_a_ceiling() -> None:
    limits = [Limits.of(size) for size in (0, 10**6, 10**8, 10**12)]
    assert [limit.audio_seconds for limit in limits] == [3_600, 13_600, 86_400, 86_400]
    assert [limit.cpu_seconds for limit in limits] == [420, 1_420, 3_600, 3_600]
    assert all(limit.wall_seconds > limit.cpu_seconds for limit in limits)


async def test_a_small_file_that_holds_hours_is_stopped_before_it_fills_the_disk(tmp_path: Path) -> None:
    source = tmp_path / "source.wav"
    source.write_bytes(wav(rate=1, data=bytes(50_000)))
    limits = Limits(audio_seconds=600, cpu_seconds=60, wall_seconds=60)
    with pytest.raises(BrokenMedia, match="more than 600 s of audio for its size"):
        await decoded(source, limits)
    assert (tmp_path / "out.wav").stat().st_size < 700 * 32_000


async def test_no_picture_is_said_to_last_for_more_than_a_day(tmp_path: Path) -> None:
    source = tmp_path / "source.mkv"
    ages = struct.pack(">d", 9e15)
    source.write_bytes(patched(picture_only("a.mkv"), b"\x44\x89\x88", 0, ages))
    assert (await decoded(source)).duration_ms == (await probe(source)).duration_ms == 24 * 3600 * 1000


async def test_a_file_that_takes_too_much_computing_fails_for_good(tmp_path: Path) -> None:
    source = tmp_path / "source.wav"
    source.write_bytes(wav(rate=8, data=np.random.default_rng(2).bytes(200_000)))
    with pytest.raises(BrokenMedia, match="more than 1 s of computing"):
        await decoded(source, Limits(audio_seconds=86_400, cpu_seconds=1, wall_seconds=120))


async def test_a_decoder_that_does_not_come_to_an_end_is_given_up_but_may_be_tried_again(long: Path) -> None:
    with pytest.raises(TookTooLong, match=r"given up after 0\.01 s"):
        await decoded(long, Limits(audio_seconds=3600, cpu_seconds=60, wall_seconds=0.01))


async def test_a_file_that_wants_too_much_memory_fails_for_good(long: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(decoding, "_limit", greedy)
    request = {"probe": str(long), "cpu_seconds": 60}
    with pytest.raises(Undecodable, match="MiB of memory"):
        list(decoding.do(request))


@pytest.mark.parametrize("work", ["av.open", "transcript_svc.tracks.AudioFifo", "transcript_svc.audio_files.Graph"])
def test_a_file_for_which_ffmpeg_has_no_memory_is_not_called_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: str
) -> None:
    def greedy(*_: object, **__: object) -> None:
        raise av.error.MemoryError(errno.ENOMEM, "Cannot allocate memory")

    source = tmp_path / "source"
    source.write_bytes(media("mp4"))
    monkeypatch.setattr(decoding, "_limit", lambda _: None)
    monkeypatch.setattr(work, greedy)
    wanted = {"wav": str(tmp_path / "wav"), "mp3": None, "peaks": 10, "audio_seconds": 60, "cpu_seconds": 60}
    with pytest.raises(Undecodable, match="more than 1024 MiB of memory"):
        list(decoding.do({"decode": str(source), **wanted}))


def test_a_packet_for_which_there_is_no_memory_is_not_left_out_as_damaged(tmp_path: Path) -> None:
    with pytest.raises(MemoryError):
        raise_if_ours(av.error.MemoryError(errno.ENOMEM, "Cannot allocate memory"), str(tmp_path))


@pytest.mark.parametrize("full", ["out.wav", "out.mp3"])
@pytest.mark.parametrize("seconds", [1, 300])
async def test_a_full_disk_is_not_the_files_fault(long: Path, full: str, seconds: int) -> None:
    source = long if seconds == 300 else write_audio(long.with_name("short.wav"), tone(1), codec="pcm_s16le")
    os.symlink("/dev/full", long.with_name(full))
    with pytest.raises(OSError, match="No space left"):
        await decoded(source)


async def test_a_folder_that_is_gone_is_not_the_files_fault(long: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        await decode(long, long.with_name("gone") / "out.wav", None, ignore)


async def test_a_source_that_the_disk_does_not_give_is_not_the_files_fault(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"Permission|directory|No such"):
        await decode(tmp_path, tmp_path / "out.wav", None, ignore, ENOUGH)


async def test_ten_files_at_once_do_not_disturb_one_another(tmp_path: Path) -> None:
    async def one(number: int) -> Decoded:
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "source").write_bytes(media("mp4") if number % 2 else b"broken")
        return await decoded(folder / "source")

    found = await asyncio.gather(*map(one, range(10)), return_exceptions=True)
    assert [isinstance(end, Decoded) for end in found] == [False, True] * 5
    assert [isinstance(end, BrokenMedia) for end in found] == [True, False] * 5
