"""Words come from faster-whisper, where it is asked for and its model is there.

It is no part of the usual installation and there are no models without a download, so a module stands in for it here,
of the same names, arguments and results as version 1.2.1.
"""

import wave
from pathlib import Path

import pytest

from deploy.local.sample import MEETING
from transcript_svc import media
from transcript_svc.domain import Word
from transcript_svc.recognisers import recogniser
from transcript_svc.recognition import Heard, Unfit, main_language
from transcript_svc.settings import RecogniserSettings

STAND_IN = """
import os
from types import SimpleNamespace

class LocalEntryNotFoundError(Exception): ...

class WhisperModel:
    def __init__(self, model_size_or_path, device="auto", device_index=0, compute_type="default", cpu_threads=16,
                 num_workers=1, download_root=None, local_files_only=False, files=None):
        assert local_files_only
        assert os.environ["HF_HUB_OFFLINE"] == "1"
        if not os.path.isdir(model_size_or_path):
            raise LocalEntryNotFoundError("Cannot find an appropriate cached snapshot folder")
        if compute_type not in ("default", "int8"):
            raise ValueError(f"Requested {compute_type} compute type, but the target device does not support it")
        self.threads = cpu_threads

    def transcribe(self, audio, language=None, *, word_timestamps=False, condition_on_previous_text=True):
        assert word_timestamps and not condition_on_previous_text
        assert audio.dtype == "float32" and abs(audio).max() <= 1
        seconds = len(audio) / 16_000
        words = [SimpleNamespace(word=" Well,", start=0.25, end=0.75, probability=0.9),
                 SimpleNamespace(word=" good.", start=0.75, end=seconds + 9, probability=0.9)]
        unaligned = SimpleNamespace(words=None, text="")
        return iter([SimpleNamespace(words=words, text=" Well, good."), unaligned]), SimpleNamespace(
            language=language or "de", language_probability=0.9, duration=seconds)
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "faster_whisper.py").write_text(STAND_IN)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    for part in ("model.bin", "config.json", "tokenizer.json"):
        (folder / part).touch()
    return folder


@pytest.fixture
async def meeting(tmp_path: Path) -> Path:
    async def ignore(done_ms: int, total_ms: int) -> None:
        """Nobody watches."""

    await media.decode(MEETING, tmp_path / "meeting.wav", None, ignore)
    return tmp_path / "meeting.wav"


def settings(model: str | Path, **others: object) -> RecogniserSettings:
    return RecogniserSettings.model_validate(
        {"recogniser": "faster-whisper", "whisper_model": str(model), "recogniser_processes": 2, **others}
    )


async def heard_in(wav: Path, settings: RecogniserSettings) -> list[Heard]:
    whisper = await recogniser(settings)
    try:
        return [piece async for piece in whisper.hear(wav)]
    finally:
        await whisper.aclose()


async def test_every_chunk_is_heard_and_its_words_have_times_in_the_whole_recording(
    installed: None, model: Path, meeting: Path
) -> None:
    heard = await heard_in(meeting, settings(model))
    assert len(heard) > 1
    starts = [0, *(piece.until_ms for piece in heard)]
    for piece, earliest in zip(heard, starts, strict=False):
        well, good = (word for segment in piece.segments for word in segment.words)
        assert (well.text, good.text) == ("Well,", "good.")
        assert earliest <= well.start_ms < well.end_ms == good.start_ms < good.end_ms
        assert good == Word("good.", well.start_ms + 500, piece.until_ms)


@pytest.mark.parametrize(("asked", "told"), [("", "de"), ("fr", "fr")])
async def test_the_language_is_found_unless_it_is_set(
    installed: None, model: Path, meeting: Path, asked: str, told: str
) -> None:
    heard = await heard_in(meeting, settings(model, recogniser_language=asked))
    assert main_language(heard) == told


async def test_silence_never_reaches_the_model(installed: None, model: Path, tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "silence.wav"), "wb") as audio:
        audio.setparams((1, 2, 16_000, 0, "NONE", ""))
        audio.writeframes(bytes(5 * 32_000))
    assert await heard_in(tmp_path / "silence.wav", settings(model)) == []


async def test_without_the_package_it_says_what_to_install(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transcript_svc.recognisers.find_spec", lambda name: None)
    with pytest.raises(Unfit, match=r"pip install 'assent\[faster-whisper\]'"):
        await recogniser(settings(model))


async def test_without_a_model_it_says_so_and_downloads_none(installed: None) -> None:
    with pytest.raises(Unfit, match=r"'small'.*none is downloaded.*ASSENT_WHISPER_MODEL.*LocalEntryNotFoundError"):
        await recogniser(settings("small"))


async def test_a_model_without_its_tokenizer_is_refused_before_one_could_be_fetched(
    installed: None, model: Path
) -> None:
    (model / "tokenizer.json").unlink()
    with pytest.raises(Unfit, match=r"tokenizer\.json is missing"):
        await recogniser(settings(model))


async def test_a_kind_of_arithmetic_that_the_machine_lacks_is_told(installed: None, model: Path) -> None:
    with pytest.raises(Unfit, match="float16 compute type"):
        await recogniser(settings(model, whisper_compute_type="float16"))
