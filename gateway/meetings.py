"""Meetings over HTTP: anyone opens a room's meeting and becomes a participant of it."""

from datetime import datetime

from assent.consent.v1 import consent_service_pb2 as consent_rpc
from assent.meeting.v1 import meeting_pb2
from assent.meeting.v1 import meeting_service_pb2 as rpc
from fastapi import APIRouter, Response
from pydantic import BaseModel, Field
from starlette.requests import HTTPConnection

from chassis.errors import NotFound
from gateway.access import ensure_origin, meeting_for
from gateway.auth import Anyone, Known
from gateway.consent import Consent, consent_shape
from gateway.parts import Gateway
from gateway.problems import may_fail
from gateway.revalidation import UNCHANGED, IfNoneMatch, shown
from gateway.rooms import recording_trigger_of, recording_type_of
from gateway.shapes import Id, Page, PageSize, PageToken, RoomName, moment
from gateway.tokens import Identity, Participant, SignedIn

router = APIRouter(tags=["meetings"])

OPEN_SECONDS = 15.0
"""Opening may mean asking Whereby for a new meeting."""


class Meeting(BaseModel):
    """One Whereby meeting in a room."""

    id: str
    """Whereby's meetingId."""
    room: str
    room_name: str = Field(description="Whereby's roomName, with its leading slash.")
    room_url: str
    host_room_url: str | None = Field(description="Only for the owner.")
    start_time: datetime | None
    end_time: datetime | None
    is_active: bool
    num_clients: int
    recording_type: str
    recording_trigger: str


class Meetings(Page):
    """A page of meetings, newest first."""

    meetings: list[Meeting]


class Participation(BaseModel):
    """Who the caller is in the meeting."""

    id: str = Field(description="At most 36 of [A-Za-z0-9_-]: Whereby's externalId.")
    token: str = Field(description="Present it as bearer token, also when opening again: it keeps the same person.")


class OpenedMeeting(BaseModel):
    """A meeting and the caller's place in it."""

    meeting: Meeting
    participant: Participation
    consent: Consent


@router.post("/v1/rooms/{room_name}/meeting", responses=may_fail(401, 403, 404, 429, 503))
async def open_meeting(
    room_name: RoomName, identity: Anyone, gateway: Gateway, connection: HTTPConnection
) -> OpenedMeeting:
    """Open the room's active meeting, or a new one. Needs no token; whoever shows one stays who they are."""
    ensure_origin(connection, gateway.settings)
    gateway.limits.opening(connection.client.host if connection.client else None)
    request = rpc.OpenMeetingRequest(room_name=room_name)
    if isinstance(identity, SignedIn):
        request.user_participant_id = identity.participant_id
    elif isinstance(identity, Participant):
        request.previous.meeting_id = identity.meeting_id
        request.previous.participant_id = identity.participant_id
    opened = await gateway.meetings.OpenMeeting(request, timeout=OPEN_SECONDS)
    meeting_id, participant_id = opened.meeting.meeting_id, opened.participant_id
    asked = consent_rpc.GetConsentRequest(meeting_id=meeting_id, participant_id=participant_id)
    return OpenedMeeting(
        meeting=_meeting(opened.meeting, identity),
        participant=Participation(id=participant_id, token=gateway.tokens.issue(meeting_id, participant_id)),
        consent=consent_shape(meeting_id, await gateway.consent.GetConsent(asked)),
    )


@router.get("/v1/rooms/{room_name}/meetings", responses=may_fail(400, 401, 403, 404, 422, 503))
async def list_meetings(
    room_name: RoomName, identity: Known, gateway: Gateway, page_size: PageSize = 50, page_token: PageToken = ""
) -> Meetings:
    """A room's meetings: all of them for the owner, their own for a participant."""
    if isinstance(identity, Participant):
        own = await meeting_for(identity, identity.meeting_id, gateway)
        if own.room != room_name:
            raise NotFound(f"no room {room_name} with a meeting of yours", reason="ROOM_NOT_FOUND")
        return Meetings(meetings=[_meeting(own, identity)], next_page_token="")
    request = rpc.ListMeetingsRequest(
        room_name=room_name, owner_id=identity.subject, page_size=page_size, page_token=page_token
    )
    page = await gateway.meetings.ListMeetings(request)
    return Meetings(
        meetings=[_meeting(meeting, identity) for meeting in page.meetings], next_page_token=page.next_page_token
    )


@router.get(
    "/v1/meetings/{meeting_id}", response_model=Meeting, responses={**UNCHANGED, **may_fail(401, 403, 404, 503)}
)
async def get_meeting(meeting_id: Id, identity: Known, gateway: Gateway, if_none_match: IfNoneMatch = None) -> Response:
    """One meeting, for its owner and its participants."""
    return shown(_meeting(await meeting_for(identity, meeting_id, gateway), identity), if_none_match)


def _meeting(meeting: meeting_pb2.Meeting, identity: Identity | None) -> Meeting:
    is_owner = isinstance(identity, SignedIn) and identity.subject == meeting.owner_id
    return Meeting(
        id=meeting.meeting_id,
        room=meeting.room,
        room_name=meeting.whereby_room_name,
        room_url=meeting.room_url,
        host_room_url=meeting.host_room_url if is_owner else None,
        start_time=moment(meeting, "start_time"),
        end_time=moment(meeting, "end_time"),
        is_active=meeting.is_active,
        num_clients=meeting.num_clients,
        recording_type=recording_type_of(meeting.settings),
        recording_trigger=recording_trigger_of(meeting.settings),
    )
