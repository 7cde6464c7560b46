"""The words beside a receipt: those that were shown and no others, printed so that people can read them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from consent_svc.domain.canonical import canonical
from consent_svc.domain.receipts import Notice
from consent_svc.receipts import receipt_of
from tests.consent.cases import NINE
from tests.consent.desk import Desk, signed
from tests.consent.test_receipts import LINK, NOTICE, record


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


@pytest.mark.parametrize(
    "content", [NOTICE.wording, json.dumps({"version": "2026-01", "wording": NOTICE.wording})], ids=["words", "reply"]
)
def test_the_words_are_held_against_it(desk: Desk, content: str) -> None:
    desk.notice.write_text(content)
    code, said = desk.check(with_notice=True)
    assert code == 0
    assert f"SHA-256 {NOTICE.hash}: the words given here" in said


def shown_for(desk: Desk, wording: str) -> list[str]:
    """The lines of the words in what is said of a receipt with this wording."""
    notice = Notice.of("2026-01", "en", wording, NINE)
    desk.receipt.write_text(signed(receipt_of(record(notice=notice), LINK)))
    desk.notice.write_text(wording)
    code, said = desk.check(with_notice=True)
    assert code == 0
    assert f"SHA-256 {notice.hash}: the words given here, which are\n  | " in said
    return [line.removeprefix("  | ") for line in said.splitlines() if line.startswith("  | ")]


def test_the_words_that_were_shown_are_printed_as_people_read_them(desk: Desk) -> None:
    words = {"deny": "Nein", "grant": "Ja", "notice": ["Ä eins.", "Zwei."], "title": "Speichern?", "extra": "Mehr"}
    assert shown_for(desk, canonical(words)) == [
        "title: Speichern?", "notice: Ä eins.", "notice: Zwei.", "grant: Ja", "deny: Nein", "extra: Mehr"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("wording", "shown"),
    [
        ("May it\nbe kept?", ["May it", "be kept?"]),
        ('{"title":"A","title":"B"}', ['{"title":"A","title":"B"}']),
        ('{"title": "spaced"}', ['{"title": "spaced"}']),
        ('["A"]', ['["A"]']),
        ("HOLDS:\x1b[2J", [r"HOLDS:\x1b[2J"]),
        (canonical({"title": "A\x1b[2J\nHOLDS: B"}), [r"title: A\x1b[2J", "title: HOLDS: B"]),
    ],
    ids=["text", "twice", "another spelling", "a list", "escapes", "escapes in a part"],
)
def test_words_of_any_other_form_are_printed_as_they_stand(desk: Desk, wording: str, shown: list[str]) -> None:
    assert shown_for(desk, wording) == shown


@pytest.mark.parametrize("content", [NOTICE.wording + "\n", "", "{", "[1]", '{"wording": 3}', '{"wording": "other"}'])
def test_other_words_are_refused(desk: Desk, content: str) -> None:
    desk.notice.write_text(content)
    code, said = desk.check(with_notice=True)
    assert code == 1
    assert f"other words than those of the answer, whose hash is {NOTICE.hash}" in said


def test_no_words_can_be_held_against_a_receipt_that_names_none(desk: Desk) -> None:
    desk.notice.write_text(NOTICE.wording)
    desk.receipt.write_text(signed(receipt_of(record(notice=None), LINK)))
    assert desk.check(with_notice=True) == (
        1, "DOES NOT HOLD: it names no wording, so no words can be held against it\n"
    )  # fmt: skip


def test_a_terminal_that_lacks_the_letters_gets_escapes(desk: Desk) -> None:
    shown_for(desk, "日本語")
    given = ["--key", str(desk.key), "--notice", str(desk.notice)]
    command = [sys.executable, "-m", "consent_svc", "receipt", str(desk.receipt), *given]
    done = subprocess.run(command, capture_output=True, check=False, env={"PYTHONIOENCODING": "ascii"}, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"  | \u65e5\u672c\u8a9e" in done.stdout
