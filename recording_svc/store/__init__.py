"""Keeps recordings, the inventory of their audio copies, and what erasures removed.

One transaction for each operation; events given along are published once it is committed.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from google.protobuf.message import Message

from recording_svc.domain.recordings import Arrival, Copy, CopyKind, CopyState, Recording, State
from recording_svc.remnants import Remnant

__all__ = ["Page", "PlaceTakenError", "RecordingGoneError", "Recordings"]


class RecordingGoneError(Exception):
    """No copy may be registered any more: the recording's audio is being erased, or is."""

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self.state = state


class PlaceTakenError(Exception):
    """Another recording's audio lies at that place."""


@dataclass(frozen=True)
class Page:
    """Which recordings to list, newest first; `after` is the last one of the page before."""

    meeting_id: str = ""
    owner_id: str = ""
    size: int = 50
    after: tuple[datetime, str] | None = None


class Recordings(Protocol):
    """What the rest of the service asks of its store."""

    async def take_in(self, arrivals: Sequence[Arrival], now: datetime) -> list[Recording]:
        """Make a recording of each object version that has none yet, due at once, and announce it.

        Returns the new ones. An erased recording whose object is there again becomes due.
        """

    async def get(self, recording_id: str) -> Recording | None:
        """One recording."""

    async def page(self, wanted: Page) -> list[Recording]:
        """One page of an owner's or a meeting's recordings."""

    async def ids_of_meetings(self, *meeting_ids: str, or_unmatched: bool = False) -> list[str]:
        """The recordings of these meetings; on request also those whose meeting is not known."""

    async def save(
        self, recording: Recording, *events: Message, copies: Mapping[CopyKind, CopyState] | None = None
    ) -> Recording:
        """Write a changed recording, and the new state of its copies by kind.

        Raises StaleError when it was changed since it was read.
        """

    async def announce(self, *events: Message) -> None:
        """Publish events that no change goes with."""

    def exclusively(self, recording_id: str) -> AbstractAsyncContextManager[bool]:
        """Hold a recording for oneself, over all replicas; False when somebody else does."""

    async def claim_due(self, now: datetime, again_at: datetime, limit: int) -> list[str]:
        """Recordings whose time to be looked at has come, postponed to `again_at` so that nobody else takes them."""

    async def look_now(self, recording_ids: Collection[str], now: datetime) -> None:
        """Make recordings due."""

    async def look_now_for(self, reasons: Collection[str], now: datetime) -> None:
        """Make due what is undecided, or without a transcript, for one of these reasons."""

    async def copies(self, *recording_ids: str) -> Sequence[Copy]:
        """Every place where the audio of these recordings may lie."""

    async def register(self, recording_id: str, kind: CopyKind, bucket: str, key: str, now: datetime) -> Copy:
        """Add a place to the inventory, or return the copy that is known there.

        Raises RecordingGoneError once erasure has begun, PlaceTakenError where another recording's audio lies.
        """

    async def release_scratch(self, instance: str, recording_id: str, now: datetime) -> list[str]:
        """Mark an instance's scratch of one recording, or with "" of all, as wiped. Returns the recordings."""

    async def note_found(self, recording: Recording, remnants: Sequence[Remnant], now: datetime) -> Recording:
        """Commit what is about to be removed; from here the erasure is carried through.

        Raises StaleError when the recording was changed since it was read: somebody may have decided otherwise.
        """

    async def removed(self, recording_id: str) -> list[Remnant]:
        """Everything that erasures of a recording found and removed."""

    async def of_versions(self, bucket: str, keys: Collection[str]) -> list[Recording]:
        """The recordings of these keys, in every version."""

    async def holders(self, bucket: str, keys: Collection[str]) -> dict[str, Recording]:
        """Which recording's mp3 is registered at each of these keys."""

    async def with_original(
        self, bucket: str, before: datetime, first: str = "", last: str = ""
    ) -> dict[str, tuple[str, str]]:
        """(key, version) of the recordings discovered before, whose original should be in this bucket.

        Of keys from `first` to `last` in the order of a listing, both included; "" is no bound.
        """

    async def lose_original(self, recording_id: str, now: datetime) -> None:
        """Note that a recording's original is gone though nobody erased it."""

    async def find_originals(self, recording_ids: Collection[str]) -> list[str]:
        """Note that originals are there after all; returns the recordings whose original was lost.

        What is going or gone is left alone: of that, its erasure says what is there.
        """
