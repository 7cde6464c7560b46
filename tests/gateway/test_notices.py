"""The wordings that people are asked with: never changed under one version, known before we are ready."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from assent.consent.v1 import consent_pb2
from assent.consent.v1 import consent_service_pb2 as rpc

from chassis.errors import FailedPrecondition, ServiceError, Unavailable
from gateway.notices import Notices, read_notices
from gateway.pages import WEB
from tests.eventually import eventually
from tests.gateway.conftest import Stack

TEXTS = WEB / "texts"
KEPT: dict[str, dict[str, str]] = json.loads(Path(__file__).with_name("notice_hashes.json").read_text())
LANGUAGES = sorted(path.stem for path in TEXTS.glob("*.json"))
ADVICE = """
The words that people are asked with were changed, and their version was not. Answers are proven by the hash of the
words, so a version's words never change: give notice_version a new value in every file of gateway/web/texts, and add
that version's hashes to tests/gateway/notice_hashes.json (never take the old ones out)."""


class Consent:
    """Takes notices, after it has raised these errors."""

    def __init__(self, *errors: ServiceError) -> None:
        self._errors = list(errors)
        self.asked = 0
        self.taken: list[consent_pb2.Notice] = []

    async def RegisterNotices(self, request: rpc.RegisterNoticesRequest) -> rpc.RegisterNoticesResponse:
        self.asked += 1
        if self._errors:
            raise self._errors.pop(0)
        self.taken += request.notices
        return rpc.RegisterNoticesResponse(notices=request.notices)


def notice(language: str, texts: Path = TEXTS) -> consent_pb2.Notice:
    [found] = [one for one in read_notices(texts) if one.language == language]
    return found


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_version_keeps_its_words(language: str) -> None:
    found = notice(language)
    digest = hashlib.sha256(found.wording.encode()).hexdigest()
    assert KEPT.get(found.version, {}).get(language) == digest, ADVICE


def test_every_language_asks_with_the_same_version() -> None:
    assert len({one.version for one in read_notices(TEXTS)}) == 1


@pytest.mark.parametrize("part", ["title", "notice", "grant", "deny", "later"])
def test_what_is_hashed_is_what_people_read_and_no_more(tmp_path: Path, part: str) -> None:
    """Mixed keys and other spaces are the same words; one changed letter in what is shown is not."""
    texts = json.loads((TEXTS / "fr.json").read_text())
    texts["consent"] = dict(reversed(texts["consent"].items()))
    (tmp_path / "fr.json").write_text(json.dumps(texts, indent=7))
    assert notice("fr", tmp_path).wording == notice("fr").wording
    shown = texts["consent"]
    shown[part] = [*shown[part][:-1], f"{shown[part][-1]}!"] if part == "notice" else f"{shown[part]}!"
    (tmp_path / "fr.json").write_text(json.dumps(texts))
    assert (notice("fr", tmp_path).wording == notice("fr").wording) is (part == "later")


def test_the_words_are_written_in_one_way() -> None:
    wording = notice("fr").wording
    assert wording == json.dumps(json.loads(wording), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert "é" in wording


async def test_notices_are_registered_once_consent_svc_is_there() -> None:
    consent = Consent(*(Unavailable("away", reason="UNAVAILABLE") for _ in range(3)))
    async with Notices(_stub(consent), read_notices(TEXTS), pause=0.001) as notices:
        assert not notices.are_registered
        await eventually(lambda: _registered(notices))
    assert consent.asked == 4
    assert [one.language for one in consent.taken] == LANGUAGES


async def test_a_changed_wording_is_said_and_not_tried_again(capsys: pytest.CaptureFixture[str]) -> None:
    consent = Consent(FailedPrecondition("version 1 in fr has other words", reason="NOTICE_CHANGED"))
    logged = ""

    async def is_refused() -> bool:
        nonlocal logged
        captured = capsys.readouterr()
        logged += captured.out + captured.err
        return "notices_refused" in logged

    async with Notices(_stub(consent), read_notices(TEXTS), pause=0.001) as notices:
        await eventually(is_refused)
        assert not notices.are_registered
    assert "version 1 in fr has other words" in logged
    assert "new notice_version" in logged
    assert consent.asked == 1


async def test_the_end_does_not_wait_for_a_consent_svc_that_is_away() -> None:
    consent = Consent(Unavailable("away", reason="UNAVAILABLE"))
    async with Notices(_stub(consent), read_notices(TEXTS), pause=3600.0):
        await eventually(lambda: _asked(consent))


async def test_changed_words_under_a_known_version_are_refused(stack: Stack, tmp_path: Path) -> None:
    shutil.copytree(TEXTS, tmp_path, dirs_exist_ok=True)
    texts = json.loads((tmp_path / "de.json").read_text())
    texts["consent"]["grant"] = "Ja bitte"
    (tmp_path / "de.json").write_text(json.dumps(texts))
    with pytest.raises(FailedPrecondition) as refused:
        await stack.app.state.parts.consent.RegisterNotices(rpc.RegisterNoticesRequest(notices=read_notices(tmp_path)))
    assert refused.value.reason == "NOTICE_CHANGED"


async def test_it_is_not_ready_before_the_notices_are_known(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack.app.state.parts.notices, "are_registered", False)
    reply = await stack.http.get("/readyz")
    assert (reply.status_code, reply.json()) == (503, {"status": "not ready", "missing": ["notices"]})
    assert reply.headers["retry-after"]


def _stub(consent: Consent) -> Any:
    return consent


async def _registered(notices: Notices) -> bool:
    return notices.are_registered


async def _asked(consent: Consent) -> bool:
    return consent.asked > 0
