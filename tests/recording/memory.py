"""A store in memory that keeps every promise of the one in Postgres."""

import itertools
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime

from google.protobuf.message import Message

from recording_svc.domain.recordings import GOING, Arrival, Copy, CopyKind, CopyState, Recording, StaleError, State
from recording_svc.domain.settling import bound
from recording_svc.events import discovered
from recording_svc.remnants import Remnant, RemnantKind
from recording_svc.store import Page, PlaceTakenError, RecordingGoneError


class MemoryRecordings:
    """Recordings for as long as a test lasts; `published` is what a relay would publish."""

    def __init__(self) -> None:
        self.published: list[Message] = []
        self._rows: dict[str, Recording] = {}
        self._copies: dict[str, Copy] = {}
        self._removed: dict[str, dict[tuple[str, ...], Remnant]] = {}
        self._held: set[str] = set()
        self._numbers = itertools.count(1)

    async def take_in(self, arrivals: Sequence[Arrival], now: datetime) -> list[Recording]:
        new = []
        for one in arrivals:
            known = self._at(one)
            if known is None:
                identity = f"recording-{next(self._numbers)}"
                recording = Recording(identity, one.bucket, one.key, one.version_id, one.size_bytes, now)
                new.append(replace(recording, next_look_at=now))
                self._rows[identity] = new[-1]
                self._add(identity, CopyKind.ORIGINAL, one.bucket, one.key)
                if bound(recording, await self.of_versions(one.bucket, [one.key])).bound_by is None:
                    self.published.append(discovered(recording))
            elif known.state is State.ERASED:
                self._make_due(known, now)
        return new

    async def get(self, recording_id: str) -> Recording | None:
        return self._rows.get(recording_id)

    async def page(self, wanted: Page) -> list[Recording]:
        newest_first = sorted(self._rows.values(), key=_place_in_list, reverse=True)
        found = [
            one
            for one in newest_first
            if (not wanted.meeting_id or wanted.meeting_id in one.match.meeting_ids)
            and (not wanted.owner_id or wanted.owner_id == one.match.owner_id)
            and (not wanted.after or _place_in_list(one) < wanted.after)
        ]
        return found[: wanted.size]

    async def ids_of_meetings(self, *meeting_ids: str, or_unmatched: bool = False) -> list[str]:
        return [
            one.recording_id
            for one in self._rows.values()
            if set(meeting_ids) & set(one.match.meeting_ids)
            or (or_unmatched and not one.match.meeting_ids and one.state is not State.ERASED)
        ]

    async def save(
        self, recording: Recording, *events: Message, copies: Mapping[CopyKind, CopyState] | None = None
    ) -> Recording:
        current = self._rows[recording.recording_id]
        if current.revision != recording.revision:
            raise StaleError(recording.recording_id)
        written = replace(recording, revision=recording.revision + 1)
        self._rows[recording.recording_id] = written
        for copy in await self.copies(recording.recording_id):
            state = (copies or {}).get(copy.kind, copy.state)
            gone_at = recording.erased_at if state is CopyState.GONE else None
            self._copies[copy.copy_id] = replace(copy, state=state, gone_at=copy.gone_at or gone_at)
        self.published += events
        return written

    async def announce(self, *events: Message) -> None:
        self.published += events

    @asynccontextmanager
    async def exclusively(self, recording_id: str) -> AsyncIterator[bool]:
        if recording_id in self._held:
            yield False
            return
        self._held.add(recording_id)
        try:
            yield True
        finally:
            self._held.discard(recording_id)

    async def claim_due(self, now: datetime, again_at: datetime, limit: int) -> list[str]:
        due = [one for one in self._rows.values() if one.next_look_at and one.next_look_at <= now]
        claimed = sorted(due, key=lambda one: (one.state is State.KEPT, one.next_look_at or now))[:limit]
        for one in claimed:
            self._rows[one.recording_id] = replace(one, next_look_at=again_at)
        return [one.recording_id for one in claimed]

    async def look_now(self, recording_ids: Collection[str], now: datetime) -> None:
        for recording_id in recording_ids:
            self._make_due(self._rows[recording_id], now)

    async def look_now_for(self, reasons: Collection[str], now: datetime) -> None:
        for one in list(self._rows.values()):
            if one.state in (State.UNDECIDED, State.FAILED) and one.reason in reasons:
                self._make_due(one, now)

    async def copies(self, *recording_ids: str) -> Sequence[Copy]:
        return [copy for copy in self._copies.values() if copy.recording_id in recording_ids]

    async def register(self, recording_id: str, kind: CopyKind, bucket: str, key: str, now: datetime) -> Copy:
        state = self._rows[recording_id].state
        if state in GOING:
            raise RecordingGoneError(state)
        for copy in self._copies.values():
            if (copy.kind, copy.bucket, copy.key) == (kind, bucket, key):
                if copy.recording_id == recording_id:
                    self._copies[copy.copy_id] = replace(copy, state=CopyState.PRESENT, gone_at=None)
                    return self._copies[copy.copy_id]
                if kind is CopyKind.MP3:
                    raise PlaceTakenError(f"{bucket}/{key}")
        return self._add(recording_id, kind, bucket, key)

    async def release_scratch(self, instance: str, recording_id: str, now: datetime) -> list[str]:
        held = [
            copy
            for copy in self._copies.values()
            if copy.kind is CopyKind.SCRATCH
            and copy.bucket == instance
            and copy.state is not CopyState.GONE
            and recording_id in ("", copy.recording_id)
        ]
        for copy in held:
            self._copies[copy.copy_id] = replace(copy, state=CopyState.GONE, gone_at=now)
        return sorted({copy.recording_id for copy in held})

    async def note_found(self, recording: Recording, remnants: Sequence[Remnant], now: datetime) -> Recording:
        recording_id = recording.recording_id
        current = self._rows[recording_id]
        if current.revision != recording.revision or current.state not in (State.ERASING, State.BLOCKED):
            raise StaleError(recording_id)
        kept = self._removed.setdefault(recording_id, {})
        for one in remnants:
            kept.setdefault((one.bucket, one.key, one.kind, one.version_id), one)
            if one.kind is RemnantKind.UPLOAD:
                self._add(recording_id, CopyKind.MULTIPART, one.bucket, one.key)
        following = recording.revision + 1
        self._rows[recording_id] = replace(current, removal_began=True, revision=following)
        return replace(recording, removal_began=True, revision=following)

    async def removed(self, recording_id: str) -> list[Remnant]:
        kept = self._removed.get(recording_id, {})
        return [kept[place] for place in sorted(kept)]

    async def of_versions(self, bucket: str, keys: Collection[str]) -> list[Recording]:
        return [one for one in self._rows.values() if one.bucket == bucket and one.object_key in keys]

    async def holders(self, bucket: str, keys: Collection[str]) -> dict[str, Recording]:
        return {
            copy.key: self._rows[copy.recording_id]
            for copy in self._copies.values()
            if copy.kind is CopyKind.MP3 and copy.bucket == bucket and copy.key in keys
        }

    async def with_original(
        self, bucket: str, before: datetime, first: str = "", last: str = ""
    ) -> dict[str, tuple[str, str]]:
        there = {
            copy.recording_id
            for copy in self._copies.values()
            if copy.kind is CopyKind.ORIGINAL and copy.state is CopyState.PRESENT
        }
        return {
            one.recording_id: (one.object_key, one.version_id)
            for one in self._rows.values()
            if one.bucket == bucket and one.recording_id in there
            if one.discovered_at < before and one.state not in GOING
            if one.object_key >= first and (not last or one.object_key <= last)
        }

    async def lose_original(self, recording_id: str, now: datetime) -> None:
        for copy in await self.copies(recording_id):
            if copy.kind is CopyKind.ORIGINAL:
                self._copies[copy.copy_id] = replace(copy, state=CopyState.GONE, gone_at=now)

    async def find_originals(self, recording_ids: Collection[str]) -> list[str]:
        lost = [
            copy
            for copy in self._copies.values()
            if copy.kind is CopyKind.ORIGINAL and copy.state is CopyState.GONE and copy.recording_id in recording_ids
            if self._rows[copy.recording_id].state not in GOING
        ]
        for copy in lost:
            self._copies[copy.copy_id] = replace(copy, state=CopyState.PRESENT, gone_at=None)
        return [copy.recording_id for copy in lost]

    def _at(self, arrival: Arrival) -> Recording | None:
        place = (arrival.bucket, arrival.key, arrival.version_id)
        known = (one for one in self._rows.values() if (one.bucket, one.object_key, one.version_id) == place)
        return next(known, None)

    def _make_due(self, recording: Recording, now: datetime) -> None:
        if recording.next_look_at is None or recording.next_look_at > now:
            self._rows[recording.recording_id] = replace(recording, next_look_at=now)

    def _add(self, recording_id: str, kind: CopyKind, bucket: str, key: str) -> Copy:
        for copy in self._copies.values():
            if (copy.recording_id, copy.kind, copy.bucket, copy.key) == (recording_id, kind, bucket, key):
                return copy
        copy = Copy(f"copy-{next(self._numbers)}", recording_id, kind, bucket, key)
        self._copies[copy.copy_id] = copy
        return copy


def _place_in_list(recording: Recording) -> tuple[datetime, str]:
    return recording.discovered_at, recording.recording_id
