"""A meeting as the services would keep it: who is in it, what they answered, and the receipts of their answers."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

from gateway.notices import read_notices
from tests.web.pages import WEB

NOTICES = {
    hashlib.sha256(notice.wording.encode()).hexdigest(): {
        "version": notice.version,
        "language": notice.language,
        "hash": hashlib.sha256(notice.wording.encode()).hexdigest(),
        "wording": notice.wording,
    }
    for notice in read_notices(WEB / "texts")
}

VERSION = next(iter(NOTICES.values()))["version"]
"""Of the words that the pages ask with now."""


@dataclass
class Answered:
    """What one participant said last."""

    consent_given: bool
    revision: int
    notice_version: str
    language: str
    answered_at: str = "2026-11-22T10:04:00Z"

    def shown(self) -> dict[str, Any]:
        """The answer as the API shows it."""
        return {"consent_given": self.consent_given, "revision": self.revision, "answered_at": self.answered_at}


@dataclass
class FakeMeeting:
    """A meeting with the people who opened it and their answers."""

    id: str
    room: str
    room_url: str
    people: set[str] = field(default_factory=set)
    is_active: bool = True
    started_at: str = "2026-11-22T10:00:00Z"
    answers: dict[str, Answered] = field(default_factory=dict)
    by_request: dict[str, Answered] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        granted = sum(answer.consent_given for answer in self.answers.values())
        present = len(self.people | self.answers.keys())
        answered = len(self.answers)
        return {
            "present": present,
            "granted": granted,
            "denied": answered - granted,
            "unanswered": present - answered,
        }

    def receipt(self, participant: str, change_url: str) -> dict[str, Any]:
        """Of the current answer; its signature is a word that the pages only pass on."""
        answer = self.answers[participant]
        worded = (answer.notice_version, answer.language)
        known = [one["hash"] for one in NOTICES.values() if (one["version"], one["language"]) == worded]
        payload = {
            "pii_processing": {
                "privacy_notice": {"version": answer.notice_version, "hash": known[0] if known else None},
                "pii_controllers": ["controller"],
                "purposes": [{"purpose": "To listen to the meeting again", "lawful_basis": "consent"}],
                "retention_period": {"description": "Until the room's owner deletes it", "days_set_for_the_room": 30},
                "withdrawal_method": {"url": change_url},
            },
            "party_identification": [
                {"party_id": "controller", "party_name": "Example Ltd", "party_contact": "privacy@example.org"},
                {"party_id": "whereby", "party_name": "Whereby"},
            ],
            "event": {
                "answer": "granted" if answer.consent_given else "denied",
                "event_time": answer.answered_at,
                "revision": answer.revision,
            },
            "meeting": {"meeting_id": self.id, "room": self.room, "opened_at": "2026-11-22T10:00:00.000000Z"},
        }
        return {"receipt": payload, "jws": f"header.receipt-{answer.revision}.signature", "change_url": change_url}
