"""Who speaks, where everybody has an audio track of their own: the one whose track is clearly the loudest then."""

from pathlib import Path

import numpy as np
import pytest

from tests.transcript.track_files import OwnTrack, talk, tracks_file
from transcript_svc.domain import Segment, Word
from transcript_svc.loudness import Loudness
from transcript_svc.media import Decoded, decode
from transcript_svc.speakers import NOBODY, SLICE_MS, Voices, names_of

pytestmark = pytest.mark.usefixtures("quick_children")

CONTAINERS = [("mp4", "aac"), ("matroska", "libopus"), ("mov", "pcm_s16le")]
ANA, BEN = {"title": "Ana"}, {"title": "Ben"}


async def ignore(done_ms: int, total_ms: int) -> None:
    """Nobody watches."""


async def decoded(folder: Path, content: bytes) -> Decoded:
    (folder / "source").write_bytes(content)
    return await decode(folder / "source", folder / "out.wav", None, ignore)


def speakers(found: Decoded, *spans: tuple[float, float]) -> list[str]:
    """Who is told to speak in what was heard between those seconds."""
    segments = [Segment(round(begin * 1000), round(end * 1000), "words") for begin, end in spans]
    return [segment.speaker for segment in found.voices.told(segments)]


@pytest.mark.parametrize(("container", "codec"), CONTAINERS)
async def test_a_segment_is_whose_track_is_the_loudest_then(tmp_path: Path, container: str, codec: str) -> None:
    ana = OwnTrack(talk((0.0, 1.5), (4.0, 5.0), seconds=5), about=ANA)
    ben = OwnTrack(talk((2.0, 3.5), seconds=5, loudness=0.2, pitch=300), about=BEN)
    found = await decoded(tmp_path, tracks_file(container, codec, ana, ben))
    assert speakers(found, (0.1, 1.4), (2.1, 3.4), (4.1, 4.9)) == ["Ana", "Ben", "Ana"]


@pytest.mark.parametrize(("container", "codec"), CONTAINERS)
async def test_a_track_that_begins_late_is_told_at_the_time_when_it_is_heard(
    tmp_path: Path, container: str, codec: str
) -> None:
    ana = OwnTrack(talk((0.0, 3.0), (6.0, 7.0), seconds=7), about=ANA)
    ben = OwnTrack(talk((0.5, 2.0), seconds=2), late=3.3, about=BEN)
    found = await decoded(tmp_path, tracks_file(container, codec, ana, ben))
    assert found.duration_ms == pytest.approx(7_000, abs=100)
    assert speakers(found, (0.5, 2.0), (3.9, 5.2), (6.1, 6.9)) == ["Ana", "Ben", "Ana"]


async def test_of_a_single_track_nobody_is_told(tmp_path: Path) -> None:
    found = await decoded(tmp_path, tracks_file("mp4", "aac", OwnTrack(talk((0.0, 2.0), seconds=2), about=ANA)))
    assert found.voices == NOBODY
    assert speakers(found, (0.0, 2.0)) == [""]


async def test_the_same_sound_in_all_tracks_is_nobodys(tmp_path: Path) -> None:
    both = talk((0.0, 2.0), seconds=2)
    found = await decoded(tmp_path, tracks_file("mp4", "aac", OwnTrack(both, about=ANA), OwnTrack(both, about=BEN)))
    assert found.voices.names == ("Ana", "Ben")
    assert speakers(found, (0.0, 2.0), (0.5, 0.6)) == ["", ""]


async def test_who_is_heard_in_another_microphone_too_is_known_by_the_nearer_one(tmp_path: Path) -> None:
    near, far = (talk((0.0, 2.0), seconds=2, loudness=loud) for loud in (0.5, 0.1))
    found = await decoded(tmp_path, tracks_file("mp4", "aac", OwnTrack(far, about=ANA), OwnTrack(near, about=BEN)))
    assert speakers(found, (0.1, 1.9)) == ["Ben"]


def test_who_speaks_in_the_right_channel_only_is_heard() -> None:
    silence = np.zeros(48_000, np.int16)
    right = np.stack([silence, talk((0.0, 1.0), seconds=1)], axis=1).reshape(-1)
    loudness = Loudness(48_000, 2)
    loudness.add([np.repeat(silence, 2), right])
    assert set(loudness.voices(["1", "2"]).loudest) == {2}


async def test_a_track_that_has_ended_is_silent(tmp_path: Path) -> None:
    ana, ben = talk((0.0, 1.0), seconds=1), talk((2.0, 3.25), seconds=3.25)
    found = await decoded(tmp_path, tracks_file("mov", "pcm_s16le", OwnTrack(ana), OwnTrack(ben)))
    assert speakers(found, (0.0, 1.0), (1.2, 1.9), (2.0, 3.25), (3.3, 9.0), (50.0, 51.0)) == ["1", "", "2", "", ""]


