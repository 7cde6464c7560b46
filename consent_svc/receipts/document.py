"""Writes the receipt of an answer, with the field names of ISO/IEC TS 27560:2023. See docs/receipts.md."""

import json
from typing import Any

from consent_svc.domain.answers import HistoryEntry
from consent_svc.domain.canonical import canonical, text_hash
from consent_svc.domain.receipts import AnswerOnRecord
from consent_svc.history.chain import time_text

RECEIPT_TYPE = "assent-receipt+jws"
"""`typ` of the signature over a receipt."""

SCHEMA = "urn:assent:consent-receipt:1"

_NO_TERMS = (
    "controller, purposes, retention and the like: this answer was given before they were kept with each answer, "
    "and a receipt invents nothing"
)


def receipt_of(record: AnswerOnRecord, change_url: str) -> dict[str, Any]:
    """The same answer and link always make the same receipt, whatever was set or changed since."""
    entry = record.entry
    terms = json.loads(record.terms.document) if record.terms else {}
    content = {
        "schema_version": SCHEMA,
        "record_id": record.consent_id,
        "pii_principal_id": entry.participant_digest,
        "pii_processing": _processing(record, terms.get("pii_processing", {}), change_url),
        "party_identification": terms.get("party_identification", []),
        "event": _event(record),
        "meeting": {
            "meeting_id": entry.meeting_id,
            "room": record.meeting.room,
            "opened_at": time_text(record.meeting.started_at),
            "consent_policy": record.meeting.settings.consent_policy.value,
        },
        "terms_hash": record.terms.hash if record.terms else None,
        "not_recorded": _not_recorded(record),
    }
    return {**content, "receipt_id": text_hash(canonical(content))}


def _processing(record: AnswerOnRecord, terms: dict[str, Any], change_url: str) -> dict[str, Any]:
    days = record.meeting.settings.retention_days
    of_the_room = {} if days is None else {"days_set_for_the_room": days}
    link = {"url": change_url} if change_url else {}
    return {
        **terms,
        "privacy_notice": _notice(record),
        "language": record.entry.language,
        "retention_period": terms.get("retention_period", {}) | of_the_room,
        "withdrawal_method": terms.get("withdrawal_method", {}) | link,
    }


def _notice(record: AnswerOnRecord) -> dict[str, Any]:
    notice = record.notice
    if notice is None:
        return {"version": record.entry.notice_version, "hash": None}
    return {
        "version": notice.version,
        "hash": notice.hash,
        "path": f"/v1/notices/{notice.hash}",
        "registered_at": time_text(notice.registered_at),
    }


def _event(record: AnswerOnRecord) -> dict[str, Any]:
    return {
        "event_time": time_text(record.entry.answered_at),
        "event_type": "explicit",
        "event_state": record.state.value,
        "entity_id": record.entry.participant_digest,
        "validity_duration": "until the answer is changed",
        **_in_the_history(record.entry),
        "previous_event": record.previous and {
            "event_time": time_text(record.previous.answered_at), **_in_the_history(record.previous)
        },
    }  # fmt: skip


def _in_the_history(entry: HistoryEntry) -> dict[str, Any]:
    return {
        "answer": entry.answer.value,
        "revision": entry.revision,
        "hash": entry.hash,
        "previous_hash": entry.previous_hash,
    }


def _not_recorded(record: AnswerOnRecord) -> list[str]:
    missing = [] if record.terms else [_NO_TERMS]
    version, language = record.entry.notice_version, record.entry.language
    if not version:
        missing.append("wording: the answer came without naming one")
    elif record.notice is None:
        missing.append(f'wording: nobody made known what version "{version}" says in "{language}"')
    return missing
