"""A file with several audio tracks: nobody's words are lost, and everybody speaks when they spoke."""

import wave
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from av.container import InputContainer
from numpy.typing import NDArray

from tests.transcript.media_bytes import encoded, media
from tests.transcript.media_files import tone
from tests.transcript.track_files import OwnTrack, talk, tracks_file
from transcript_svc import decoding, packets, tracks
from transcript_svc.media import BrokenMedia, Decoded, decode
from transcript_svc.tracks import MOST_TRACKS, open_container

pytestmark = pytest.mark.usefixtures("quick_children")


async def ignore(done_ms: int, total_ms: int) -> None:
    """Nobody watches."""


async def heard(folder: Path, content: bytes) -> tuple[Decoded, NDArray[np.int16]]:
    (folder / "source").write_bytes(content)
    found = await decode(folder / "source", folder / "out.wav", folder / "out.mp3", ignore)
    with wave.open(str(folder / "out.wav")) as file:
        return found, np.frombuffer(file.readframes(file.getnframes()), np.int16)


def loudness(samples: NDArray[np.int16], pitch: int) -> float:
    """Of one tone among all that is heard."""
    spectrum = np.abs(np.fft.rfft(samples.astype(float)))
    at = round(pitch * len(samples) / 16_000)
    return float(spectrum[max(at - 3, 0) : at + 4].sum() / len(samples))


@pytest.mark.parametrize(("container", "codec"), [("mp4", "aac"), ("matroska", "libopus")])
async def test_all_tracks_are_heard(tmp_path: Path, container: str, codec: str) -> None:
    found, samples = await heard(tmp_path, media(container, codec, tracks=3))
    assert found.duration_ms == pytest.approx(2_000, abs=100)
    for pitch in (440, 880, 1_760):
        assert loudness(samples, pitch) > 20 * loudness(samples, 3_000)


async def test_a_shorter_track_ends_and_the_others_go_on(tmp_path: Path) -> None:
    found, samples = await heard(
        tmp_path, encoded("mov", "pcm_s16le", 48_000, "mono", [tone(1, pitch=1_000), tone(3, pitch=440)])
    )
    assert found.duration_ms == 3_000
    assert loudness(samples[:14_000], 1_000) > 100 * loudness(samples[18_000:], 1_000)
    assert loudness(samples[34_000:], 440) > 1_000


async def test_loud_tracks_do_not_wrap_around(tmp_path: Path) -> None:
    loud = tone(1, loudness=0.9)
    _, samples = await heard(tmp_path, encoded("mov", "pcm_s16le", 48_000, "mono", [loud, loud]))
    quiet = np.abs(np.diff(samples.astype(int))).max()
    assert quiet < 15_000  # from one sample to the next; a sum that wrapped would leap by 65,535


@pytest.mark.parametrize(("container", "codec"), [("mp4", "aac"), ("matroska", "libopus")])
async def test_as_many_tracks_as_are_taken_fit_into_memory(tmp_path: Path, container: str, codec: str) -> None:
    found, _ = await heard(tmp_path, encoded(container, codec, 48_000, "stereo", [tone(1)] * MOST_TRACKS))
    assert found.duration_ms == pytest.approx(1_000, abs=50)
    assert len(found.voices.names) == MOST_TRACKS


def test_tracks_that_lie_far_apart_in_the_file_are_read_through_containers_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def counted(source: str) -> closing[InputContainer]:
        opened.append(source)
        return open_container(source)

    source = tmp_path / "source"
    source.write_bytes(tracks_file("mp4", "aac", *(OwnTrack(talk((at, at + 1), seconds=4), at / 2) for at in range(3))))
    monkeypatch.setattr(tracks, "open_container", counted)
    heard = []
    for most, times in ((2**25, 0), (20_000, 2), (0, 2)):
        monkeypatch.setattr(packets, "MOST_WAITING_BYTES", most)
        list(decoding.decode(str(source), str(tmp_path / "wav"), None, 10, 60))
        heard.append((tmp_path / "wav").read_bytes())
        assert len(opened) == times
        opened.clear()
    assert heard == [heard[0]] * 3
    assert len(heard[0]) > 5 * 32_000


async def test_more_tracks_than_anybody_records_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BrokenMedia, match="65 audio tracks"):
        await heard(tmp_path, encoded("mov", "pcm_s16le", 8_000, "mono", [tone(0.1, 8_000)] * 65))
