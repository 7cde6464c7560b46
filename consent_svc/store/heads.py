"""Where the histories of meetings end, as far as this process has seen it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

MOST = 10_000
"""Remembered; those that were last appended to before all others are forgotten."""


@dataclass(frozen=True)
class Head:
    """The end of one meeting's history."""

    salt: bytes
    revision: int
    hash: str


class Heads:
    """A memory of ends. Somebody else may have appended meanwhile: whoever relies on it must check it."""

    def __init__(self) -> None:
        self._heads: dict[str, Head] = {}

    def take(self, meeting_ids: Collection[str]) -> dict[str, Head] | None:
        """The ends of all these meetings, and forget them; None, and forget nothing, where one is not known."""
        if not self._heads.keys() >= set(meeting_ids):
            return None
        return {meeting_id: self._heads.pop(meeting_id) for meeting_id in meeting_ids}

    def keep(self, heads: Mapping[str, Head]) -> None:
        """These are the ends now."""
        for meeting_id in heads.keys() & self._heads.keys():
            del self._heads[meeting_id]
        self._heads |= heads
        while len(self._heads) > MOST:
            del self._heads[next(iter(self._heads))]
