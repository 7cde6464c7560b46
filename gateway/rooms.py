"""Rooms over HTTP: their owner makes, lists, changes and removes them."""

from datetime import datetime
from typing import Any, Literal

from assent.meeting.v1 import meeting_pb2
from assent.meeting.v1 import meeting_service_pb2 as rpc
from fastapi import APIRouter
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from pydantic import BaseModel, ConfigDict, Field

from chassis.errors import InvalidArgument
from gateway.auth import Owner
from gateway.parts import Gateway
from gateway.problems import may_fail
from gateway.shapes import Body, Page, PageSize, PageToken, RoomName, moment, name_of, without_defaults, word_of

router = APIRouter(tags=["rooms"])

_PROTO_WORDS: dict[str, dict[object, object]] = {
    "recording_type": {
        "none": meeting_pb2.RECORDING_TYPE_NONE,
        "local": meeting_pb2.RECORDING_TYPE_LOCAL,
        "cloud": meeting_pb2.RECORDING_TYPE_CLOUD,
    },
    "recording_trigger": {
        "none": meeting_pb2.RECORDING_TRIGGER_NONE,
        "prompt": meeting_pb2.RECORDING_TRIGGER_PROMPT,
        "automatic": meeting_pb2.RECORDING_TRIGGER_AUTOMATIC,
        "automatic-2nd-participant": meeting_pb2.RECORDING_TRIGGER_AUTOMATIC_2ND_PARTICIPANT,
    },
    "mode": {"normal": meeting_pb2.ROOM_MODE_NORMAL, "group": meeting_pb2.ROOM_MODE_GROUP},
    "consent_policy": {
        "DELETE_ON_DENIAL": meeting_pb2.CONSENT_POLICY_DELETE_ON_DENIAL,
        "KEEP_IF_ALL_GRANTED": meeting_pb2.CONSENT_POLICY_KEEP_IF_ALL_GRANTED,
    },
}
_LONGEST_DEADLINE = 365 * 24 * 3600


class RoomSettings(Body):
    """What an owner may choose. Recording words are Whereby's."""

    recording_type: Literal["none", "local", "cloud"] = "cloud"
    recording_trigger: Literal["none", "prompt", "automatic", "automatic-2nd-participant"] = "automatic-2nd-participant"
    is_locked: bool = False
    mode: Literal["normal", "group"] = "normal"
    consent_policy: Literal["DELETE_ON_DENIAL", "KEEP_IF_ALL_GRANTED"] = "DELETE_ON_DENIAL"
    consent_deadline_seconds: int | None = Field(None, ge=1, le=_LONGEST_DEADLINE, description="24 h when null.")
    retention_days: int | None = Field(None, ge=1, le=36_500, description="Kept without end when null.")

    def to_proto(self) -> meeting_pb2.RoomSettings:
        """What was set; the rest stays unspecified."""
        given = self.model_dump(exclude_unset=True, exclude_none=True, exclude={"name"})
        values: dict[str, Any] = {name: _PROTO_WORDS.get(name, {}).get(value, value) for name, value in given.items()}
        if seconds := values.pop("consent_deadline_seconds", None):
            values["consent_deadline"] = Duration(seconds=seconds)
        return meeting_pb2.RoomSettings(**values)


class RoomChanges(RoomSettings):
    """What to change; what is left out stays as it is."""

    model_config = ConfigDict(json_schema_extra=without_defaults)

    def paths(self) -> list[str]:
        """The proto's names of what was set."""
        return sorted(name.replace("_seconds", "") for name in self.model_fields_set)


class NewRoom(RoomSettings):
    """A room to make."""

    name: str = Field(pattern=r"^[a-z0-9-]{1,64}$", examples=["weekly"])


class Room(BaseModel):
    """A name that people open in the browser, again and again."""

    name: str
    recording_type: str
    recording_trigger: str
    is_locked: bool
    mode: str
    consent_policy: str
    consent_deadline_seconds: int
    retention_days: int | None
    created_at: datetime | None
    updated_at: datetime | None


