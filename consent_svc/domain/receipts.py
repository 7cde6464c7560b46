"""Receipts: what a participant can keep as proof of an answer, and what such a proof rests on.

Fields are named as ISO/IEC TS 27560:2023 names them; docs/receipts.md tells which subset, and what is our own.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from consent_svc.domain.answers import HistoryEntry
from consent_svc.domain.canonical import canonical, text_hash
from consent_svc.domain.meetings import Meeting
from consent_svc.domain.verdict import Answer

Key = tuple[str, str]
"""Version and language: they name a wording."""

_CONTROLLER, _WHEREBY = "controller", "whereby"

# What this release does with the audio. It belongs to the terms: a later release may do otherwise.
_PRACTICE = {
    "pii_information": [{"pii_type": "The participant's voice in the audio recording of the meeting"}],
    "collection_method": "Whereby records the call, where the room is set so, and hands the file over",
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


@dataclass(frozen=True)
class Notice:
    """A wording that people are shown. What a version says in a language never changes."""

    version: str
    # BCP 47.
    language: str
    wording: str
    # Hex SHA-256 of the wording.
    hash: str
    registered_at: datetime

    @classmethod
    def of(cls, version: str, language: str, wording: str, now: datetime) -> "Notice":
        """A wording made known now."""
        return cls(version, language, wording, text_hash(wording), now)


class State(StrEnum):
    """What an answer did to the consent."""

    GIVEN = "given"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    GIVEN_AGAIN = "given_again"
    # The same answer as before.
    CONFIRMED = "confirmed"


def state_of(answer: Answer, previous: Answer | None, granted_before: bool) -> State:
    """What an answer did, by the same person's `previous` one and whether any earlier one was a grant."""
    if answer is previous:
        return State.CONFIRMED
    if answer is Answer.DENIED:
        return State.REFUSED if previous is None else State.WITHDRAWN
    return State.GIVEN_AGAIN if granted_before else State.GIVEN


@dataclass(frozen=True)
class AnswerOnRecord:
    """An answer with all that its receipt rests on, as it was when the answer came."""

    meeting: Meeting
    consent_id: str
    entry: HistoryEntry
    # The same person's answer before it.
    previous: HistoryEntry | None = None
    granted_before: bool = False
    # None where nobody made the wording known, or wrote down the terms.
    notice: Notice | None = None
    terms: Terms | None = None

    @property
    def state(self) -> State:
        """What this answer did."""
        previous = self.previous.answer if self.previous else None
        return state_of(self.entry.answer, previous, self.granted_before)


class Receipts(Protocol):
    """Where everything is kept that receipts rest on."""

    async def answer(self, meeting_id: str, participant_id: str, revision: int) -> AnswerOnRecord:
        """This answer of the participant; the current one for revision 0.

        Raises NotFound (MEETING_NOT_FOUND; ANSWER_NOT_FOUND, also when it is somebody else's).
        """

    async def register(self, notices: Sequence[Notice]) -> list[Notice]:
        """Keep those that are not known yet, all or none; returns them as they are kept.

        Raises FailedPrecondition (NOTICE_CHANGED) when a version has other words in that language.
        """

    async def hashes(self, keys: Collection[Key]) -> dict[Key, str]:
        """The hashes of these wordings; those that nobody has registered are not in it."""

    async def notice(self, notice_hash: str) -> Notice:
        """The wording with this hash. Raises NotFound (NOTICE_NOT_FOUND)."""
