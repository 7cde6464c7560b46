"""Receipts: what a participant can keep as proof of an answer, and what such a proof rests on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from consent_svc.domain.canonical import canonical, text_hash


@dataclass(frozen=True)
class Terms:
    """What a receipt says beside the answer (controller, purposes, retention …), as it was when the answer came."""

    # Hex SHA-256 of the document.
    hash: str
    # Canonical JSON.
    document: str

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Terms":
        """The terms that a document states."""
        text = canonical(document)
        return cls(text_hash(text), text)
