"""Reads a stored history from end to end, page by page: to verify it, or to hand it out with its end signed."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from datetime import datetime
from typing import Any

from consent_svc.domain.answers import History, HistoryEnd, HistoryLine
from consent_svc.domain.canonical import canonical
from consent_svc.domain.receipts import Key
from consent_svc.history.chain import time_text
from consent_svc.history.verification import Verification
from consent_svc.signing import Signer

EXPORT_TYPE = "assent-history+jws"
"""`typ` of the signature over where an export ends."""

Hashes = Callable[[Collection[Key]], Awaitable[Mapping[Key, str]]]
"""See `consent_svc.domain.receipts.Receipts.hashes`."""

PAGE = 500
PIECE = 1024 * 1024
"""Characters of the last line that leave at once: it is as long as there are wordings."""
_BEFORE_ALL = -(2**63)


async def verified(history: History, meeting_id: str) -> Verification:
    """Follow the whole chain, up to where it ended when this began. Raises NotFound (MEETING_NOT_FOUND)."""
    end = await history.end(meeting_id)
    verification = Verification()
    async for page in _pages(history, end):
        for line in page:
            verification.add(line)
    verification.end(meeting_id, end.revision, end.head_hash)
    return verification


async def exported(
    history: History, hashes: Hashes, meeting_id: str, signer: Signer, now: datetime
) -> AsyncIterator[str]:
    """The history as it stands, faults included: whole lines, a page at a time, the signed end last, in pieces.

    Raises NotFound (MEETING_NOT_FOUND).
    """
    end = await history.end(meeting_id)
    shown: set[Key] = set()
    async for page in _pages(history, end):
        shown.update((line["notice_version"], line["language"]) for line in page)
        yield "".join(f"{canonical(line)}\n" for line in page)
    last = f"{_end_line(end, _notices(shown, await hashes(shown)), signer, now)}\n"
    for start in range(0, len(last), PIECE):
        yield last[start : start + PIECE]


def _notices(shown: Collection[Key], hashes: Mapping[Key, str]) -> list[dict[str, str]]:
    """What ties the lines to the exact words."""
    return [{"version": key[0], "language": key[1], "hash": hashes.get(key, "")} for key in sorted(shown)]


def _end_line(end: HistoryEnd, notices: list[dict[str, str]], signer: Signer, now: datetime) -> str:
    head: dict[str, Any] = {
        "meeting_id": end.meeting_id,
        "revision": end.revision,
        "head_hash": end.head_hash,
        "exported_at": time_text(now),
        "notices": notices,
    }
    return canonical({"head": head, "jws": signer.sign(canonical(head).encode(), EXPORT_TYPE)})


async def _pages(history: History, end: HistoryEnd) -> AsyncIterator[list[HistoryLine]]:
    # Lines never change, so those up to the end as it was seen are of one moment, however long the reading takes.
    after = _BEFORE_ALL
    while page := await history.lines(end.meeting_id, after, end.last_line, PAGE):
        yield page
        after = page[-1]["revision"]
