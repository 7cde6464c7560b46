"""consent_svc's calls about rooms and meetings, in memory."""

from typing import Any

from assent.meeting.v1 import meeting_pb2
from assent.meeting.v1 import meeting_service_pb2 as meeting_rpc
from assent.meeting.v1.meeting_service_pb2_grpc import MeetingServiceServicer

from chassis.errors import AlreadyExists, InvalidArgument, NotFound
from tests.gateway.backend import Backend, Context


class Meetings(MeetingServiceServicer):
    """Rooms and meetings."""

    def __init__(self, backend: Backend) -> None:
        self._b = backend

    def _room(self, name: str, owner_id: str) -> meeting_pb2.Room:
        room = self._b.rooms.get(name)
        if room is None or room.owner_id != owner_id:
            raise NotFound(f"no room {name}", reason="ROOM_NOT_FOUND")
        return room

    async def CreateRoom(self, request: meeting_rpc.CreateRoomRequest, context: Context) -> Any:
        if request.name in self._b.rooms:
            raise AlreadyExists(f"there is a room {request.name}", reason="ROOM_EXISTS")
        room = meeting_pb2.Room(name=request.name, owner_id=request.owner_id, settings=request.settings)
        settings = room.settings
        settings.recording_type = settings.recording_type or meeting_pb2.RECORDING_TYPE_CLOUD
        default = meeting_pb2.RECORDING_TRIGGER_AUTOMATIC_2ND_PARTICIPANT
        settings.recording_trigger = settings.recording_trigger or default
        settings.mode = settings.mode or meeting_pb2.ROOM_MODE_NORMAL
        settings.consent_policy = settings.consent_policy or meeting_pb2.CONSENT_POLICY_DELETE_ON_DENIAL
        room.created_at.GetCurrentTime()
        room.updated_at.GetCurrentTime()
        self._b.rooms[room.name] = room
        return meeting_rpc.CreateRoomResponse(room=room)

    async def GetRoom(self, request: meeting_rpc.GetRoomRequest, context: Context) -> Any:
        return meeting_rpc.GetRoomResponse(room=self._room(request.name, request.owner_id))

    async def ListRooms(self, request: meeting_rpc.ListRoomsRequest, context: Context) -> Any:
        if request.page_token and not request.page_token.isdigit():
            raise InvalidArgument("not a page token of ours", reason="PAGE_TOKEN_INVALID")
        own = [room for room in self._b.rooms.values() if room.owner_id == request.owner_id]
        start, size = int(request.page_token or 0), request.page_size or 50
        more = str(start + size) if start + size < len(own) else ""
        return meeting_rpc.ListRoomsResponse(rooms=own[start : start + size], next_page_token=more)

    async def UpdateRoom(self, request: meeting_rpc.UpdateRoomRequest, context: Context) -> Any:
        room = self._room(request.name, request.owner_id)
        for path in request.update_mask.paths:
            room.settings.ClearField(path)  # type: ignore[arg-type]  # a path of the mask
        given = meeting_pb2.RoomSettings()
        request.update_mask.MergeMessage(request.settings, given)
        room.settings.MergeFrom(given)
        return meeting_rpc.UpdateRoomResponse(room=room)

    async def DeleteRoom(self, request: meeting_rpc.DeleteRoomRequest, context: Context) -> Any:
        del self._b.rooms[self._room(request.name, request.owner_id).name]
        return meeting_rpc.DeleteRoomResponse()

    async def OpenMeeting(self, request: meeting_rpc.OpenMeetingRequest, context: Context) -> Any:
        if request.room_name not in self._b.rooms:
            raise NotFound(f"no room {request.room_name}", reason="ROOM_NOT_FOUND")
        meeting = next(
            (one for one in self._b.meetings.values() if one.room == request.room_name and one.is_active), None
        ) or self._new_meeting(self._b.rooms[request.room_name])
        participant_id = request.user_participant_id
        if request.previous.meeting_id == meeting.meeting_id:
            participant_id = request.previous.participant_id
        participant_id = participant_id or f"p{next(self._b.numbers)}"
        self._b.people[meeting.meeting_id].add(participant_id)
        return meeting_rpc.OpenMeetingResponse(meeting=meeting, participant_id=participant_id)

    def _new_meeting(self, room: meeting_pb2.Room) -> meeting_pb2.Meeting:
        meeting_id = str(1000 + next(self._b.numbers))
        meeting = meeting_pb2.Meeting(
            meeting_id=meeting_id,
            room=room.name,
            whereby_room_name=f"/{room.name}-{meeting_id}",
            room_url=f"https://example.whereby.com/{room.name}-{meeting_id}",
            host_room_url=f"https://example.whereby.com/{room.name}-{meeting_id}?roomKey=host",
            owner_id=room.owner_id,
            is_active=True,
            settings=room.settings,
        )
        meeting.start_time.GetCurrentTime()
        self._b.meetings[meeting_id] = meeting
        return meeting

    async def GetMeeting(self, request: meeting_rpc.GetMeetingRequest, context: Context) -> Any:
        return meeting_rpc.GetMeetingResponse(meeting=self._b.meeting(request.meeting_id))

    async def ListMeetings(self, request: meeting_rpc.ListMeetingsRequest, context: Context) -> Any:
        room = self._room(request.room_name, request.owner_id)
        found = [meeting for meeting in self._b.meetings.values() if meeting.room == room.name]
        return meeting_rpc.ListMeetingsResponse(meetings=reversed(found))
