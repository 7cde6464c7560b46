"""Carries out what an operator wants done with recordings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from assent.meeting.v1 import meeting_pb2, meeting_service_pb2

from chassis.errors import NotFound
from recording_svc.domain.recordings import Match, Recording, StaleError, State
from recording_svc.matching import assign
from recording_svc.operator.desk import Action, Desk
from recording_svc.operator.waiting import Waiting, too_long
from recording_svc.store import Recordings

if TYPE_CHECKING:
    from assent.meeting.v1.meeting_service_pb2_grpc import MeetingServiceAsyncStub

MOST_LISTED = 10_000
_TRIES = 5


@dataclass(frozen=True)
class Assigned:
    """A recording with its meetings, as consent_svc knows them: for the operator to see that they are right."""

    recording: Recording
    meetings: Sequence[meeting_pb2.Meeting]


class Operator:
    """One operator at the desk."""

    def __init__(
        self,
        recordings: Recordings,
        desk: Desk,
        meetings: "MeetingServiceAsyncStub",
        name: str,
        now: Callable[[], datetime],
    ) -> None:
        self._recordings = recordings
        self._desk = desk
        self._meetings = meetings
        self._name = name
        self._now = now

    async def stuck(self) -> list[Waiting]:
        """What waits longer than it should, the longest first; at most MOST_LISTED recordings are looked at."""
        return too_long(await self._desk.waiting(MOST_LISTED), self._now())

    async def waiting(self) -> int:
        """How many are neither kept nor erased, whether `stuck` looks at all of them or not."""
        states = (await self._desk.figures()).recordings
        return sum(number for state, number in states.items() if state not in (State.KEPT, State.ERASED))

    async def retry(self, recording_id: str) -> None:
        """Have one recording looked at now. Raises NotFound."""
        await self._known(recording_id)
        await self._desk.make_due([recording_id], Action(self._name, "retry", recording_id), self._now())

    async def retry_all(self) -> int:
        """Have everything looked at now that is neither kept nor erased; returns how many that are."""
        return await self._desk.make_due(None, Action(self._name, "retry", details={"all": True}), self._now())

    async def match(self, recording_id: str, meeting_ids: Sequence[str], why: str) -> Assigned:
        """Say which meetings an unmatched recording belongs to; owner and retention are those of the meetings.

        Raises NotFound (recording or meeting), NotAssignableError, or what consent_svc answers with.
        """
        await self._known(recording_id)
        meetings = [await self._meeting(one) for one in dict.fromkeys(meeting_ids)]
        for _ in range(_TRIES):
            recording = await self._known(recording_id)
            match = assign(recording, [_match(one) for one in meetings])
            try:
                stored = await self._desk.assign(recording, match, self._noted(recording, match, why), self._now())
                return Assigned(stored, meetings)
            except StaleError:
                continue
        raise StaleError(recording_id)

    def _noted(self, recording: Recording, match: Match, why: str) -> Action:
        before, after = list(recording.match.meeting_ids), list(match.meeting_ids)
        details = {"meeting_ids": after, "before": before, "state": recording.state.value, "why": why}
        return Action(self._name, "match", recording.recording_id, details)

    async def _meeting(self, meeting_id: str) -> meeting_pb2.Meeting:
        try:
            reply = await self._meetings.GetMeeting(meeting_service_pb2.GetMeetingRequest(meeting_id=meeting_id))
        except NotFound:
            raise NotFound(
                f"consent_svc knows no meeting {meeting_id}: take the id from GET /v1/rooms/{{room}}/meetings",
                reason="MEETING_NOT_FOUND",
            ) from None
        return reply.meeting

    async def _known(self, recording_id: str) -> Recording:
        recording = await self._recordings.get(recording_id)
        if recording is None:
            raise NotFound(f"no recording {recording_id}: `stuck` lists those that wait", reason="RECORDING_NOT_FOUND")
        return recording


def _match(meeting: meeting_pb2.Meeting) -> Match:
    settings = meeting.settings
    retention = settings.retention_days if settings.HasField("retention_days") else None
    return Match((meeting.meeting_id,), meeting.owner_id, retention_days=retention)
