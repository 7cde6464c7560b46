"""Checks a history as an outsider does, with only its entries and what consent_svc/history/chain.py says of them."""

import hashlib
import json
from collections.abc import Sequence

from consent_svc.domain.answers import HistoryEntry

NOTHING_BEFORE = "0" * 64


def first_fault(entries: Sequence[HistoryEntry], after: int = 0, previous: str = NOTHING_BEFORE) -> int | None:
    """The revision at which the chain does not hold; None when it does.

    `after` and `previous` are the revision and the hash of the entry before these, where they are not the first.
    """
    for place, entry in enumerate(entries, start=after + 1):
        if (entry.revision, entry.previous_hash, entry.hash) != (place, previous, _hash(entry)):
            return place
        previous = entry.hash
    return None


def _hash(entry: HistoryEntry) -> str:
    fields = {
        "answer": str(entry.answer),
        "answered_at": entry.answered_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "language": entry.language,
        "meeting_id": entry.meeting_id,
        "notice_version": entry.notice_version,
        "participant_digest": entry.participant_digest,
        "previous_hash": entry.previous_hash,
        "revision": entry.revision,
    }
    canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return hashlib.sha256(canonical).hexdigest()
