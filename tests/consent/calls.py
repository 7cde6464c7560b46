"""Short ways to call the services over gRPC."""

from collections.abc import Awaitable
from typing import TYPE_CHECKING

import pytest
from assent.meeting.v1 import meeting_pb2
from assent.meeting.v1 import meeting_service_pb2 as meetings

from chassis.errors import ServiceError
from tests.consent.cases import OWNER

if TYPE_CHECKING:  # only the stubs' types know it
    from assent.meeting.v1.meeting_service_pb2_grpc import MeetingServiceAsyncStub


async def refused(call: Awaitable[object], kind: type[ServiceError]) -> str:
    """The reason that a call is refused with, as this kind of error."""
    with pytest.raises(kind) as raised:
        await call
    return raised.value.reason


async def create(rooms: "MeetingServiceAsyncStub", name: str = "standup", **settings: object) -> meeting_pb2.Room:
    """A room of OWNER's with these settings."""
    chosen = meeting_pb2.RoomSettings(**settings)  # type: ignore[arg-type]  # each of its own type
    asked = meetings.CreateRoomRequest(name=name, owner_id=OWNER, settings=chosen)
    return (await rooms.CreateRoom(asked)).room


async def open_meeting(rooms: "MeetingServiceAsyncStub") -> meetings.OpenMeetingResponse:
    """Open the room standup."""
    return await rooms.OpenMeeting(meetings.OpenMeetingRequest(room_name="standup"))
