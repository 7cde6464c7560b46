"""The errors that more than one module raises."""

from chassis.errors import AlreadyExists, DeadlineExceeded, FailedPrecondition, Internal, NotFound


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


def answer_changed() -> FailedPrecondition:
    """They have answered since they pressed: this press is the older one."""
    return FailedPrecondition(
        "a newer answer of yours stands: look at it with GET …/consent, and answer anew if it is not what you mean",
        reason="ANSWER_CHANGED",
    )


def answer_not_found(meeting_id: str) -> NotFound:
    """This participant gave no such answer; whether somebody else did, nobody learns."""
    return NotFound(
        f"you gave no such answer in meeting {meeting_id}: leave the revision out to get your current one",
        reason="ANSWER_NOT_FOUND",
    )


def notice_not_found(notice_hash: str) -> NotFound:
    """No wording that was ever made known has this hash."""
    return NotFound(f"no wording with the hash {notice_hash}: take it from a receipt", reason="NOTICE_NOT_FOUND")


def notice_changed(version: str, language: str) -> FailedPrecondition:
    """People have answered to what this version said."""
    return FailedPrecondition(
        f"version {version} has other words in {language}: give the changed wording a new version",
        reason="NOTICE_CHANGED",
    )


def history_not_intact(revision: int) -> Internal:
    """Somebody got past what keeps the history as it was written."""
    return Internal(
        f"revision {revision} of the history is not as it was written: GET …/consent/history/check tells more, "
        "…/consent/history?format=jsonl hands out the rest; tell the operator",
        reason="HISTORY_NOT_INTACT",
    )


def answer_late() -> DeadlineExceeded:
    """Nobody waits for it any more, and something else may have been said since."""
    return DeadlineExceeded("the answer came too late to be stored: send it again", reason="ANSWER_LATE")
