"""Whatever is said lies in a chunk, in one of them only, whatever the audio is otherwise."""

import random
import wave
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from deploy.local.sample import MEETING
from transcript_svc import media
from transcript_svc.cutting import LONGEST_MS, Span
from transcript_svc.endpointing import FRAME_SAMPLES, chunks_in, cut
from transcript_svc.recognisers import PocketSphinx
from transcript_svc.speech import RATE, samples

Sound = NDArray[np.int16]

# Where it is as loud as this (the mean of a frame) for so many frames, somebody is in the middle of a word.
SPEAKING = 600
SHORTEST_WORD = 4


@pytest.fixture(scope="module")
async def speech(tmp_path_factory: pytest.TempPathFactory) -> Sound:
    """Half a minute of two voices."""

    async def ignore(done_ms: int, total_ms: int) -> None:
        """Nobody watches."""

    wav = tmp_path_factory.mktemp("sample") / "meeting.wav"
    await media.decode(MEETING, wav, None, ignore)
    return np.frombuffer(samples(wav, Span(0, 60_000)), np.int16)


def write(path: Path, sound: Sound) -> str:
    with wave.open(str(path), "wb") as audio:
        audio.setparams((1, 2, RATE, 0, "NONE", ""))
        audio.writeframes(sound.tobytes())
    return str(path)


def noise(seconds: float, loudness: int, seed: int = 0) -> Sound:
    drawn = np.random.default_rng(seed).normal(0, loudness, int(seconds * RATE))
    return drawn.clip(-32_768, 32_767).astype(np.int16)


def music(seconds: float) -> Sound:
    """Chords that change every half second."""
    moments = np.arange(int(seconds * RATE)) / RATE
    root = 220 * 2 ** ((moments * 2).astype(int) % 12 / 12)
    chord = sum(np.sin(2 * np.pi * np.cumsum(root * interval) / RATE) for interval in (1, 1.26, 1.5))
    return (np.asarray(chord) * 5_000).astype(np.int16)


def spoken_moments(sound: Sound) -> list[int]:
    """The middles of the frames in which somebody is in the middle of a word, in milliseconds."""
    whole = sound[: len(sound) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    loud = np.abs(whole.astype(np.float32)).mean(axis=1) > SPEAKING
    runs = np.split(np.flatnonzero(loud), np.flatnonzero(np.diff(np.flatnonzero(loud)) > 1) + 1)
    frames = [frame for run in runs if len(run) >= SHORTEST_WORD for frame in run]
    return [int((frame + 0.5) * FRAME_SAMPLES * 1000 / RATE) for frame in frames]


def assert_sound(chunks: list[Span], duration_ms: int) -> None:
    assert all(0 <= chunk.start_ms < chunk.end_ms <= duration_ms for chunk in chunks)
    assert all(one.end_ms <= two.start_ms for one, two in pairwise(chunks))
    assert all(chunk.end_ms - chunk.start_ms <= LONGEST_MS for chunk in chunks)


def lost(sound: Sound, chunks: list[Span]) -> list[int]:
    return [
        moment
        for moment in spoken_moments(sound)
        if not any(chunk.start_ms <= moment < chunk.end_ms for chunk in chunks)
    ]


@pytest.mark.parametrize("seed", range(12))
def test_no_word_is_lost_wherever_a_recording_begins_and_ends(tmp_path: Path, speech: Sound, seed: int) -> None:
    draw = random.Random(seed)
    start = draw.randrange(len(speech) // 2)
    # Every other one ends on a whole frame, in the middle of whatever is said then.
    length = draw.randrange(RATE, len(speech) // 2) // FRAME_SAMPLES * FRAME_SAMPLES + seed % 2 * draw.randrange(480)
    part = speech[start : start + length]
    chunks = cut(write(tmp_path / "part.wav", part))
    assert_sound(chunks, len(part) * 1000 // RATE)
    assert lost(part, chunks) == []


def test_speech_without_pauses_is_heard_whole(tmp_path: Path, speech: Sound) -> None:
    voiced = speech[np.abs(speech.astype(np.int32)) > 60]
    breathless = np.tile(voiced, 1 + 70 * RATE // len(voiced))
    chunks = cut(write(tmp_path / "breathless.wav", breathless))
    assert_sound(chunks, len(breathless) * 1000 // RATE)
    assert len(chunks) >= 3
    assert lost(breathless, chunks) == []


@pytest.mark.parametrize("loudness", [30, 300])
def test_noise_behind_the_voices_loses_no_word(tmp_path: Path, speech: Sound, loudness: int) -> None:
    noisy = speech + noise(len(speech) / RATE, loudness)[: len(speech)]
    chunks = cut(write(tmp_path / "noisy.wav", noisy))
    assert_sound(chunks, len(noisy) * 1000 // RATE)
    assert lost(speech, chunks) == []


@pytest.mark.parametrize("kind", ["noise", "music", "clipping", "direct current"])
async def test_what_is_no_speech_ends_all_the_same(tmp_path: Path, kind: str) -> None:
    sound = {
        "noise": noise(4, 8_000),
        "music": music(4),
        "clipping": np.tile(np.array([-32_768, 32_767], np.int16), 2 * RATE),
        "direct current": np.full(4 * RATE, 20_000, np.int16),
    }[kind]
    path = Path(write(tmp_path / "sound.wav", sound))
    assert_sound(cut(str(path)), 4_000)
    sphinx = PocketSphinx(processes=1)
    heard = [
        word
        for piece in [one async for one in sphinx.hear(path)]
        for segment in piece.segments
        for word in segment.words
    ]
    await sphinx.aclose()
    assert all(0 <= word.start_ms <= word.end_ms <= 4_000 for word in heard)


@pytest.mark.parametrize("count", [0, 1, 16, 479, 480, 481, 960, 4_800])
@pytest.mark.parametrize("loudness", [0, 8_000])
async def test_hardly_any_audio_is_no_trouble(tmp_path: Path, count: int, loudness: int) -> None:
    path = Path(write(tmp_path / "short.wav", noise(1, loudness)[:count]))
    assert_sound(cut(str(path)), count * 1000 // RATE)


async def test_a_child_cuts_as_we_do(tmp_path: Path, speech: Sound) -> None:
    path = write(tmp_path / "speech.wav", speech)
    assert await chunks_in(Path(path)) == cut(path)


def test_hours_of_silence_are_nothing_to_hear(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "silence.wav"), "wb") as audio:
        audio.setparams((1, 2, RATE, 0, "NONE", ""))
        for _ in range(60):
            audio.writeframes(bytes(60 * RATE * 2))
    assert cut(str(tmp_path / "silence.wav")) == []
