"""Where a page of transcripts ended, as callers carry it to the next one."""

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation

from chassis.errors import InvalidArgument
from transcript_svc.domain import Place, Transcript
from transcript_svc.store import Cursor


def token_of(last: Transcript) -> str:
    """A list goes on after this transcript."""
    return _written(last.created_at.isoformat(), last.id)


def cursor_of(token: str) -> Cursor:
    """Where a list goes on. Raises InvalidArgument (PAGE_TOKEN_INVALID)."""
    created_at, transcript_id = _read(token, 2)
    return _moment(created_at), transcript_id


def token_of_place(last: Place) -> str:
    """A search goes on after this place."""
    return _written(str(last.rank), last.created_at.isoformat(), last.transcript_id)


def place_of(token: str) -> Place:
    """Where a search goes on. Raises InvalidArgument (PAGE_TOKEN_INVALID)."""
    rank, created_at, transcript_id = _read(token, 3)
    try:
        number = Decimal(rank)
    except InvalidOperation:
        raise _not_ours() from None
    if not number.is_finite() or abs(number.adjusted()) > 30:
        raise _not_ours()
    return Place(number, _moment(created_at), transcript_id)


def _written(*parts: str) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


def _read(token: str, count: int) -> Sequence[str]:
    try:
        parts = json.loads(base64.urlsafe_b64decode(token))
    except (binascii.Error, ValueError, RecursionError):
        raise _not_ours() from None
    if not isinstance(parts, list) or len(parts) != count or not all(isinstance(part, str) for part in parts):
        raise _not_ours()
    if any("\0" in part for part in parts):
        raise _not_ours()
    return parts


def _moment(written: str) -> datetime:
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        raise _not_ours() from None
    if moment.tzinfo is None:
        raise _not_ours()
    return moment


def _not_ours() -> InvalidArgument:
    return InvalidArgument("this page token is not one of ours", reason="PAGE_TOKEN_INVALID")
