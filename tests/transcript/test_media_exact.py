"""What one pass over large frames gives is to the sample what the plain way over the whole gives."""

import wave
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from tests.transcript.media_bytes import encoded, media
from transcript_svc.media import PEAK_COUNT, Decoded, decode

pytestmark = pytest.mark.usefixtures("quick_children")

Samples = NDArray[np.int16]


async def ignore(done_ms: int, total_ms: int) -> None:
    """Nobody watches."""


async def decoded(folder: Path, content: bytes) -> tuple[Decoded, Samples]:
    (folder / "source").write_bytes(content)
    found = await decode(folder / "source", folder / "out.wav", folder / "out.mp3", ignore)
    with wave.open(str(folder / "out.wav")) as file:
        return found, np.frombuffer(file.readframes(file.getnframes()), np.int16)


def plainly(path: Path, rate: int, layout: str) -> Samples:
    """Frame by frame through one resampler."""
    resampler = AudioResampler("s16", layout, rate)
    with av.open(str(path)) as container:
        frames = [out for frame in container.decode(audio=0) for out in resampler.resample(frame)]
    frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])


def murmur(seconds: float, rate: int) -> Samples:
    """Noise that swells and fades, like talk."""
    chance = np.random.default_rng(5)
    loud = np.repeat(chance.uniform(0, 1, int(seconds * 2)), rate // 2)
    return (chance.uniform(-1, 1, len(loud)) * loud * 30_000).astype(np.int16)


@pytest.mark.parametrize(
    ("container", "codec", "rate", "layout"),
    [
        ("mp4", "aac", 48_000, "stereo"),
        ("mp4", "aac", 44_100, "mono"),
        ("mov", "pcm_s16le", 11_025, "5.1"),
        ("matroska", "libopus", 48_000, "mono"),
        ("flac", "flac", 37_123, "stereo"),
        ("wav", "pcm_s16le", 96_000, "7.1"),
    ],
)
async def test_the_wav_is_to_the_bit_a_plain_resampling(
    tmp_path: Path, container: str, codec: str, rate: int, layout: str
) -> None:
    found, samples = await decoded(tmp_path, media(container, codec, rate, layout))
    expected = plainly(tmp_path / "source", 16_000, "mono")
    assert np.array_equal(samples, expected)
    assert found.duration_ms == len(expected) * 1000 // 16_000
    assert found.damaged == 0


async def test_what_is_16_khz_already_is_not_touched(tmp_path: Path) -> None:
    spoken = murmur(7.5, 16_000)
    _, samples = await decoded(tmp_path, encoded("wav", "pcm_s16le", 16_000, "mono", [spoken]))
    assert np.array_equal(samples, spoken)


@pytest.mark.parametrize(("seconds", "block"), [(3.0, 160), (61.5, 320), (250.0, 1_280)])
async def test_the_peaks_are_to_the_bit_those_of_the_whole(tmp_path: Path, seconds: float, block: int) -> None:
    spoken = murmur(seconds, 16_000)
    found, _ = await decoded(tmp_path, encoded("wav", "pcm_s16le", 16_000, "mono", [spoken]))
    loudest = np.maximum.reduceat(np.abs(spoken.astype(int)), np.arange(0, len(spoken), block))
    of_each = np.maximum.reduceat(loudest, np.arange(PEAK_COUNT) * len(loudest) // PEAK_COUNT)
    assert list(found.peaks) == pytest.approx(list(of_each / 32_768), abs=1e-4)


@pytest.mark.parametrize(("rate", "layout"), [(48_000, "stereo"), (8_000, "mono"), (96_000, "5.1")])
async def test_the_mp3_is_as_long_as_the_sound_and_plays_it(tmp_path: Path, rate: int, layout: str) -> None:
    spoken = murmur(20, rate)
    found, samples = await decoded(tmp_path, encoded("wav", "pcm_s16le", rate, layout, [spoken]))
    played = plainly(tmp_path / "out.mp3", 16_000, "mono")
    with av.open(str(tmp_path / "out.mp3")) as container:
        stream = container.streams.audio[0]
        assert stream.codec_context.channels == (1 if layout == "mono" else 2)
        assert stream.bit_rate == 64_000 * stream.codec_context.channels
        led_in = 1_105 * 16_000 // stream.codec_context.sample_rate
    # LAME leads in and fills up its last frame, less than three frames of 36 ms in all.
    assert 0 <= len(played) / 16 - found.duration_ms < 108
    assert _likeness(samples, played[led_in:]) > 0.99


def _likeness(one: Samples, other: Samples) -> float:
    """How alike the loudness of two sounds goes, a tenth of a second at a time."""
    length = min(len(one), len(other)) // 1_600
    courses = [
        np.abs(sound[: length * 1_600].astype(float)).reshape(length, 1_600).mean(axis=1) for sound in (one, other)
    ]
    return float(np.corrcoef(*courses)[0, 1])
