"""The example in docs/history.md is what it says it is, so that whoever writes another checker can rely on it."""

import hashlib
import json
import re
from pathlib import Path

import pytest

from consent_svc.domain.canonical import canonical
from consent_svc.history.check import check_export
from consent_svc.signing import Signer
from tests.consent.histories import KEY, fault_of

PAGE = (Path(__file__).parents[2] / "docs" / "history.md").read_text(encoding="utf-8")
HASHED, EXPORT, KEY_TEXT = re.findall(r"```jsonl?\n(.*?)```", PAGE, re.DOTALL)


def test_the_hash_is_that_of_the_text_shown() -> None:
    shown = hashlib.sha256(HASHED.rstrip("\n").encode()).hexdigest()
    entry = json.loads(EXPORT.splitlines()[0])
    assert f"Its SHA-256 in UTF-8 is `{shown}`" in PAGE
    assert entry.pop("hash") == shown
    assert canonical(entry) == HASHED.rstrip("\n")
    assert entry["participant_digest"] == hashlib.sha256(b"saltana").hexdigest()


def test_the_export_is_intact_under_the_key_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, key_file = tmp_path / "history.jsonl", tmp_path / "key.json"
    file.write_text(EXPORT, encoding="utf-8")
    key_file.write_text(KEY_TEXT, encoding="utf-8")
    assert check_export(str(file), key_file) == 0
    assert "INTACT: 1 answer (0 granted, 1 denied) of meeting 4711" in capsys.readouterr().out
    assert json.loads(KEY_TEXT) == json.loads(Signer(KEY).public_jwk())


def test_the_words_have_the_hash_that_the_end_signs() -> None:
    [words] = re.findall(r"The words were `(.*?)`", PAGE)
    [notice] = json.loads(EXPORT.splitlines()[-1])["head"]["notices"]
    assert notice["hash"] == hashlib.sha256(words.encode()).hexdigest()


def test_the_page_names_every_field_and_no_other() -> None:
    entry, end = map(json.loads, EXPORT.splitlines())
    rows = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert rows == [*entry, *end]


def test_control_characters_are_escaped_as_the_page_says() -> None:
    text = "".join(map(chr, [*range(0x20), 0x7F, 0x2028])) + '"\\/é'
    escaped = r"\u0000\u0001\u0002\u0003\u0004\u0005\u0006\u0007\b\t\n\u000b\f\r\u000e\u000f\u0010\u0011\u0012\u0013"
    escaped += r"\u0014\u0015\u0016\u0017\u0018\u0019\u001a\u001b\u001c\u001d\u001e\u001f" + "\x7f\u2028" + r"\"\\/é"
    assert canonical({"x": text}) == f'{{"x":"{escaped}"}}'


def test_one_letter_more_would_be_found() -> None:
    assert fault_of(EXPORT.replace("prøve", "prøven").encode()) == "line 1: revision 1: its fields do not give its hash"