class Rooms(Page):
    """A page of rooms."""

    rooms: list[Room]


def recording_type_of(settings: meeting_pb2.RoomSettings) -> str:
    """Whereby's word for where a recording goes."""
    return word_of(meeting_pb2.RecordingType, "RECORDING_TYPE_", settings.recording_type)


def recording_trigger_of(settings: meeting_pb2.RoomSettings) -> str:
    """Whereby's word for what begins a recording."""
    name = name_of(meeting_pb2.RecordingTrigger, "RECORDING_TRIGGER_", settings.recording_trigger)
    return name.lower().replace("_", "-")


def _room(room: meeting_pb2.Room) -> Room:
    settings = room.settings
    has_deadline = settings.HasField("consent_deadline")
    return Room(
        name=room.name,
        recording_type=recording_type_of(settings),
        recording_trigger=recording_trigger_of(settings),
        is_locked=settings.is_locked,
        mode=word_of(meeting_pb2.RoomMode, "ROOM_MODE_", settings.mode),
        consent_policy=name_of(meeting_pb2.ConsentPolicy, "CONSENT_POLICY_", settings.consent_policy),
        consent_deadline_seconds=settings.consent_deadline.seconds if has_deadline else 24 * 3600,
        retention_days=settings.retention_days if settings.HasField("retention_days") else None,
        created_at=moment(room, "created_at"),
        updated_at=moment(room, "updated_at"),
    )


@router.post("/v1/rooms", status_code=201, responses=may_fail(400, 401, 403, 408, 409, 413, 422, 503))
async def create_room(new: NewRoom, owner: Owner, gateway: Gateway) -> Room:
    """Make a room. Its name must not be taken (409 ROOM_EXISTS)."""
    request = rpc.CreateRoomRequest(name=new.name, owner_id=owner.subject, settings=new.to_proto())
    return _room((await gateway.meetings.CreateRoom(request)).room)


@router.get("/v1/rooms", responses=may_fail(400, 401, 403, 422, 503))
async def list_rooms(owner: Owner, gateway: Gateway, page_size: PageSize = 50, page_token: PageToken = "") -> Rooms:
    """The owner's rooms."""
    request = rpc.ListRoomsRequest(owner_id=owner.subject, page_size=page_size, page_token=page_token)
    page = await gateway.meetings.ListRooms(request)
    return Rooms(rooms=[_room(room) for room in page.rooms], next_page_token=page.next_page_token)


@router.get("/v1/rooms/{room_name}", responses=may_fail(401, 403, 404, 503))
async def get_room(room_name: RoomName, owner: Owner, gateway: Gateway) -> Room:
    """One room of the owner's."""
    request = rpc.GetRoomRequest(name=room_name, owner_id=owner.subject)
    return _room((await gateway.meetings.GetRoom(request)).room)


@router.patch("/v1/rooms/{room_name}", responses=may_fail(400, 401, 403, 404, 408, 413, 422, 503))
async def update_room(room_name: RoomName, changes: RoomChanges, owner: Owner, gateway: Gateway) -> Room:
    """Change a room. Holds for meetings opened later."""
    if not changes.model_fields_set:
        raise InvalidArgument("name at least one setting to change", reason="NOTHING_TO_CHANGE")
    request = rpc.UpdateRoomRequest(
        name=room_name,
        owner_id=owner.subject,
        settings=changes.to_proto(),
        update_mask=FieldMask(paths=changes.paths()),
    )
    return _room((await gateway.meetings.UpdateRoom(request)).room)


@router.delete("/v1/rooms/{room_name}", status_code=204, responses=may_fail(401, 403, 404, 503))
async def delete_room(room_name: RoomName, owner: Owner, gateway: Gateway) -> None:
    """Remove a room and end its open meeting. Answers and their history stay."""
    await gateway.meetings.DeleteRoom(rpc.DeleteRoomRequest(name=room_name, owner_id=owner.subject))
