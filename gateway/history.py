"""The history of a meeting's answers over HTTP, for its owner."""

from datetime import datetime
from typing import Annotated

from assent.consent.v1 import consent_pb2
from assent.consent.v1 import consent_service_pb2 as rpc
from fastapi import APIRouter
from pydantic import BaseModel, Field

from gateway.access import meeting_for
from gateway.auth import Owner
from gateway.parts import Gateway
from gateway.problems import may_fail
from gateway.shapes import Id, Page, PageToken, moment

router = APIRouter(tags=["consent"])


class HistoryEntry(BaseModel):
    """One answer, chained to the one before it."""

    revision: int
    participant_digest: str = Field(description="Stands for the participant in this meeting only.")
    consent_given: bool
    answered_at: datetime | None
    notice_version: str
    language: str
    previous_hash: str
    hash: str


class History(Page):
    """A page of a meeting's history, oldest first."""

    entries: list[HistoryEntry]


@router.get("/v1/meetings/{meeting_id}/consent/history", responses=may_fail(400, 401, 403, 404, 422, 503))
async def list_history(
    meeting_id: Id,
    owner: Owner,
    gateway: Gateway,
    page_size: Annotated[int, Field(ge=1, le=1000)] = 200,
    page_token: PageToken = "",
) -> History:
    """Every answer ever given in the meeting, hash-chained; names no one."""
    await meeting_for(owner, meeting_id, gateway)
    request = rpc.ListHistoryRequest(meeting_id=meeting_id, page_size=page_size, page_token=page_token)
    page = await gateway.consent.ListHistory(request)
    return History(entries=[_entry(entry) for entry in page.entries], next_page_token=page.next_page_token)


def _entry(entry: consent_pb2.HistoryEntry) -> HistoryEntry:
    return HistoryEntry(
        revision=entry.revision,
        participant_digest=entry.participant_digest,
        consent_given=entry.answer == consent_pb2.ANSWER_GRANTED,
        answered_at=moment(entry, "answered_at"),
        notice_version=entry.notice_version,
        language=entry.language,
        previous_hash=entry.previous_hash,
        hash=entry.hash,
    )
