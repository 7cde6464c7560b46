"""The demo says of a receipt and a history that they hold only where the commands that check them find it so."""

import io
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consent_svc.receipts import receipt_of
from consent_svc.signing import Signer
from deploy.demo import offline
from deploy.demo.api import Assent, Json, UnexpectedError
from deploy.demo.papers import Papers
from deploy.demo.screen import Screen
from tests.consent.desk import signed
from tests.consent.histories import SIGNER, entries, export_of, lines
from tests.consent.test_receipts import LINK, record
from tests.deploy.commands import run_here

CONSENT = "/v1/meetings/m-1/consent"
RECEIPT, HISTORY = f"{CONSENT}/receipt", f"{CONSENT}/history?format=jsonl"


class Gateway(Assent):
    """What it answers a test may bend."""

    def __init__(self, answers: dict[str, bytes]) -> None:
        super().__init__("http://127.0.0.1")
        self.answers = answers

    def seen_by(self, token: str | None) -> Assent:
        return self

    def ask(self, method: str, path: str, body: Json | None = None, **headers: str) -> httpx.Response:
        kind = "application/jsonl" if path == HISTORY else "application/json"
        content, status = (self.answers[path], 200) if path in self.answers else (b"{}", 404)
        request = httpx.Request(method, self.url + path)
        return httpx.Response(status, content=content, headers={"Content-Type": kind}, request=request)


@pytest.fixture
async def gateway() -> Gateway:
    """Three answered in m-1, and the third refused."""
    keys = {"keys": [json.loads(SIGNER.public_jwk())]}
    answers = {"/v1/keys": json.dumps(keys).encode(), RECEIPT: reply(), HISTORY: await export_of(lines(3))}
    return Gateway(answers)


@pytest.fixture
def checked_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """That a process of its own is asked, others show."""
    monkeypatch.setattr(offline, "run", run_here)


def reply(revision: int = 3, signer: Signer = SIGNER) -> bytes:
    entry = list(entries(revision))[-1]
    receipt = receipt_of(record(entry=entry, notice=None), LINK)
    whole: dict[str, Any] = {"receipt": receipt, "jws": signed(receipt, signer), "change_url": LINK}
    return json.dumps(whole).encode()


def prove(gateway: Gateway, folder: Path) -> str:
    said = io.StringIO()
    Papers(gateway, folder, Screen(said)).prove("m-1", "Ben", gateway, "denied")
    return said.getvalue()


def test_a_receipt_and_a_history_that_hold_are_shown_in_a_line_each(gateway: Gateway, tmp_path: Path) -> None:
    said = prove(gateway, tmp_path)

    assert "Ben's receipt" in said
    assert '"no" at 09:00:03 UTC' in said
    assert "2 yes and 1 no, Ben's among them" in said
    for file in ("receipt.json", "history.jsonl", "keys.json"):
        assert str(tmp_path / "m-1" / file) in said


@pytest.mark.usefixtures("checked_here")
def test_nobody_else_may_read_a_receipt_for_its_link_changes_the_answer(gateway: Gateway, tmp_path: Path) -> None:
    prove(gateway, tmp_path)

    assert (tmp_path / "m-1" / "receipt.json").stat().st_mode & 0o077 == 0


@pytest.mark.usefixtures("checked_here")
@pytest.mark.parametrize(
    ("path", "answer", "complaint"),
    [
        (RECEIPT, reply(signer=Signer(Ed25519PrivateKey.generate())), "receipt that holds"),
        (RECEIPT, reply().replace(b'"denied"', b'"granted"', 1), "receipt that holds"),
        (RECEIPT, reply(revision=2), "granted"),
        (RECEIPT, reply(revision=6), "Ben's answer in the history"),
        ("/v1/keys", b'{"keys": []}', "receipt that holds"),
    ],
)
def test_nothing_is_shown_of_a_receipt_that_does_not_hold_or_fit(
    gateway: Gateway, tmp_path: Path, path: str, answer: bytes, complaint: str
) -> None:
    gateway.answers[path] = answer

    with pytest.raises(UnexpectedError, match=complaint):
        prove(gateway, tmp_path)


def test_nothing_is_shown_of_a_history_that_was_changed_or_cut_off(gateway: Gateway, tmp_path: Path) -> None:
    whole = gateway.answers[HISTORY]
    for broken in (whole.replace(b'"denied"', b'"granted"'), b"".join(whole.splitlines(keepends=True)[:-1])):
        gateway.answers[HISTORY] = broken
        with pytest.raises(UnexpectedError, match="history that is intact"):
            prove(gateway, tmp_path)


def test_what_is_not_handed_out_is_not_shown(gateway: Gateway, tmp_path: Path) -> None:
    del gateway.answers[RECEIPT]

    with pytest.raises(UnexpectedError, match="receipt to answer 200"):
        prove(gateway, tmp_path)
