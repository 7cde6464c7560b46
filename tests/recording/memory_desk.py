"""An operators' desk in memory that keeps every promise of the one in Postgres."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from recording_svc.domain.recordings import Match, Recording, State
from recording_svc.events import changes
from recording_svc.metrics import Figures
from recording_svc.operator.desk import Action
from tests.recording.memory import MemoryRecordings
from tests.recording.surroundings import NOON

_DONE = (State.KEPT, State.ERASED)


class MemoryDesk:
    """Works on a store in memory."""

    def __init__(self, recordings: MemoryRecordings) -> None:
        self._recordings = recordings
        self._actions: list[Action] = []

    async def waiting(self, limit: int) -> list[Recording]:
        oldest = sorted(self._rows(), key=lambda one: (one.discovered_at, one.recording_id))
        return [one for one in oldest if one.state not in _DONE][:limit]

    async def figures(self) -> Figures:
        denied = [one.grounds for one in self._rows() if one.state in (State.ERASING, State.BLOCKED) and one.grounds]
        oldest = min((grounds.decided_at for grounds in denied), default=None)
        return Figures(Counter(one.state for one in self._rows()), oldest, len(self._recordings.published))

    async def make_due(self, recording_ids: Collection[str] | None, action: Action, now: datetime) -> int:
        chosen = [
            one
            for one in self._rows()
            if (one.state not in _DONE if recording_ids is None else one.recording_id in recording_ids)
        ]
        for one in chosen:
            self._recordings._rows[one.recording_id] = replace(one, next_look_at=now)
        await self.note(action)
        return len(chosen)

    async def assign(self, recording: Recording, match: Match, action: Action, now: datetime) -> Recording:
        after = replace(recording, match=match, next_look_at=now)
        stored = await self._recordings.save(after, *changes(recording, after))
        await self.note(action)
        return stored

    async def note(self, action: Action) -> None:
        self._actions.append(replace(action, at=NOON))

    async def actions(self, limit: int) -> Sequence[Action]:
        return self._actions[-limit:]

    def _rows(self) -> list[Recording]:
        return list(self._recordings._rows.values())
