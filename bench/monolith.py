"""The second peer: one process, FastAPI, SQLAlchemy's ORM, select then update. How such endpoints are commonly written.

It keeps the current answer only: no history, no events, nobody counted. `python -m bench.monolith` reads
MONOLITH_PORT, MONOLITH_DATABASE_URL and MONOLITH_SECRET.
"""

import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Literal

import jwt
import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, StrictBool
from sqlalchemy import DateTime, ForeignKey, UniqueConstraint, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

AUDIENCE, ISSUER = "assent-participant", "assent"


class Base(DeclarativeBase):
    """What the tables belong to."""


class Meeting(Base):
    """A meeting that people may answer in."""

    __tablename__ = "meeting"

    id: Mapped[str] = mapped_column(primary_key=True)
    room_name: Mapped[str]
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class Consent(Base):
    """What a participant said last."""

    __tablename__ = "meeting_consent"
    __table_args__ = (UniqueConstraint("meeting_id", "participant_id"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    meeting_id: Mapped[str] = mapped_column(ForeignKey("meeting.id"))
    participant_id: Mapped[str]
    consent_given: Mapped[bool]
    notice_version: Mapped[str]
    language: Mapped[str]
    answered_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class ConsentRequest(BaseModel):
    """The body of a request."""

    consent_given: StrictBool
    notice_version: str = ""
    language: str = ""


class ConsentResponse(BaseModel):
    """The body of a reply."""

    status: Literal["success"] = "success"
    consent_id: uuid.UUID
    consent_given: bool
    answered_at: datetime


class Participant(BaseModel):
    """Who answers, from the token."""

    meeting_id: str
    sub: str


async def database_session(request: Request) -> AsyncIterator[AsyncSession]:
    """A session for one request."""
    async with request.app.state.sessions() as session:
        yield session


def current_participant(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]
) -> Participant:
    """Whoever holds the token."""
    try:
        claims = jwt.decode(
            credentials.credentials, request.app.state.secret, algorithms=["HS256"], audience=AUDIENCE, issuer=ISSUER
        )
    except jwt.PyJWTError:
        raise HTTPException(401, "Invalid token") from None
    return Participant.model_validate(claims)


async def submit_consent(
    meeting_id: str,
    body: ConsentRequest,
    participant: Annotated[Participant, Depends(current_participant)],
    session: Annotated[AsyncSession, Depends(database_session)],
) -> ConsentResponse:
    """Select the meeting and the participant's row, then update or insert it."""
    if participant.meeting_id != meeting_id:
        raise HTTPException(403, "Token of another meeting")
    if await session.get(Meeting, meeting_id) is None:
        raise HTTPException(404, "Meeting not found")
    query = select(Consent).where(Consent.meeting_id == meeting_id, Consent.participant_id == participant.sub)
    consent = await session.scalar(query)
    if consent is None:
        consent = Consent(meeting_id=meeting_id, participant_id=participant.sub)
        session.add(consent)
    consent.consent_given = body.consent_given
    consent.notice_version = body.notice_version
    consent.language = body.language
    consent.answered_at = datetime.now(UTC)
    await session.commit()
    return ConsentResponse(consent_id=consent.id, consent_given=consent.consent_given, answered_at=consent.answered_at)


async def healthz() -> dict[str, str]:
    """That it is up."""
    return {"status": "ok"}


def create_app(database_url: str, secret: str) -> FastAPI:
    """The application, which makes its tables when it starts."""
    engine = create_async_engine(database_url, pool_size=10)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        yield
        await engine.dispose()

    app = FastAPI(title="Monolith", lifespan=lifespan)
    app.state.sessions = async_sessionmaker(engine, expire_on_commit=False)
    app.state.secret = secret
    app.post("/v1/meetings/{meeting_id}/consent")(submit_consent)
    app.get("/healthz")(healthz)
    return app


if __name__ == "__main__":
    application = create_app(os.environ["MONOLITH_DATABASE_URL"], os.environ["MONOLITH_SECRET"])
    uvicorn.run(application, host="127.0.0.1", port=int(os.environ["MONOLITH_PORT"]))
