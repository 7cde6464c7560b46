"""One decode gives the wav, the mp3 and the waveform, and no file brings us down."""

import asyncio
import os
import time
import wave
from pathlib import Path

import av
import numpy as np
import pytest

from tests.transcript.media_files import tone, write_audio, write_picture_only
from transcript_svc.media import PEAK_COUNT, Decoded, decode, probe


async def ignore(done_ms: int, total_ms: int) -> None:
    """Nobody watches."""


async def decoded(source: Path, mp3: bool = False) -> Decoded:
    return await decode(source, source.with_name("out.wav"), source.with_name("out.mp3") if mp3 else None, ignore)


@pytest.mark.parametrize(
    ("name", "codec", "rate", "layout"),
    [
        ("a.mp4", "aac", 48_000, "stereo"),
        ("a.mkv", "libopus", 48_000, "mono"),
        ("a.webm", "libopus", 48_000, "stereo"),
        ("a.m4a", "aac", 22_050, "mono"),
        ("a.mp3", "libmp3lame", 44_100, "stereo"),
        ("a.wav", "pcm_s16le", 8_000, "mono"),
        ("a.wav", "pcm_s16le", 96_000, "5.1"),
        ("a.flac", "flac", 37_123, "stereo"),
    ],
)
async def test_any_usual_file_becomes_a_16_khz_wav_an_mp3_and_peaks(
    tmp_path: Path, name: str, codec: str, rate: int, layout: str
) -> None:
    found = await decoded(write_audio(tmp_path / name, tone(2, rate), rate, codec, layout), mp3=True)
    assert found.has_audio
    assert found.duration_ms == pytest.approx(2_000, abs=150)
    assert len(found.peaks) == PEAK_COUNT
    assert 0.1 < max(found.peaks) <= 1  # six channels mixed into one are quieter
    with wave.open(str(tmp_path / "out.wav")) as wav:
        assert (wav.getframerate(), wav.getnchannels(), wav.getsampwidth()) == (16_000, 1, 2)
        assert wav.getnframes() * 1000 // 16_000 == found.duration_ms
    with av.open(str(tmp_path / "out.mp3")) as mp3:
        assert mp3.streams.audio[0].codec_context.name.startswith("mp3")
        assert mp3.duration is not None
        assert mp3.duration / av.time_base == pytest.approx(2, abs=0.2)


async def test_the_wav_sounds_like_the_recording(tmp_path: Path) -> None:
    await decoded(write_audio(tmp_path / "a.mp4", tone(2)))
    with wave.open(str(tmp_path / "out.wav")) as wav:
        samples = np.frombuffer(wav.readframes(wav.getnframes()), np.int16)
    spectrum = np.abs(np.fft.rfft(samples))
    assert np.argmax(spectrum) * 16_000 / len(samples) == pytest.approx(440, abs=1)


async def test_the_waveform_shows_where_it_was_loud(tmp_path: Path) -> None:
    samples = np.concatenate([tone(2, loudness=0.01), tone(2, loudness=0.8)])
    found = await decoded(write_audio(tmp_path / "a.wav", samples, codec="pcm_s16le"))
    quiet, loud = found.peaks[: PEAK_COUNT // 2 - 10], found.peaks[PEAK_COUNT // 2 + 10 :]
    assert max(quiet) < 0.02
    assert min(loud) > 0.7


async def test_a_file_without_an_audio_track_is_an_outcome_and_leaves_no_files(tmp_path: Path) -> None:
    found = await decoded(write_picture_only(tmp_path / "a.mp4"), mp3=True)
    assert (found.has_audio, found.peaks) == (False, ())
    assert os.listdir(tmp_path) == ["a.mp4"]


async def test_a_truncated_recording_gives_what_is_there(tmp_path: Path) -> None:
    source = write_audio(tmp_path / "a.mkv", tone(10))
    whole = source.read_bytes()
    source.write_bytes(whole[: len(whole) // 2])
    found = await decoded(source)
    assert 3_000 < found.duration_ms < 7_000


async def test_a_watcher_who_runs_out_of_time_does_not_condemn_the_file(tmp_path: Path) -> None:
    source = write_audio(tmp_path / "a.wav", np.tile(tone(60), 8), codec="pcm_s16le")

    async def late(done_ms: int, total_ms: int) -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await decode(source, tmp_path / "out.wav", tmp_path / "out.mp3", late)


async def test_progress_is_told_and_the_event_loop_stays_free(tmp_path: Path) -> None:
    source = write_audio(tmp_path / "a.wav", np.tile(tone(60), 8), codec="pcm_s16le")
    told: list[int] = []
    stalls: list[float] = []

    async def watch(done_ms: int, total_ms: int) -> None:
        assert total_ms == pytest.approx(480_000, abs=100)
        told.append(done_ms)

    async def tick() -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.005)
            stalls.append(time.monotonic() - before - 0.005)

    ticking = asyncio.create_task(tick())
    await decode(source, tmp_path / "out.wav", tmp_path / "out.mp3", watch)
    ticking.cancel()
    assert told
    assert told == sorted(told)
    # The median, because the machine's own scheduling is in every single one of them.
    assert sorted(stalls)[len(stalls) // 2] < 0.01


async def test_a_probe_tells_the_claimed_duration(tmp_path: Path) -> None:
    found = await probe(write_audio(tmp_path / "a.mp4", tone(2)))
    assert found.has_audio
    assert found.duration_ms == pytest.approx(2_000, abs=100)
    assert not (await probe(write_picture_only(tmp_path / "b.mp4"))).has_audio


async def test_files_are_readable_by_nobody_else(tmp_path: Path) -> None:
    await decoded(write_audio(tmp_path / "a.mp4", tone(1)), mp3=True)
    assert [(tmp_path / name).stat().st_mode & 0o077 for name in ("out.wav", "out.mp3")] == [0, 0]
