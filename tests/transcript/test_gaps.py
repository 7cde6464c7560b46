"""Where a track sends nothing for a while there is silence, so that all that is heard is heard at its time."""

import wave
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.transcript.media_bytes import encoded
from tests.transcript.media_files import tone
from tests.transcript.track_files import OwnTrack, tracks_file
from transcript_svc.media import Decoded, Limits, decode

pytestmark = pytest.mark.usefixtures("quick_children")

MUTED = OwnTrack(tone(2), pauses={1: 8})
"""Heard from second 0 to 1 and from 9 to 10."""


async def ignore(done_ms: int, total_ms: int) -> None:
    """Nobody watches."""


async def heard(folder: Path, content: bytes, limits: Limits | None = None) -> tuple[Decoded, NDArray[np.int16]]:
    (folder / "source").write_bytes(content)
    found = await decode(folder / "source", folder / "out.wav", folder / "out.mp3", ignore, limits)
    with wave.open(str(folder / "out.wav")) as file:
        return found, np.frombuffer(file.readframes(file.getnframes()), np.int16)


def loud_spans(samples: NDArray[np.int16], rate: int = 16_000) -> list[tuple[float, float]]:
    """From which second to which something is heard, to a tenth."""
    slices = samples[: len(samples) // (rate // 10) * (rate // 10)].reshape(-1, rate // 10)
    loud = np.abs(slices.astype(int)).mean(axis=1) > 1_000
    edges = np.flatnonzero(np.diff(np.concatenate([[False], loud, [False]]).astype(int))) / 10
    return [(float(begin), float(end)) for begin, end in edges.reshape(-1, 2)]


def about(*spans: tuple[float, float]) -> list[object]:
    return [pytest.approx(span, abs=0.11) for span in spans]


@pytest.mark.parametrize(
    ("container", "codec"),
    [("matroska", "libopus"), ("mp4", "aac"), ("mpegts", "aac"), ("matroska", "pcm_u8"), ("matroska", "pcm_s24le")],
)
async def test_a_gap_in_the_only_track_is_heard_as_silence(tmp_path: Path, container: str, codec: str) -> None:
    found, samples = await heard(tmp_path, tracks_file(container, codec, MUTED))
    assert found.duration_ms == pytest.approx(10_000, abs=60)
    assert loud_spans(samples) == about((0, 1), (9, 10))
    peaks = np.array(found.peaks)
    assert peaks[:90].max() > 0.4
    assert peaks[120:880].max() < 0.05
    assert peaks[910:].max() > 0.4
    with av.open(str(tmp_path / "out.mp3")) as played:
        frames = [frame.to_ndarray() for frame in played.decode(audio=0)]
    sound = (np.concatenate(frames, axis=1)[0] * 32_767).astype(np.int16)
    assert loud_spans(sound, 32_000) == about((0, 1), (9, 10))


@pytest.mark.parametrize("layout", ["5.1", "7.1"])
async def test_a_gap_in_many_channels_is_silence_too(tmp_path: Path, layout: str) -> None:
    found, samples = await heard(tmp_path, tracks_file("mp4", "aac", MUTED, layout=layout))
    assert found.duration_ms == pytest.approx(10_000, abs=60)
    assert loud_spans(samples) == about((0, 1), (9, 10))


async def test_somebody_muted_for_a_while_still_speaks_when_they_spoke(tmp_path: Path) -> None:
    quiet = OwnTrack(
        np.concatenate([tone(0.1) // 1_000, tone(1, pitch=880)]), pauses={0.1: 4.9}, about={"title": "Ben"}
    )
    content = tracks_file("matroska", "libopus", OwnTrack(tone(2), 0, {1: 8}, {"title": "Ana"}), quiet)
    found, samples = await heard(tmp_path, content)
    assert loud_spans(samples) == about((0, 1), (5, 6), (9, 10))
    assert [found.voices.loudest[second * 10 + 5] for second in (0, 3, 5, 9)] == [1, 0, 2, 1]


async def test_whoever_speaks_first_after_a_minute_is_heard_then(tmp_path: Path) -> None:
    first, late = OwnTrack(tone(62) // 1_000), OwnTrack(tone(1), late=60)
    _, samples = await heard(tmp_path, tracks_file("matroska", "libopus", first, late))
    assert loud_spans(samples) == about((60, 61))


async def test_sound_that_comes_in_bursts_does_not_grow_with_each(tmp_path: Path) -> None:
    frame, burst = 1_024 / 48_000, 6
    times = [-(-number // burst) * burst * frame + number % burst / 1_000 for number in range(460)]
    late = np.diff([time - number * frame for number, time in enumerate(times)], prepend=0)
    pauses = {(number - 0.5) * frame: float(pause) for number, pause in enumerate(late)}
    found, _ = await heard(tmp_path, tracks_file("matroska", "pcm_s16le", OwnTrack(tone(9), pauses=pauses)))
    assert 9_000 <= found.duration_ms < 9_000 + burst * frame * 1_000


async def test_times_that_lead_back_are_not_heeded(tmp_path: Path) -> None:
    begun_anew = [tracks_file("mpegts", "aac", OwnTrack(tone(1), late)) for late in (30, 0, 30)]
    found, samples = await heard(tmp_path, b"".join(begun_anew))
    assert found.duration_ms == pytest.approx(3_000, abs=150)
    assert loud_spans(samples)[-1][1] == pytest.approx(3, abs=0.2)


async def test_a_gap_that_leads_beyond_all_a_file_may_hold_is_not_heeded(tmp_path: Path) -> None:
    limits = Limits(audio_seconds=20, cpu_seconds=60, wall_seconds=60)
    track = OwnTrack(tone(3), 0, {1: 8, 2: 10})
    found, samples = await heard(tmp_path, tracks_file("matroska", "libopus", track), limits)
    assert found.duration_ms == pytest.approx(11_000, abs=60)
    assert loud_spans(samples) == about((0, 1), (9, 11))


@pytest.mark.parametrize("far", [100_000, 1_700_000_000])
async def test_one_track_that_begins_ages_before_or_behind_the_others_begins_with_them(
    tmp_path: Path, far: float
) -> None:
    early, odd, other = OwnTrack(tone(1)), OwnTrack(tone(1), far, {0.5: 4}), OwnTrack(tone(1), 2)
    found, samples = await heard(tmp_path, tracks_file("matroska", "libopus", early, odd, other))
    assert found.duration_ms == pytest.approx(5_000, abs=60)
    assert loud_spans(samples) == about((0, 1), (2, 3), (4.5, 5))
    early, odd, other = OwnTrack(tone(1), far), OwnTrack(tone(1)), OwnTrack(tone(1), far + 2)
    found, samples = await heard(tmp_path, tracks_file("matroska", "libopus", early, odd, other))
    assert loud_spans(samples) == about((0, 1), (2, 3))


async def test_what_is_damaged_leaves_its_time_behind(tmp_path: Path) -> None:
    content = bytearray(encoded("mpegts", "mp2", 48_000, "mono", [tone(4)]))
    middle = len(content) // 188 // 2 * 188
    del content[middle : middle + 188 * 60]
    found, _ = await heard(tmp_path, bytes(content))
    assert found.duration_ms == pytest.approx(4_000, abs=60)
