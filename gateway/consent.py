"""Answers over HTTP: given, changed and counted."""

import hmac
import uuid
from datetime import datetime
from typing import Annotated, Literal

from assent.consent.v1 import consent_pb2
from assent.consent.v1 import consent_service_pb2 as rpc
from fastapi import APIRouter, Header
from pydantic import BaseModel, ConfigDict, Field

from chassis.errors import NotFound
from gateway.access import ensure_meeting, found, meeting_for, no_meeting
from gateway.auth import Answerer
from gateway.parts import Gateway, Parts
from gateway.problems import may_fail
from gateway.settings import Settings
from gateway.shapes import Body, Id, Line, moment
from gateway.tokens import Identity, SignedIn

router = APIRouter(tags=["consent"])

ROUTE = "/v1/meetings/{meeting_id}/consent"
REQUEST_ID = r"^[\x21-\x7e]{1,200}$"

RequestId = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=REQUEST_ID,
        description="Made by the client for each press of a button: a repetition changes nothing.",
    ),
]


class NewAnswer(Body):
    """An answer, and the wording that it answers. Who answers is known from the token alone."""

    # Other fields, ids above all, are ignored: they decide nothing.
    model_config = ConfigDict(extra="ignore")

    consent_given: bool
    notice_version: Annotated[Line, Field(max_length=64)] = ""
    language: str = Field("", max_length=35, pattern=r"^[A-Za-z0-9-]*$", description="BCP 47.")
    known_revision: int | None = Field(
        None,
        ge=0,
        lt=2**63,
        description="The revision of your own answer that you knew of, 0 for none: where a newer one stands, this one "
        "is not stored (409 `ANSWER_CHANGED`). For answers that are sent once more.",
    )
    fingerprint: str = Field("", max_length=512, description="Of the browser. Kept hashed, as evidence only.")


class StoredAnswer(BaseModel):
    """What was committed."""

    status: Literal["success"]
    consent_id: str
    consent_given: bool
    revision: int
    answered_at: datetime | None


class Answer(BaseModel):
    """A participant's current answer."""

    consent_id: str
    consent_given: bool
    revision: int
    answered_at: datetime | None
    notice_version: str
    language: str


class Counts(BaseModel):
    """How a meeting stands; never who."""

    present: int
    granted: int
    denied: int
    unanswered: int
    dial_in: int = Field(description="By telephone: they cannot answer, and are in none of the numbers above.")
    unidentified: int = Field(description="Past our page, by Whereby's own address: neither can they.")


class Consent(BaseModel):
    """A meeting's counts, and the caller's own answer where there is one."""

    meeting_id: str
    answer: Answer | None
    counts: Counts


@router.post(ROUTE, responses=may_fail(400, 401, 403, 404, 408, 409, 413, 422, 429, 503))
async def submit_answer(
    meeting_id: Id, new: NewAnswer, identity: Answerer, gateway: Gateway, request_id: RequestId = None
) -> StoredAnswer:
    """Grant or deny that the audio is kept; at any time, also after the meeting. 200 means it is committed."""
    ensure_meeting(identity, meeting_id)
    gateway.limits.answer(meeting_id, identity.participant_id)
    known_by = request_id or str(uuid.uuid4())
    request = request_of(meeting_id, identity.participant_id, new, known_by, gateway.settings)
    return stored_shape(await _submitted(request, identity, gateway))


def request_of(
    meeting_id: str, participant_id: str, new: NewAnswer, request_id: str, settings: Settings
) -> rpc.SubmitAnswerRequest:
    """An answer, as consent_svc takes it."""
    return rpc.SubmitAnswerRequest(
        meeting_id=meeting_id,
        participant_id=participant_id,
        answer=consent_pb2.ANSWER_GRANTED if new.consent_given else consent_pb2.ANSWER_DENIED,
        request_id=request_id,
        notice_version=new.notice_version,
        language=new.language,
        fingerprint_hash=_hashed(new.fingerprint, settings.fingerprint_key.get_secret_value()),
        known_revision=new.known_revision,
    )


def stored_shape(stored: consent_pb2.RecordedAnswer) -> StoredAnswer:
    """What was committed, as JSON shows it."""
    return StoredAnswer(
        status="success",
        consent_id=stored.consent_id,
        consent_given=is_grant(stored.answer),
        revision=stored.revision,
        answered_at=moment(stored, "answered_at"),
    )


async def _submitted(request: rpc.SubmitAnswerRequest, identity: Identity, parts: Parts) -> consent_pb2.RecordedAnswer:
    """Store an answer. Somebody signed in must have been in the meeting, unless it is their own."""
    request.presence_required = isinstance(identity, SignedIn)
    try:
        return await parts.answering.submit(request)
    except NotFound:
        await meeting_for(identity, request.meeting_id, parts)
        request.presence_required = False
        return await parts.answering.submit(request)


@router.get(ROUTE, responses=may_fail(401, 403, 404, 503))
async def get_consent(meeting_id: Id, identity: Answerer, gateway: Gateway) -> Consent:
    """The caller's own answer and the meeting's counts, for its participants and its owner."""
    ensure_meeting(identity, meeting_id)
    request = rpc.GetConsentRequest(meeting_id=meeting_id, participant_id=identity.participant_id)
    consent = await found(gateway.consent.GetConsent(request), no_meeting(meeting_id))
    # Whoever answered while signed in took part; anybody else who is signed in must own the meeting.
    if isinstance(identity, SignedIn) and not consent.HasField("answer"):
        await meeting_for(identity, meeting_id, gateway)
    return consent_shape(meeting_id, consent)


def consent_shape(meeting_id: str, consent: rpc.GetConsentResponse) -> Consent:
    """How a meeting stands, as JSON shows it."""
    answer = None
    if consent.HasField("answer"):
        answer = Answer(
            consent_id=consent.answer.consent_id,
            consent_given=is_grant(consent.answer.answer),
            revision=consent.answer.revision,
            answered_at=moment(consent.answer, "answered_at"),
            notice_version=consent.answer.notice_version,
            language=consent.answer.language,
        )
    return Consent(meeting_id=meeting_id, answer=answer, counts=counts_shape(consent.counts))


def counts_shape(counts: consent_pb2.Counts) -> Counts:
    """The counts, as JSON shows them."""
    return Counts(
        present=counts.present,
        granted=counts.granted,
        denied=counts.denied,
        unanswered=counts.unanswered,
        dial_in=counts.dial_in,
        unidentified=counts.unidentified,
    )


def is_grant(answer: int) -> bool:
    """Whether an answer is one."""
    # Whatever is neither must never pass for a grant.
    return answer == consent_pb2.ANSWER_GRANTED


def _hashed(fingerprint: str, key: str) -> str:
    return hmac.digest(key.encode(), fingerprint.encode(), "sha256").hex() if fingerprint else ""
