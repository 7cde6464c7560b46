"""Histories made without a store, as long as a test likes them, and their exports."""

import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consent_svc.domain.answers import HistoryEnd, HistoryEntry, HistoryLine, Submission
from consent_svc.domain.receipts import Key
from consent_svc.domain.verdict import Answer
from consent_svc.history import GENESIS, next_entry
from consent_svc.history.chain import line_of
from consent_svc.history.check import ExportCheck, ExportFault
from consent_svc.history.reading import exported
from consent_svc.signing import Signer
from tests.consent.cases import NINE, TEN

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SIGNER = Signer(KEY)


def entries(count: int, meeting_id: str = "m-1") -> Iterator[HistoryEntry]:
    """A chain: every third answer refuses, languages take turns, one answer comes every second."""
    previous = GENESIS
    for revision in range(1, count + 1):
        answer = Answer.GRANTED if revision % 3 else Answer.DENIED
        language = ("en", "pt-BR", "språk", "日本語")[revision % 4]
        submission = Submission(meeting_id, "", answer, "", "2026-11-22", language)
        at = NINE + timedelta(seconds=revision, microseconds=revision)
        entry = next_entry(submission, f"{revision % 7:064x}", revision, previous, at)
        yield entry
        previous = entry.hash


def lines(count: int, meeting_id: str = "m-1") -> list[HistoryLine]:
    """The same as they are hashed."""
    return [line_of(entry) for entry in entries(count, meeting_id)]


class FixedHistory:
    """A history that is what it is told to be, however little it makes sense."""

    def __init__(self, lines: Sequence[HistoryLine], end: HistoryEnd) -> None:
        self._lines = lines
        self._end = end

    async def page(self, meeting_id: str, after: int, limit: int) -> list[HistoryEntry]:
        raise AssertionError("nobody asked for a page")

    async def end(self, meeting_id: str) -> HistoryEnd:
        return self._end

    async def lines(self, meeting_id: str, after: int, until: int, limit: int) -> list[HistoryLine]:
        return [line for line in self._lines if after < line["revision"] <= until][:limit]


class FixedHashes:
    """Wordings of which these are registered."""

    def __init__(self, hashes: Mapping[Key, str] | None = None) -> None:
        self._hashes = hashes or {}

    async def __call__(self, keys: Collection[Key]) -> dict[Key, str]:
        return {key: self._hashes[key] for key in keys if key in self._hashes}


async def export_of(
    lines: Sequence[HistoryLine], meeting_id: str = "m-1", hashes: Mapping[Key, str] | None = None
) -> bytes:
    """These lines as the service exports them, where it knows wordings by these hashes."""
    last = lines[-1] if lines else None
    revision, head_hash = (last["revision"], last["hash"]) if last else (0, GENESIS)
    history = FixedHistory(lines, HistoryEnd(meeting_id, revision, head_hash, revision))
    return "".join([part async for part in exported(history, FixedHashes(hashes), meeting_id, SIGNER, TEN)]).encode()


def fault_of(export: bytes, key_file: Path | None = None) -> str:
    """What the check of an export finds; empty where all is as it was exported."""
    try:
        ExportCheck(key_file).run(io.BytesIO(export))
    except ExportFault as fault:
        return str(fault)
    return ""
