"""Where a receipt is checked: the receipt, the key, the words, and what is said of them."""

import json
from pathlib import Path
from typing import Any

import pytest

from consent_svc.domain.canonical import canonical, text_hash
from consent_svc.receipts import RECEIPT_TYPE, receipt_of
from consent_svc.receipts.check import check_receipt
from consent_svc.signing import Signer
from tests.consent.histories import SIGNER
from tests.consent.test_receipts import LINK, record

RECEIPT = receipt_of(record(), LINK)


def signed(receipt: dict[str, Any], signer: Signer = SIGNER) -> str:
    return signer.sign(canonical(receipt).encode(), RECEIPT_TYPE)


def forged(**changes: Any) -> dict[str, Any]:
    """A receipt that its signer made wrongly, with an id that fits."""
    content = {name: value for name, value in RECEIPT.items() if name != "receipt_id"} | changes
    return {**content, "receipt_id": text_hash(canonical(content))}


class Desk:
    """A folder with a receipt and a key, and what the check says of them."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.receipt, self.key, self.notice = folder / "receipt", folder / "key.json", folder / "notice"
        self.key.write_text(SIGNER.public_jwk())
        self.receipt.write_text(signed(RECEIPT))
        self._capsys = capsys

    def check(self, *, with_notice: bool = False) -> tuple[int, str]:
        code = check_receipt(str(self.receipt), self.key, self.notice if with_notice else None)
        said = self._capsys.readouterr()
        assert bool(said.out) is (code == 0)
        assert bool(said.err) is (code != 0)
        return code, said.out or said.err

    def check_of(self, content: str | bytes | dict[str, Any]) -> tuple[int, str]:
        text = json.dumps(content, indent=1) if isinstance(content, dict) else content
        self.receipt.write_bytes(text.encode() if isinstance(text, str) else text)
        return self.check()
