"""Settings that cannot work are named before anything is served."""

import pytest

from chassis.settings import load
from transcript_svc.settings import RecogniserSettings


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"RECOGNISER": "whisperer"},
            "ASSENT_RECOGNISER: Input should be 'pocketsphinx', 'faster-whisper' or",
        ),
        ({"RECOGNISER_LANGUAGE": "de"}, "ASSENT_RECOGNISER_LANGUAGE: Value error, pocketsphinx hears English only"),
        ({"RECOGNISER_LANGUAGE": "English"}, "ASSENT_RECOGNISER_LANGUAGE: "),
        ({"RECOGNISER_PROCESSES": "-1"}, "ASSENT_RECOGNISER_PROCESSES: "),
        ({"RECOGNISER": "faster-whisper"}, "ASSENT_WHISPER_MODEL: Value error, needed where ASSENT_RECOGNISER is"),
        ({"RECOGNISER": "openai"}, "ASSENT_OPENAI_URL: Value error, needed where ASSENT_RECOGNISER is openai"),
        (
            {"RECOGNISER": "openai", "OPENAI_URL": "transcribe.example"},
            "ASSENT_OPENAI_URL: Input should be a valid URL",
        ),
        ({"OPENAI_URL": "https://ana:secret@transcribe.example/v1"}, "belongs into ASSENT_OPENAI_KEY_FILE"),
        ({"OPENAI_URL": "https://transcribe.example/v1?key=secret"}, "belongs into ASSENT_OPENAI_KEY_FILE"),
        ({"OPENAI_KEY_FILE": "/nowhere"}, "ASSENT_OPENAI_KEY_FILE: Path does not point to a file"),
        (
            {"RECOGNISER": "faster-whisper", "WHISPER_MODEL": "small", "WHISPER_CACHE": "/nowhere"},
            "ASSENT_WHISPER_CACHE: Path does not point to a directory",
        ),
    ],
)
def test_a_setting_that_cannot_work_is_named_with_what_would(
    given: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(f"ASSENT_{name}", value)
    with pytest.raises(SystemExit) as left:
        load(RecogniserSettings)  # type: ignore[type-var]  # it reads any kind; the others need a whole environment
    assert left.value.code == 2
    assert said in capsys.readouterr().err
