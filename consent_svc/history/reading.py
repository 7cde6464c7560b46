"""Reads a stored history from end to end, page by page: to verify it, or to hand it out with its end signed."""

from collections.abc import AsyncIterator
from datetime import datetime

from consent_svc.domain.answers import History, HistoryEnd, HistoryLine
from consent_svc.domain.canonical import canonical
from consent_svc.history.chain import time_text
from consent_svc.history.verification import Verification
from consent_svc.signing import Signer

EXPORT_TYPE = "assent-history+jws"
"""`typ` of the signature over where an export ends."""

PAGE = 500
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


async def exported(history: History, meeting_id: str, signer: Signer, now: datetime) -> AsyncIterator[str]:
    """The history as it stands, faults included: whole lines, a page at a time, the signed end last.

    Raises NotFound (MEETING_NOT_FOUND).
    """
    end = await history.end(meeting_id)
    async for page in _pages(history, end):
        yield "".join(f"{canonical(line)}\n" for line in page)
    yield f"{_end_line(end, signer, now)}\n"


def _end_line(end: HistoryEnd, signer: Signer, now: datetime) -> str:
    head = {
        "meeting_id": end.meeting_id,
        "revision": end.revision,
        "head_hash": end.head_hash,
        "exported_at": time_text(now),
    }
    return canonical({"head": head, "jws": signer.sign(canonical(head).encode(), EXPORT_TYPE)})


async def _pages(history: History, end: HistoryEnd) -> AsyncIterator[list[HistoryLine]]:
    # Lines never change, so those up to the end as it was seen are of one moment, however long the reading takes.
    after = _BEFORE_ALL
    while page := await history.lines(end.meeting_id, after, end.last_line, PAGE):
        yield page
        after = page[-1]["revision"]
