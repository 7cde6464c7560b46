"""Small words shared by the JSON shapes: strict bodies, ids, times, names of enum values, pages of lists."""

from datetime import UTC, datetime
from typing import Annotated, Any, Protocol

from fastapi import Path, Query
from google.protobuf.message import Message
from pydantic import BaseModel, ConfigDict, StringConstraints

Id = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
RoomName = Annotated[str, Path(pattern=r"^[a-z0-9-]{1,64}$")]
PageSize = Annotated[int, Query(ge=1, le=200, description="How many to return at most.")]
PageToken = Annotated[
    str, Query(max_length=1024, pattern=r"^[\x21-\x7e]*$", description="`next_page_token` of the page before.")
]
Line = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$")]
"""Text without control characters: Postgres takes no NUL, and a title is one line."""


class Body(BaseModel):
    """What is sent to us: exact JSON types, no field that we do not know."""

    model_config = ConfigDict(strict=True, extra="forbid")


def without_defaults(schema: dict[str, Any]) -> None:
    """For a body of changes: what is left out stays as it is, so its schema must name no default."""
    for field in schema.get("properties", {}).values():
        field.pop("default", None)


class Page(BaseModel):
    """One page of a list."""

    next_page_token: str
    """Empty on the last page."""


class EnumNames(Protocol):
    """A generated enum, as far as its names go."""

    def Name(self, number: Any, /) -> str:
        """The name of a value, with its prefix."""
        ...


def name_of(enum: EnumNames, prefix: str, value: int) -> str:
    """`RECORDING_STATE_KEPT` becomes `KEPT`."""
    return enum.Name(value).removeprefix(prefix)


def word_of(enum: EnumNames, prefix: str, value: int) -> str:
    """`RECORDING_STATE_KEPT` becomes `kept`: how states, statuses and kinds are written."""
    return name_of(enum, prefix, value).lower()


def moment(message: Message, field: str) -> datetime | None:
    """A timestamp field in UTC; None where it is absent."""
    if not message.HasField(field):
        return None
    at: datetime = getattr(message, field).ToDatetime(tzinfo=UTC)
    return at
