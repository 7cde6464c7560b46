"""The errors that more than one module raises."""

from chassis.errors import AlreadyExists, NotFound


def room_exists(name: str) -> AlreadyExists:
    """The name is taken, by whomever."""
    return AlreadyExists(f"there is a room {name} already: choose another name", reason="ROOM_EXISTS")


def room_not_found(name: str) -> NotFound:
    """There is none, or it is not the caller's."""
    return NotFound(f"no room {name}: it may have been deleted; list yours with GET /v1/rooms", reason="ROOM_NOT_FOUND")


def meeting_not_found(meeting_id: str) -> NotFound:
    """We never opened such a meeting."""
    return NotFound(
        f"no meeting {meeting_id}: list a room's meetings with GET /v1/rooms/{{room}}/meetings",
        reason="MEETING_NOT_FOUND",
    )


def request_id_reused() -> AlreadyExists:
    """The same request id came with another answer: neither is what its sender meant."""
    return AlreadyExists(
        "this request id was used for another answer, which stands: send this one with a request id of its own",
        reason="REQUEST_ID_REUSED",
    )
