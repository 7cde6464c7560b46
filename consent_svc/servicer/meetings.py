"""Serves assent.meeting.v1.MeetingService."""

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

import grpc
import structlog
from assent.meeting.v1 import meeting_service_pb2 as rpc
from assent.meeting.v1.meeting_service_pb2_grpc import MeetingServiceServicer

from chassis.errors import InvalidArgument
from consent_svc.domain.meetings import Meeting, Meetings
from consent_svc.domain.presence import Presence, is_participant_id
from consent_svc.domain.rooms import Room, Rooms, RoomSettings, fault_of_name, fault_of_settings
from consent_svc.errors import room_not_found
from consent_svc.matching import Recording, match, parse_object_key
from consent_svc.opening import Opening
from consent_svc.servicer.messages import MATCH_KINDS, meeting_message, room_message, settings_of, timestamp
from consent_svc.servicer.pages import page_place, page_size, page_token, page_token_invalid

log = structlog.get_logger()
Context = grpc.aio.ServicerContext[Any, Any]

PAGE, LONGEST_PAGE = 50, 200
SETTINGS = tuple(field.name for field in fields(RoomSettings))


class MeetingServicer(MeetingServiceServicer):
    """Rooms, meetings and the meeting of a recording."""

    def __init__(
        self, rooms: Rooms, meetings: Meetings, presence: Presence, opening: Opening, now: Callable[[], datetime]
    ) -> None:
        self._rooms = rooms
        self._meetings = meetings
        self._presence = presence
        self._opening = opening
        self._now = now

    async def CreateRoom(self, request: rpc.CreateRoomRequest, context: Context) -> rpc.CreateRoomResponse:
        if fault := fault_of_name(request.name):
            raise InvalidArgument(fault, reason="ROOM_NAME_INVALID")
        now = self._now()
        room = Room(request.name, _owner(request.owner_id), now, now, _possible(settings_of(request.settings)))
        await self._rooms.add(room)
        log.info("room_created", room=room.name)
        return rpc.CreateRoomResponse(room=room_message(room))

    async def GetRoom(self, request: rpc.GetRoomRequest, context: Context) -> rpc.GetRoomResponse:
        return rpc.GetRoomResponse(room=room_message(await self._owned(request.name, request.owner_id)))

    async def ListRooms(self, request: rpc.ListRoomsRequest, context: Context) -> rpc.ListRoomsResponse:
        limit = page_size(request.page_size, default=PAGE, most=LONGEST_PAGE)
        after = page_place(request.page_token)
        rooms = await self._rooms.page(_owner(request.owner_id), after, limit + 1)
        return rpc.ListRoomsResponse(
            rooms=[room_message(room) for room in rooms[:limit]],
            next_page_token=page_token(rooms[limit - 1].name) if len(rooms) > limit else "",
        )

    async def UpdateRoom(self, request: rpc.UpdateRoomRequest, context: Context) -> rpc.UpdateRoomResponse:
        asked, paths = settings_of(request.settings), list(request.update_mask.paths)
        if unknown := sorted(set(paths) - set(SETTINGS)):
            known = ", ".join(SETTINGS)
            raise InvalidArgument(f"no setting {unknown[0]}: there are {known}", reason="UPDATE_MASK_INVALID")

        def change(settings: RoomSettings) -> RoomSettings:
            return _possible(replace(settings, **{path: getattr(asked, path) for path in paths}))

        room = await self._rooms.change(request.name, _owner(request.owner_id), change, self._now())
        log.info("room_changed", room=room.name, settings=paths)
        return rpc.UpdateRoomResponse(room=room_message(room))

    async def DeleteRoom(self, request: rpc.DeleteRoomRequest, context: Context) -> rpc.DeleteRoomResponse:
        await self._rooms.remove(request.name, _owner(request.owner_id), self._now())
        log.info("room_deleted", room=request.name)
        return rpc.DeleteRoomResponse()

    async def OpenMeeting(self, request: rpc.OpenMeetingRequest, context: Context) -> rpc.OpenMeetingResponse:
        user_id = request.user_participant_id
        if user_id and not is_participant_id(user_id):
            raise InvalidArgument(
                "a participant id is at most 36 of A-Z, a-z, 0-9, _ and -", reason="PARTICIPANT_ID_INVALID"
            )
        previous = (request.previous.meeting_id, request.previous.participant_id)
        meeting, participant_id = await self._opening.open(request.room_name, user_id, previous)
        return rpc.OpenMeetingResponse(meeting=meeting_message(meeting, self._now()), participant_id=participant_id)

    async def GetMeeting(self, request: rpc.GetMeetingRequest, context: Context) -> rpc.GetMeetingResponse:
        [meeting] = await self._meetings.get(request.meeting_id)
        return rpc.GetMeetingResponse(meeting=meeting_message(meeting, self._now()))

    async def ListMeetings(self, request: rpc.ListMeetingsRequest, context: Context) -> rpc.ListMeetingsResponse:
        limit = page_size(request.page_size, default=PAGE, most=LONGEST_PAGE)
        before = _place_in_time(page_place(request.page_token))
        room = await self._owned(request.room_name, request.owner_id)
        meetings = await self._meetings.page(room.name, room.owner_id, before, limit + 1)
        return rpc.ListMeetingsResponse(
            meetings=[meeting_message(meeting, self._now()) for meeting in meetings[:limit]],
            next_page_token=_token_of(meetings[limit - 1]) if len(meetings) > limit else "",
        )

    async def MatchRecording(self, request: rpc.MatchRecordingRequest, context: Context) -> rpc.MatchRecordingResponse:
        duration = request.duration.ToTimedelta() if request.HasField("duration") else None
        recording = parse_object_key(request.object_key, duration)
        if recording is None:
            raise InvalidArgument(
                "the key is not <room name>-<start, ISO 8601 with zone>.mp4 or .mkv: Whereby did not name it so",
                reason="OBJECT_KEY_UNREADABLE",
            )
        return await self._matched(recording)

    async def _matched(self, recording: Recording) -> rpc.MatchRecordingResponse:
        response = rpc.MatchRecordingResponse(recorded_at=timestamp(recording.recorded_at))
        found = match(recording, await self._presence.evidence(recording.whereby_room_name, recording.filename))
        if found is None:
            log.info(
                "recording_unmatched",
                whereby_room=recording.whereby_room_name,
                recorded_at=recording.recorded_at.isoformat(),
            )
            return response
        meetings = await self._meetings.get(*found.meeting_ids)
        response.meeting_ids.extend(found.meeting_ids)
        response.evidence = MATCH_KINDS[found.kind]
        response.owner_id = meetings[0].owner_id
        if (days := _shortest_retention(meetings)) is not None:
            response.retention_days = days
        log.info("recording_matched", meeting_ids=list(found.meeting_ids), evidence=found.kind.name)
        return response

    async def _owned(self, name: str, owner_id: str) -> Room:
        room = await self._rooms.get(name)
        if room.owner_id != _owner(owner_id):
            raise room_not_found(name)
        return room


def _owner(owner_id: str) -> str:
    if not owner_id:
        raise InvalidArgument("owner_id is missing: it is the sub of the owner's token", reason="OWNER_MISSING")
    return owner_id


def _possible(settings: RoomSettings) -> RoomSettings:
    if fault := fault_of_settings(settings):
        raise InvalidArgument(fault, reason="SETTINGS_INVALID")
    return settings


def _shortest_retention(meetings: Sequence[Meeting]) -> int | None:
    days = [meeting.settings.retention_days for meeting in meetings if meeting.settings.retention_days is not None]
    return min(days, default=None)


def _token_of(meeting: Meeting) -> str:
    return page_token(f"{meeting.started_at.isoformat()} {meeting.meeting_id}")


def _place_in_time(place: str) -> tuple[datetime, str] | None:
    if not place:
        return None
    time, _, meeting_id = place.partition(" ")
    try:
        return datetime.fromisoformat(time), meeting_id
    except ValueError:
        raise page_token_invalid() from None
