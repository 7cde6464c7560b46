"""Says in plain words what a receipt proves, and what it does not."""

import json
from collections.abc import Iterator
from typing import Any

from chassis.logs import plain
from consent_svc.domain.canonical import canonical

_SAID = {"granted": "YES, the audio may be stored", "denied": "NO, the audio may not be stored"}
_STATES = {
    "given": "the first time that they agreed",
    "refused": "their first answer",
    "withdrawn": "this took back an earlier yes",
    "given_again": "they agreed again, after a no",
    "confirmed": "the same as they had answered before",
}
_ORDER = ("title", "notice", "grant", "deny")
"""Of a notice's parts on the page."""


def in_plain_words(receipt: dict[str, Any], signed_by: str, wording: str | None) -> Iterator[str]:
    """Lines for a reader who knows none of the fields; `wording` is what was shown, where that is known."""
    event, meeting = receipt["event"], receipt["meeting"]
    yield f"HOLDS: signed under key {signed_by}, and unchanged since."
    yield f"At {plain(event['event_time'])} somebody in meeting {plain(meeting['meeting_id'])}"
    yield f"  (room {plain(meeting['room'])}, opened at {plain(meeting['opened_at'])}) answered:"
    yield f"  {_SAID[event['answer']]} ({_STATES[event['event_state']]})."
    yield from _wording(receipt["pii_processing"], wording)
    yield from _terms(receipt)
    yield f"History: revision {event['revision']} of the meeting, hash {plain(event['hash'])}."
    for missing in receipt["not_recorded"]:
        yield f"Not recorded: {plain(missing)}."
    yield "It does not tell who answered: inside this meeting the person is known as"
    yield f"  {plain(receipt['pii_principal_id'])}."
    yield "It does not tell whether the answer was changed later: a later answer has a receipt of its own."
    if "url" in receipt["pii_processing"]["withdrawal_method"]:
        yield "Keep it to yourself: whoever has the link inside can change the answer."


def _wording(processing: dict[str, Any], wording: str | None) -> Iterator[str]:
    notice = processing["privacy_notice"]
    yield f'Asked with: wording "{plain(notice["version"])}" in "{plain(processing["language"])}".'
    if not notice["hash"]:
        return
    if wording is None:
        yield f"  SHA-256 {plain(notice['hash'])}: {plain(notice['path'])}"
        return
    yield f"  SHA-256 {plain(notice['hash'])}: the words given here, which are"
    # Marked, so that no words can pass for what the check itself says.
    for line in _spoken(wording):
        yield f"  | {plain(line)}"


def _spoken(wording: str) -> Iterator[str]:
    """All the words: of a notice with parts as people read it, of any other as they stand."""
    parts = _parts(wording)
    if parts is None:
        yield from wording.splitlines()
        return
    for name in sorted(parts, key=lambda part: (_ORDER.index(part) if part in _ORDER else len(_ORDER), part)):
        said = parts[name]
        for paragraph in said if isinstance(said, list) else [said]:
            yield from (f"{name}: {line}" for line in str(paragraph).splitlines())


def _parts(wording: str) -> dict[str, Any] | None:
    try:
        parts = json.loads(wording)
        # Another spelling could say a thing twice, and only one of them would be seen here.
        is_exact = isinstance(parts, dict) and canonical(parts) == wording
    except (RecursionError, ValueError):
        return None
    return parts if is_exact else None


def _terms(receipt: dict[str, Any]) -> Iterator[str]:
    processing = receipt["pii_processing"]
    for party in receipt["party_identification"]:
        if party["party_id"] in processing.get("pii_controllers", []):
            yield f"Responsible: {plain(party['party_name'])}, {plain(party['party_contact'])}."
    for purpose in processing.get("purposes", []):
        yield f"Purpose: {plain(purpose['purpose'])}."
    retention = processing["retention_period"]
    if "description" in retention:
        yield f"Kept: {plain(retention['description'])}."
    if "days_set_for_the_room" in retention:
        yield f"  The room erases audio after {retention['days_set_for_the_room']} days."
    if "jurisdiction" in processing:
        yield f"Law: {plain(processing['jurisdiction'])}."
