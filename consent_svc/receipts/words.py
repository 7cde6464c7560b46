"""Says in plain words what a receipt proves, and what it does not."""

from collections.abc import Iterator
from typing import Any

_SAID = {"granted": "YES, the audio may be stored", "denied": "NO, the audio may not be stored"}
_STATES = {
    "given": "the first time that they agreed",
    "refused": "their first answer",
    "withdrawn": "this took back an earlier yes",
    "given_again": "they agreed again, after a no",
    "confirmed": "the same as they had answered before",
}


def in_plain_words(receipt: dict[str, Any], signed_by: str, wording_checked: bool) -> Iterator[str]:
    """Lines for a reader who knows none of the fields."""
    event, meeting = receipt["event"], receipt["meeting"]
    yield f"HOLDS: signed under key {signed_by}, and unchanged since."
    yield f"At {_plain(event['event_time'])} somebody in meeting {_plain(meeting['meeting_id'])}"
    yield f"  (room {_plain(meeting['room'])}, opened at {_plain(meeting['opened_at'])}) answered:"
    yield f"  {_SAID[event['answer']]} ({_STATES[event['event_state']]})."
    yield from _wording(receipt["pii_processing"], wording_checked)
    yield from _terms(receipt)
    yield f"History: revision {event['revision']} of the meeting, hash {_plain(event['hash'])}."
    for missing in receipt["not_recorded"]:
        yield f"Not recorded: {_plain(missing)}."
    yield "It does not tell who answered: inside this meeting the person is known as"
    yield f"  {_plain(receipt['pii_principal_id'])}."
    yield "It does not tell whether the answer was changed later: a later answer has a receipt of its own."
    if "url" in receipt["pii_processing"]["withdrawal_method"]:
        yield "Keep it to yourself: whoever has the link inside can change the answer."


def _wording(processing: dict[str, Any], checked: bool) -> Iterator[str]:
    notice = processing["privacy_notice"]
    yield f'Asked with: wording "{_plain(notice["version"])}" in "{_plain(processing["language"])}".'
    if notice["hash"]:
        yield f"  SHA-256 {_plain(notice['hash'])}: {'the words given here' if checked else _plain(notice['path'])}"


def _terms(receipt: dict[str, Any]) -> Iterator[str]:
    processing = receipt["pii_processing"]
    for party in receipt["party_identification"]:
        if party["party_id"] in processing.get("pii_controllers", []):
            yield f"Responsible: {_plain(party['party_name'])}, {_plain(party['party_contact'])}."
    for purpose in processing.get("purposes", []):
        yield f"Purpose: {_plain(purpose['purpose'])}."
    retention = processing["retention_period"]
    if "description" in retention:
        yield f"Kept: {_plain(retention['description'])}."
    if "days_set_for_the_room" in retention:
        yield f"  The room erases audio after {retention['days_set_for_the_room']} days."
    if "jurisdiction" in processing:
        yield f"Law: {_plain(processing['jurisdiction'])}."


def _plain(text: str) -> str:
    """Text from the file, harmless to a terminal."""
    return text if text.isprintable() else ascii(text)
