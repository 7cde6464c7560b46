"""Keeps what operators did, with what it changed, and tells what waits."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from recording_svc.domain.recordings import Match, Recording
from recording_svc.metrics import Figures


@dataclass(frozen=True)
class Action:
    """Something that an operator did. Never changed, never taken back."""

    operator: str
    action: str
    recording_id: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    at: datetime | None = None


class Desk(Protocol):
    """What operators' commands ask of the store. An action is committed with the change that it tells of."""

    async def waiting(self, limit: int) -> list[Recording]:
        """Recordings neither kept nor erased, the oldest first."""

    async def figures(self) -> Figures:
        """What the store holds at this moment."""

    async def make_due(self, recording_ids: Collection[str] | None, action: Action, now: datetime) -> int:
        """Have these looked at now, or with None all that wait; returns how many there are."""

    async def assign(self, recording: Recording, match: Match, action: Action, now: datetime) -> Recording:
        """Store which meetings an operator named, tell others, and have it settled now.

        Raises StaleError when the recording was changed since it was read.
        """

    async def note(self, action: Action) -> None:
        """Keep an action that changed nothing here."""

    async def actions(self, limit: int) -> Sequence[Action]:
        """The latest actions, the oldest of them first."""
