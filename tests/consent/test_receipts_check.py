"""`python -m consent_svc receipt`: a receipt proves itself to whoever has the public key, and no other does."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consent_svc.domain.canonical import canonical
from consent_svc.domain.receipts import AnswerOnRecord
from consent_svc.domain.rooms import RoomSettings
from consent_svc.domain.verdict import Answer
from consent_svc.receipts import RECEIPT_TYPE, receipt_of
from consent_svc.signing import Signer
from tests.consent.cases import meeting, room
from tests.consent.desk import RECEIPT, Desk, forged, signed
from tests.consent.histories import SIGNER, export_of, lines
from tests.consent.test_receipts import LINK, NOTICE, entry, record


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


def test_it_says_in_plain_words_what_a_receipt_proves(desk: Desk) -> None:
    code, said = desk.check()
    assert code == 0
    assert said.splitlines() == [
        f"HOLDS: signed under key {SIGNER.key_id}, and unchanged since.",
        "At 2026-03-02T10:01:00.000000Z somebody in meeting m-1",
        "  (room standup, opened at 2026-03-02T09:00:00.000000Z) answered:",
        "  YES, the audio may be stored (the first time that they agreed).",
        'Asked with: wording "2026-01" in "en".',
        f"  SHA-256 {NOTICE.hash}: /v1/notices/{NOTICE.hash}",
        "Responsible: Example Cooperative, privacy@example.org.",
        "Purpose: To listen to the meeting again.",
        "Kept: Ten years.",
        "Law: NO.",
        f"History: revision 1 of the meeting, hash {entry().hash}.",
        "It does not tell who answered: inside this meeting the person is known as",
        f"  {RECEIPT['pii_principal_id']}.",
        "It does not tell whether the answer was changed later: a later answer has a receipt of its own.",
        "Keep it to yourself: whoever has the link inside can change the answer.",
    ]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (record(entry=entry(Answer.DENIED)), "NO, the audio may not be stored (their first answer)"),
        (record(entry=entry(Answer.DENIED, 2, entry()), previous=entry(), granted_before=True), "took back an earlier"),
        (record(terms=None), "Not recorded: controller, purposes, retention and the like"),
        (record(notice=None), "Not recorded: wording: nobody made known"),
        (record(meeting=meeting(of=room(settings=RoomSettings(retention_days=30)))), "erases audio after 30 days"),
    ],
    ids=["refused", "withdrawn", "no terms", "no words", "retention"],
)
def test_it_says_what_is_particular(desk: Desk, answer: AnswerOnRecord, says: str) -> None:
    code, said = desk.check_of(signed(receipt_of(answer, LINK)))
    assert code == 0
    assert says in said


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_the_gateways_reply_and_the_bare_signature_are_read(desk: Desk, end: str) -> None:
    assert desk.check_of(signed(RECEIPT) + end)[0] == 0
    reply = {"receipt": RECEIPT, "jws": signed(RECEIPT), "change_url": LINK}
    assert desk.check_of(reply)[0] == 0
    assert desk.check_of(json.dumps(reply, ensure_ascii=False) + end)[0] == 0
    assert desk.check_of({"jws": signed(RECEIPT)})[0] == 0


def places(document: dict[str, Any], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for name, value in document.items():
        found += places(value, (*path, name)) if isinstance(value, dict) else [(*path, name)]
    return found


@pytest.mark.parametrize("path", places(RECEIPT), ids=".".join)
def test_what_people_read_must_be_what_was_signed(desk: Desk, path: tuple[str, ...]) -> None:
    """Every field of the readable part, changed or left out."""
    for change in ("changed", "left out"):
        shown = json.loads(json.dumps(RECEIPT))
        inner = shown
        for name in path[:-1]:
            inner = inner[name]
        if change == "changed":
            inner[path[-1]] = [inner[path[-1]]]
        else:
            del inner[path[-1]]
        code, said = desk.check_of({"receipt": shown, "jws": signed(RECEIPT)})
        assert (code, change, f"at {'.'.join(path)}\n" in said) == (1, change, True)


@pytest.mark.parametrize(
    ("shown", "says"),
    [
        ({**RECEIPT, "more": 1}, "at more"),
        ({**RECEIPT, "event": {**RECEIPT["event"], "revision": True}}, "at event.revision"),
        ({**RECEIPT, "event": {**RECEIPT["event"], "revision": 1.0}}, "at event.revision"),
        ([], "at its beginning"),
    ],
    ids=["more", "true for 1", "1.0 for 1", "no object"],
)
def test_near_misses_are_differences(desk: Desk, shown: object, says: str) -> None:
    code, said = desk.check_of({"receipt": shown, "jws": signed(RECEIPT)})
    assert code == 1
    assert says in said


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"receipt": RECEIPT}, "without a jws"),
        ({"jws": 3}, "without a jws"),
        ({"jws": signed(RECEIPT), "change_url": "https://evil.example"}, "do not open it"),
        ('{"jws": "a", "jws": "b"}', "one thing twice"),
        ('{"jws": ', "the file is no JSON"),
        ('{"a":' * 10_000, "the file is no JSON"),
        ("", "no compact JWS"),
        ("plain text", "no compact JWS"),
        (b"\xff\xfe", "neither a compact JWS nor JSON"),
        (signed(RECEIPT)[:-6], "does not hold"),
        (signed(RECEIPT, Signer(Ed25519PrivateKey.generate())), "does not hold under this key"),
        (SIGNER.sign(canonical(RECEIPT).encode(), "assent-history+jws"), "signed, but as 'assent-history+jws'"),
        (SIGNER.sign(b"[]", RECEIPT_TYPE), "no JSON object"),
        (SIGNER.sign(b"{}", RECEIPT_TYPE), "no receipt as this release knows them"),
        (signed(forged(schema_version="urn:assent:consent-receipt:2")), "check it with a newer release"),
        (signed({**RECEIPT, "receipt_id": "0" * 64}), "not the hash of the rest"),
        (signed(forged(event={**RECEIPT["event"], "answer": "denied"})), "does not follow from what it says"),
        (signed(forged(event={**RECEIPT["event"], "event_state": "unheard of"})), "no receipt as this release"),
    ],
    ids=lambda found: found if isinstance(found, str) and len(found) < 60 and found.isprintable() else "",
)
def test_what_does_not_hold_is_said_and_in_what(desk: Desk, content: Any, says: str) -> None:
    code, said = desk.check_of(content)
    assert code == 1
    assert said.startswith("DOES NOT HOLD: ")
    assert says in said


def test_a_field_that_nobody_signed_does_no_harm_to_a_terminal(desk: Desk) -> None:
    _, said = desk.check_of({"receipt": {**RECEIPT, "\x1b[2J": 1}, "jws": signed(RECEIPT)})
    assert r"at \x1b[2J" in said


def test_of_several_keys_none_of_which_signed_it_is_said_which_the_receipt_names(desk: Desk) -> None:
    others = [json.loads(Signer(Ed25519PrivateKey.generate()).public_jwk()) for _ in range(2)]
    desk.key.write_text(json.dumps({"keys": others}))
    assert desk.check() == (
        2,
        f"{desk.key} holds 2 keys, and none is the one that signed: the signature names key {SIGNER.key_id}; "
        "nothing was checked\n",
    )


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_an_exported_history_is_sent_to_its_own_check(desk: Desk, count: int) -> None:
    export = await export_of(lines(count))
    for content in (export, export.splitlines(keepends=True)[0], b"\r\n".join(export.splitlines())):
        code, said = desk.check_of(content)
        assert code == 2
        assert "an exported history, no receipt" in said
        assert "python -m consent_svc history" in said


def test_what_it_prints_does_no_harm_to_a_terminal(desk: Desk) -> None:
    sly = replace(meeting(), room="standup\x1b[2Jx")
    code, said = desk.check_of(signed(receipt_of(record(meeting=sly), LINK)))
    assert code == 0
    assert "\x1b" not in said
    assert "standup\\x1b[2Jx" in said


@pytest.mark.parametrize("missing", ["receipt", "key", "notice"])
def test_a_file_that_cannot_be_read_is_no_verdict(desk: Desk, missing: str) -> None:
    desk.notice.write_text(NOTICE.wording)
    getattr(desk, missing).unlink()
    code, said = desk.check(with_notice=True)
    assert code == 2
    assert getattr(desk, missing).name in said
    assert "nothing was checked" in said


def test_a_key_that_is_none_is_no_verdict(desk: Desk) -> None:
    desk.key.write_text("no key")
    assert desk.check()[0] == 2


def test_the_command_needs_no_settings(desk: Desk) -> None:
    desk.notice.write_text(NOTICE.wording)
    command = [sys.executable, "-m", "consent_svc", "receipt", str(desk.receipt), "--key", str(desk.key)]

    def run(*more: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([*command, *more], capture_output=True, text=True, check=False, env={})

    done = run("--notice", str(desk.notice))
    assert (done.returncode, done.stderr) == (0, "")
    assert "HOLDS" in done.stdout
    desk.receipt.write_text(signed(RECEIPT)[:-1])
    done = run()
    assert (done.returncode, done.stdout) == (1, "")
    assert "DOES NOT HOLD" in done.stderr
    assert run("--unheard-of").returncode == 2


def test_a_receipt_is_read_from_a_pipe(desk: Desk) -> None:
    command = [sys.executable, "-m", "consent_svc", "receipt", "-", "--key", str(desk.key)]
    for content, code in ((signed(RECEIPT), 0), (signed(RECEIPT)[:-6], 1), ("", 1)):
        done = subprocess.run(command, input=content.encode(), capture_output=True, timeout=60, env={}, check=False)
        assert (done.returncode, bool(done.stdout), bool(done.stderr)) == (code, code == 0, code != 0)
