"""Tells receipts and exported histories apart, so that whoever hands one to the other's check is told so."""

import json
from typing import Any

from consent_svc.history.reading import EXPORT_TYPE
from consent_svc.receipts.document import RECEIPT_TYPE
from consent_svc.signing import type_of

IT_IS_A_RECEIPT = (
    "this is a receipt, no exported history: check it with `python -m consent_svc receipt FILE --key KEYS`; "
    "nothing was checked"
)
IT_IS_AN_EXPORT = (
    "this is an exported history, no receipt: check it with `python -m consent_svc history FILE --key KEYS`; "
    "nothing was checked"
)

_OF_ENTRIES_ALONE = {"participant_digest", "previous_hash", "revision"}


def is_receipt(content: bytes) -> bool:
    """Whether it is one, bare or with the JSON around it. Whether it holds is another question."""
    reply = _object(content)
    if reply is None:
        return type_of(content.decode("ascii", "replace").strip()) == RECEIPT_TYPE
    return "head" not in reply and type_of(str(reply.get("jws"))) == RECEIPT_TYPE


def is_export(content: bytes) -> bool:
    """Whether it begins as one does. Whether it is intact is another question."""
    first = _object(content.partition(b"\n")[0])
    if first is None:
        return False
    is_end = "head" in first and type_of(str(first.get("jws"))) == EXPORT_TYPE
    return is_end or first.keys() >= _OF_ENTRIES_ALONE


def _object(content: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(content)
    except (RecursionError, ValueError):
        return None
    return document if isinstance(document, dict) else None
