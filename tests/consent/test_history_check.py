"""Checking an export: whatever the file is, the answer is clear, and never takes much memory."""

import json
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consent_svc.domain.canonical import canonical
from consent_svc.history.check import LONGEST_LINE, ExportCheck, check_export
from consent_svc.signing import Signer
from tests.consent.histories import SIGNER, export_of, lines

COUNT = 5


ENTRY = canonical(lines(1)[0])


def with_revision(text: str) -> bytes:
    """The entry with something else for a number."""
    return ENTRY.replace('"revision":1', f'"revision":{text}').encode() + b"\n"


WHOLE_NUMBER = "its revision is not a whole number"
STRANGE = {
    "no JSON": (b"{\n", "line 1 (in the place of revision 1): it is no JSON"),
    "no object": (b"[1]\n", "it is no JSON object"),
    "NaN": (with_revision("NaN"), "it is no JSON"),
    "infinity": (with_revision("1e999"), "not written as exports are"),
    "fraction": (with_revision("1.0"), WHOLE_NUMBER),
    "boolean": (with_revision("true"), WHOLE_NUMBER),
    "null": (ENTRY.replace('"answer":"granted"', '"answer":null').encode() + b"\n", "its answer is not text"),
    "long number": (with_revision("9" * 5000), "it is no JSON"),
    "lacking": (canonical({k: v for k, v in lines(1)[0].items() if k not in ("hash", "answer")}).encode() + b"\n",
                "it lacks answer, hash"),
    "more": (canonical({**lines(1)[0], "x\x1b[31m": 1}).encode() + b"\n", r"no export has the field x\x1b[31m"),
    "a key twice": (ENTRY.replace("{", '{"answer":"denied",', 1).encode() + b"\n", "not written as exports are"),
    "spaces": (json.dumps(lines(1)[0], sort_keys=True).encode() + b"\n", "not written as exports are"),
    "escapes": (ENTRY.replace("pt-BR", "pt-B\\u0052").encode() + b"\n", "not written as exports are"),
    "surrogate": (ENTRY.replace("pt-BR", "\\ud800").encode() + b"\n", "not written as exports are"),
    "latin-1": (ENTRY.replace("pt-BR", "språk").encode("latin-1") + b"\n", "it is not UTF-8"),
    "utf-16": ((ENTRY + "\n").encode("utf-16"), "it is not UTF-8"),
    "byte order mark": (b"\xef\xbb\xbf" + ENTRY.encode() + b"\n", "it begins with a byte order mark"),
    "CR LF": (ENTRY.encode() + b"\r\n", "it ends with CR LF instead of LF"),
    "empty line": (b"\n", "it is empty"),
    "deep": (b"[" * (LONGEST_LINE - 1) + b"\n", "it is no JSON"),
    "huge": (b'"' + b"x" * 10_000_000, f"it is longer than {LONGEST_LINE} bytes"),
    "nothing": (b"", "line 1 is missing: the file ends before anything"),
    "no end": (ENTRY.encode() + b"\n", "line 2 is missing: the file ends after revision 1, without the signed last"),
    "not whole": (ENTRY.encode(), "it breaks off"),
    "head is text": (b'{"head":"x","jws":"y"}\n', "its head is not an object"),
    "head is empty": (b'{"head":{},"jws":"y"}\n', "it lacks exported_at, head_hash, meeting_id, revision"),
    "no signature": (b'{"head":{}}\n', "it lacks jws"),
    "null bytes": (b"\0" * 100, "it breaks off"),
}  # fmt: skip


@pytest.mark.parametrize("name", STRANGE)
def test_whatever_is_no_export_gets_a_clear_answer(
    name: str, tmp_path: Path, key_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, expected = STRANGE[name]
    file = tmp_path / "strange.jsonl"
    file.write_bytes(content)
    for key in (None, key_file):
        assert check_export(str(file), key) == 1
        said = capsys.readouterr().err
        assert said.startswith("NOT INTACT: line ")
        assert expected in said
        assert len(said) < 300


def test_what_cannot_be_read_is_not_a_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "empty.jsonl"
    file.write_bytes(b"")
    garbage = tmp_path / "garbage.pem"
    garbage.write_bytes(b"no key")
    assert check_export(str(tmp_path / "none"), None) == 2
    assert check_export(str(tmp_path), None) == 2
    assert check_export(str(file), tmp_path / "none.pem") == 2
    assert "nothing was checked" in capsys.readouterr().err


async def test_a_key_file_without_a_key_is_not_a_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, garbage = tmp_path / "history.jsonl", tmp_path / "garbage.pem"
    file.write_bytes(await export_of(lines(COUNT)))
    garbage.write_bytes(b"no key")
    assert check_export(str(file), garbage) == 2
    assert "the end was not checked" in capsys.readouterr().err


async def test_a_long_file_takes_no_more_memory_than_a_short_one(tmp_path: Path) -> None:
    file = tmp_path / "long.jsonl"
    file.write_bytes(await export_of(lines(10_000)))
    with file.open("rb") as opened:
        tracemalloc.start()
        try:
            ExportCheck().run(opened)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 500_000 < file.stat().st_size / 5


async def test_the_key_may_be_the_answer_of_v1_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, keys = tmp_path / "history.jsonl", tmp_path / "keys.json"
    file.write_bytes(await export_of(lines(COUNT)))
    older = Signer(Ed25519PrivateKey.generate())
    keys.write_text(json.dumps({"keys": [json.loads(one.public_jwk()) for one in (older, SIGNER)]}))
    assert check_export(str(file), keys) == 0
    assert f"signed under key {SIGNER.key_id}" in capsys.readouterr().out


async def test_the_command_needs_neither_settings_nor_service(key_file: Path) -> None:
    """As a stranger runs it: from a pipe, with an empty environment."""
    command = [sys.executable, "-m", "consent_svc", "history", "-", "--key", str(key_file)]
    export = await export_of(lines(COUNT))

    def run(content: bytes) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(command, input=content, capture_output=True, timeout=60, env={}, check=False)

    whole, cut = run(export), run(export[:-1])
    assert (whole.returncode, whole.stderr) == (0, b"")
    assert whole.stdout.startswith(b"INTACT: 5 answers")
    assert (cut.returncode, cut.stdout) == (1, b"")
    assert cut.stderr.startswith(b"NOT INTACT: line 6")
