"""The history of a meeting's answers over HTTP, for its owner; and for anyone the keys under which it was signed."""

import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Literal

from assent.consent.v1 import consent_pb2
from assent.consent.v1 import consent_service_pb2 as rpc
from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from gateway.access import meeting_for
from gateway.auth import Owner
from gateway.parts import Gateway, Parts
from gateway.problems import may_fail
from gateway.shapes import Id, Page, PageToken, moment

router = APIRouter(tags=["consent"])

EXPORT_SECONDS = 3600.0
"""However slowly it is fetched."""
CHECK_SECONDS = 30.0
"""As long as the service takes at most; a history too long for that is exported and checked outside."""

JSONL = "application/jsonl"
_LINES = "One entry a line; the last line is signed, and has the hash of every wording that the others name."
_NO_STORE = {"Cache-Control": "no-store"}


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


class Fault(BaseModel):
    """Where a history is not as it was written."""

    revision: int
    explanation: str


class HistoryCheck(BaseModel):
    """Whether every line of a history is still as it was written."""

    entries: int
    head_hash: str = Field(description="Of the last entry; 64 zeros where there is none.")
    intact: bool
    fault: Fault | None = Field(description="The first line that does not fit; null while all is intact.")


class JsonWebKey(BaseModel):
    """A public key (RFC 7517, RFC 8037)."""

    kty: str = Field(examples=["OKP"])
    crv: str = Field(examples=["Ed25519"])
    x: str
    kid: str = Field(description="The key's thumbprint (RFC 7638), which signatures name.")
    alg: str = Field(examples=["EdDSA"])
    use: str = Field(examples=["sig"])


class KeySet(BaseModel):
    """Public keys (RFC 7517)."""

    keys: list[JsonWebKey]


@router.get(
    "/v1/meetings/{meeting_id}/consent/history",
    response_model=History,
    responses={
        200: {
            "description": "A page of entries, or the whole as a file of JSON Lines.",
            "content": {JSONL: {"schema": {"type": "string", "description": _LINES}}},
        },
        **may_fail(400, 401, 403, 404, 422, 503),
    },
)
async def list_history(
    meeting_id: Id,
    owner: Owner,
    gateway: Gateway,
    format: Annotated[
        Literal["json", "jsonl"],
        Query(description="`jsonl` is the whole history as a file that is checked without us; pages do not apply."),
    ] = "json",
    page_size: Annotated[int, Field(ge=1, le=1000)] = 200,
    page_token: PageToken = "",
) -> History | Response:
    """Every answer ever given in the meeting, hash-chained; names no one."""
    await meeting_for(owner, meeting_id, gateway)
    if format == "jsonl":
        filename = f"consent-history-{meeting_id}.jsonl"
        headers = {**_NO_STORE, "Content-Disposition": f'attachment; filename="{filename}"'}
        return StreamingResponse(await _export(meeting_id, gateway), headers=headers, media_type=JSONL)
    request = rpc.ListHistoryRequest(meeting_id=meeting_id, page_size=page_size, page_token=page_token)
    page = await gateway.consent.ListHistory(request)
    return History(entries=[_entry(entry) for entry in page.entries], next_page_token=page.next_page_token)


@router.get("/v1/meetings/{meeting_id}/consent/history/check", responses=may_fail(401, 403, 404, 503))
async def check_history(meeting_id: Id, owner: Owner, gateway: Gateway, response: Response) -> HistoryCheck:
    """Compute every hash of the history again, and compare."""
    await meeting_for(owner, meeting_id, gateway)
    request = rpc.VerifyHistoryRequest(meeting_id=meeting_id)
    found = await gateway.consent.VerifyHistory(request, timeout=CHECK_SECONDS)
    fault = None
    if found.HasField("fault"):
        fault = Fault(revision=found.fault.revision, explanation=found.fault.explanation)
    response.headers.update(_NO_STORE)
    return HistoryCheck(entries=found.entries, head_hash=found.head_hash, intact=fault is None, fault=fault)


@router.get("/v1/keys", responses=may_fail(503))
async def list_keys(gateway: Gateway, response: Response) -> KeySet:
    """The public keys under which receipts and exported histories hold. Open to anyone."""
    found = await gateway.consent.ListSigningKeys(rpc.ListSigningKeysRequest())
    response.headers["Cache-Control"] = "public, max-age=300"
    return KeySet(keys=[JsonWebKey(**json.loads(key)) for key in found.keys])


async def _export(meeting_id: str, parts: Parts) -> AsyncIterator[str]:
    """The lines as they come. A refusal is raised here, before a status is sent; a later one breaks the response."""
    request = rpc.ExportHistoryRequest(meeting_id=meeting_id)
    call = parts.consent.ExportHistory(request, timeout=EXPORT_SECONDS)
    chunks = call.__aiter__()
    first = await anext(chunks)

    async def body() -> AsyncIterator[str]:
        try:
            yield first.lines
            async for chunk in chunks:
                yield chunk.lines
        finally:
            call.cancel()  # whoever fetches it may have gone before the end

    return body()


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
