"""Tells which recordings wait longer than they should, why, and what an operator can do about it. Pure rules."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from recording_svc.domain.recordings import Recording, State

_SOON = timedelta(minutes=15)
_PATIENCE = {
    State.DISCOVERED: timedelta(hours=1),
    State.TRANSCRIBING: timedelta(hours=6),
    State.UNMATCHED: _SOON,
    State.UNDECIDED: _SOON,
    State.ERASING: _SOON,
    State.BLOCKED: timedelta(),
    State.FAILED: timedelta(),
}
# A room's deadline may be days after its meeting.
_PATIENCE_WITH_PEOPLE = timedelta(days=7)

_MATCH = "see that Whereby's webhooks arrive, or name its meeting: `match {id} MEETING_ID … --operator … --why …`"
_ADVICE = {
    "NO_MEETING": _MATCH,
    "OBJECT_KEY_UNREADABLE": "its key does not follow Whereby's naming; name its meeting: "
    "`match {id} MEETING_ID … --operator … --why …`",
    "CONSENT_UNREACHABLE": "consent_svc does not answer: look at its pods and the network; then it goes on by itself",
    "CONSENT_MALFORMED": "consent_svc answers what makes no sense: see consent_silent in the log, compare releases",
    "ANSWERS_AWAITED": "people may still answer; nothing to do before the room's deadline",
    "SCRATCH_HELD": "a transcript_svc pod holds audio in scratch and never said it is wiped: start that pod again",
    "S3_UNREACHABLE": "S3 does not answer: look at it and the network; then it goes on by itself",
    "S3_BUSY": "S3 answers 503 SlowDown: it is tried again by itself, after longer and longer pauses",
    "DELETION_INCOMPLETE": "S3 left something behind: it is tried again by itself; see erasure in the log",
    "CAME_BACK": "somebody writes erased audio again: find out who, take their right away; it is erased again",
    "OBJECT_LOCKED": "Object Lock keeps it until {until}; it is tried again right after",
    "LEGAL_HOLD": "a legal hold keeps it: have it lifted in S3, then `retry {id}`",
    "DELETION_DENIED": "recording_svc's role may not delete versions: give it deploy/aws's rights, then `retry {id}`",
    "S3_ACCESS_DENIED": "recording_svc's role may not list the bucket: give it deploy/aws's rights, then `retry {id}`",
    "NO_SUCH_BUCKET": "the bucket is gone or misnamed: set its name right, then `retry {id}`",
}
_BY_STATE = {
    State.DISCOVERED: "transcript_svc has not begun: look at its pods and at NATS; it is told again every 5 min",
    State.TRANSCRIBING: "transcript_svc is at it still: look at its log for this recording",
    State.UNDECIDED: "audio is withheld until consent_svc decides; `retry {id}` asks again now",
    State.ERASING: "the erasure goes on by itself; `retry {id}` tries again now",
    State.BLOCKED: "the bucket refuses; see erasure_blocked in the log, then `retry {id}`",
    State.FAILED: "no transcript could be made: see transcript_svc's log; refused audio goes a day later all the same",
}


@dataclass(frozen=True)
class Waiting:
    """A recording that is neither kept nor erased, and since when it is waited for."""

    recording: Recording
    since: datetime
    what_to_do: str


def too_long(recordings: Iterable[Recording], now: datetime) -> list[Waiting]:
    """Those that wait longer than they should, the longest first."""
    found = [Waiting(one, _since(one), _advice(one)) for one in recordings if one.state in _PATIENCE]
    return sorted((one for one in found if now - one.since >= _patience(one.recording)), key=lambda one: one.since)


def _since(recording: Recording) -> datetime:
    if recording.grounds is not None:
        return recording.grounds.decided_at
    return recording.state_since or recording.discovered_at


def _patience(recording: Recording) -> timedelta:
    awaited = recording.state is State.UNDECIDED and recording.reason == "ANSWERS_AWAITED"
    return _PATIENCE_WITH_PEOPLE if awaited else _PATIENCE[recording.state]


def _advice(recording: Recording) -> str:
    # A failed transcription is what holds it, whatever consent_svc said besides.
    by_reason = None if recording.state is State.FAILED else _ADVICE.get(recording.reason)
    ends = recording.blocked_until
    until = f"{ends:%Y-%m-%d %H:%M:%SZ}" if ends else "a date that S3 does not tell"
    return (by_reason or _BY_STATE[recording.state]).format(id=recording.recording_id, until=until)
