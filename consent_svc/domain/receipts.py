"""Receipts: what a participant can keep as proof of an answer, and what such a proof rests on.

Fields are named as ISO/IEC TS 27560:2023 names them; docs/receipts.md tells which subset, and what is our own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from consent_svc.domain.canonical import canonical, text_hash

_CONTROLLER, _WHEREBY = "controller", "whereby"

# What this release does with the audio. It belongs to the terms: a later release may do otherwise.
_PRACTICE = {
    "pii_information": [{"pii_type": "The participant's voice in the audio recording of the meeting"}],
    "collection_method": "Whereby records the call once somebody starts it there, and hands the file over",
    "processing_method": (
        "The audio is stored, and played to the room's owner and to people who were in the meeting. Where somebody "
        "refuses, every copy is erased once the written transcript is made. The transcript is made in any case: it "
        "is not part of this consent"
    ),
    "pii_controllers": [_CONTROLLER],
    "recipient_third_parties": [_WHEREBY],
}
_WHEREBY_PARTY = {
    "party_id": _WHEREBY,
    "party_name": "Whereby",
    "party_role": "provider of the call, makes the recording",
    "party_url": "https://whereby.com",
}


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


def terms_of(
    *,
    controller: Mapping[str, str],
    jurisdiction: str,
    purposes: Sequence[str],
    storage_location: str,
    retention: str,
    withdrawal: str,
    privacy_policy_url: str,
) -> Terms:
    """The terms that an operator set. What is empty is left out: a receipt states nothing that nobody said."""
    party = {"party_id": _CONTROLLER, **controller, "party_role": "PII controller", "party_url": privacy_policy_url}
    processing = {
        **_PRACTICE,
        "purposes": [{"purpose": purpose, "lawful_basis": "consent"} for purpose in purposes],
        "storage_locations": [storage_location] if storage_location else [],
        "retention_period": {"description": retention},
        "withdrawal_method": {"description": withdrawal},
        "jurisdiction": jurisdiction,
    }
    return Terms.of({"pii_processing": _said(processing), "party_identification": [_said(party), _WHEREBY_PARTY]})


def _said(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}
