"""Receipts over HTTP: the signed proof of an answer, and the exact words that it answers."""

import base64
import json
from typing import Annotated, Any

from assent.consent.v1 import consent_service_pb2 as rpc
from fastapi import APIRouter, Header, Path, Query, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from chassis.errors import NotFound
from gateway.access import ensure_meeting, meeting_for, no_meeting
from gateway.auth import Answerer
from gateway.parts import Gateway, Parts
from gateway.problems import may_fail
from gateway.shapes import Id
from gateway.tokens import Identity, SignedIn

router = APIRouter(tags=["consent"])

JOSE = "application/jose"
_LARGEST_REVISION = 2**63 - 1

Revision = Annotated[
    int | None, Query(ge=1, le=_LARGEST_REVISION, description="Which of the caller's answers; the current one if none.")
]
Hash = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the wording, hex.")]


class Receipt(BaseModel):
    """Proof of one answer, to be kept and checked without us."""

    receipt: dict[str, Any] = Field(description="What is signed: the JWS's payload.")
    jws: str = Field(description="Compact JWS (RFC 7515), signed with Ed25519.")
    change_url: str = Field(description="Shows and changes the answer, without signing in, for whoever has it.")


class Notice(BaseModel):
    """A wording that people were asked with."""

    version: str
    language: str = Field(description="BCP 47.")
    hash: str = Field(description="SHA-256 of `wording` in UTF-8, hex.")
    wording: str = Field(
        description=(
            "A JSON document in a string (`title`, `notice`, `grant`, `deny`), so that it can be hashed exactly as it "
            "is: `hashlib.sha256(notice['wording'].encode()).hexdigest() == notice['hash']`, or in a shell "
            "`jq -j .wording | sha256sum`."
        )
    )


@router.get(
    "/v1/meetings/{meeting_id}/consent/receipt",
    response_model=Receipt,
    responses={
        200: {"content": {JOSE: {"schema": {"type": "string", "description": "The JWS alone."}}}},
        **may_fail(401, 403, 404, 422, 503),
    },
)
async def get_receipt(
    meeting_id: Id,
    identity: Answerer,
    gateway: Gateway,
    revision: Revision = None,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> Response:
    """The signed receipt of the caller's own answer. `Accept: application/jose` gets the JWS alone."""
    ensure_meeting(identity, meeting_id)
    token = gateway.tokens.issue_receipt(meeting_id, identity.participant_id)
    request = rpc.GetReceiptRequest(
        meeting_id=meeting_id,
        participant_id=identity.participant_id,
        revision=revision or 0,
        change_url=f"{gateway.settings.gateway_url}/consent/{token}",
    )
    jws = await _signed(request, identity, gateway)
    headers = {"Cache-Control": "no-store", "Vary": "Accept"}
    if JOSE in accept:
        return Response(jws, headers=headers, media_type=JOSE)
    receipt = Receipt(receipt=_payload(jws), jws=jws, change_url=request.change_url)
    return JSONResponse(receipt.model_dump(), headers=headers)


@router.get("/v1/notices/{hash}", responses=may_fail(404, 503))
async def get_notice(hash: Hash, gateway: Gateway, response: Response) -> Notice:
    """The exact words that an answer was given to, by the hash in its receipt. Open to anyone."""
    notice = (await gateway.consent.GetNotice(rpc.GetNoticeRequest(hash=hash))).notice
    # Other words would have another hash.
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return Notice(version=notice.version, language=notice.language, hash=notice.hash, wording=notice.wording)


async def _signed(request: rpc.GetReceiptRequest, identity: Identity, parts: Parts) -> str:
    try:
        return (await parts.consent.GetReceipt(request)).jws
    except NotFound as error:
        # Somebody signed in who never answered learns of the meeting only where it is their own.
        if isinstance(identity, SignedIn):
            await meeting_for(identity, request.meeting_id, parts)
        if error.reason == "MEETING_NOT_FOUND":
            raise no_meeting(request.meeting_id) from None
        raise


def _payload(jws: str) -> dict[str, Any]:
    # Not verified: it came from its signer, over mutual TLS.
    part = jws.split(".")[1]
    payload: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return payload