async def test_however_many_tracks_there_are_a_slice_takes_two_bytes(tmp_path: Path) -> None:
    tracks = [OwnTrack(talk((number / 10, number / 10 + 0.1), seconds=3.2)) for number in range(32)]
    found = await decoded(tmp_path, tracks_file("mov", "pcm_s16le", *tracks))
    slices = -(-found.duration_ms // SLICE_MS)
    assert (len(found.voices.loudest), len(found.voices.decibels)) == (slices, slices)
    assert set(found.voices.loudest) >= set(range(1, 33))


async def test_a_name_that_is_no_utf_8_spoils_nothing(tmp_path: Path) -> None:
    ana, jose = (OwnTrack(talk((n, n + 1), seconds=2), about={"title": name}) for n, name in enumerate(("Ana", "Jos0")))
    named = tracks_file("matroska", "libopus", ana, jose)
    found = await decoded(tmp_path, named.replace(b"Jos0", b"Jos\xe9"))
    assert found.voices.names == ("Ana", "Jos\ufffd")


@pytest.mark.parametrize(
    ("told", "names"),
    [
        ([{"title": "Ana"}, {"name": "Ben", "handler_name": "x"}, {"handler_name": "Cem"}], ("Ana", "Ben", "Cem")),
        ([{"title": "Ana", "handler_name": "SoundHandler"}, {"handler_name": "SoundHandler"}], ("Ana", "2")),
        ([{}, {"title": " \t"}, {"language": "eng"}], ("1", "2", "3")),
        ([{"handler_name": "Core Media Audio"}, {"handler_name": "Stereo"}], ("1", "2")),
        ([{"handler_name": "ISO Media file produced by Google Inc."}, {"title": "Audio Track"}], ("1", "2")),
        ([{"title": "Room"}, {"title": "Room"}, {"title": "Cem"}], ("1", "2", "Cem")),
        ([{"title": "2"}, {}], ("1", "2")),
        ([{"title": "a\nb\0\u202ec" + "x" * 200}, {}], ("a b c" + "x" * 95, "2")),
    ],
)
def test_a_track_is_called_by_its_name_or_else_by_its_number(
    told: list[dict[str, str]], names: tuple[str, ...]
) -> None:
    assert names_of(told) == names


def voices(*tracks: int, loud: int = 70) -> Voices:
    """Of Ana, Ben and Cem; one slice for each number, 0 where nobody stands out."""
    return Voices(("Ana", "Ben", "Cem"), bytes(tracks), bytes([loud] * len(tracks)))


def words(*texts: str) -> tuple[Word, ...]:
    """Each of them half a second long."""
    return tuple(Word(text, 500 * number, 500 * number + 500) for number, text in enumerate(texts))


def test_most_of_the_time_is_enough_and_half_of_it_is_not() -> None:
    segment = Segment(0, 1_000, "words")
    assert [one.speaker for one in voices(2, 2, 2, 2, 2, 2, 2, 1, 1, 0).told([segment])] == ["Ben"]
    assert [one.speaker for one in voices(2, 2, 2, 2, 2, 1, 1, 1, 1, 1).told([segment])] == [""]


def test_what_is_hardly_heard_does_not_count() -> None:
    """Between two words of one, another's breath is the loudest."""
    mostly_breath = Voices(("Ana", "Ben"), bytes([1, 2, 2, 2, 1, 2, 2, 1]), bytes([70, 30, 30, 30, 72, 31, 30, 68]))
    assert mostly_breath.told([Segment(0, 800, "words")])[0].speaker == "Ana"


def test_a_segment_in_which_another_takes_over_is_parted_there() -> None:
    said = words("is", "it", "done", "nearly", "so")
    parts = voices(*[1] * 15, *[3] * 10).told([Segment.of(said)])
    assert [(part.speaker, part.text, part.start_ms, part.end_ms) for part in parts] == [
        ("Ana", "is it done", 0, 1_500),
        ("Cem", "nearly so", 1_500, 2_500),
    ]
    assert [word for part in parts for word in part.words] == list(said)


def test_a_word_that_is_nobodys_belongs_to_whoever_speaks_around_it() -> None:
    said = words("well", "is", "it", "yes", "it", "is")
    parts = voices(*[0] * 5, *[1] * 10, *[2] * 10, *[0] * 5).told([Segment.of(said)])
    assert [(part.speaker, part.text) for part in parts] == [("Ana", "well is it"), ("Ben", "yes it is")]


def test_people_who_talk_at_once_are_not_taken_apart() -> None:
    said = tuple(Word(f"w{number}", 200 * number, 200 * number + 200) for number in range(10))
    alternating = voices(*[1, 1, 2, 2] * 5)
    assert alternating.told([Segment.of(said)]) == (Segment.of(said),)


def test_a_text_that_is_more_than_its_words_is_not_parted() -> None:
    segment = Segment(0, 2_000, "Is it? Yes, it is.", words("is", "it", "yes", "so"))
    assert voices(*[1] * 10, *[2] * 10).told([segment]) == (segment,)


def test_what_goes_to_another_process_comes_back_as_it_was() -> None:
    assert Voices.from_json(voices(0, 1, 255).to_json()) == voices(0, 1, 255)
