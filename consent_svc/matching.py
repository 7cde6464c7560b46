"""Finds the meetings that a recording belongs to, from its name and from who was present when."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, auto

from consent_svc.domain.presence import RECORDER, Client, Evidence, Session, earliest

TOLERANCE = timedelta(seconds=120)
"""How far the clocks of webhooks and files may be apart, and how long a recorder takes to begin."""

LONGEST = timedelta(days=7)
"""No recording lasts longer, whatever its file claims: Whereby closes a meeting after hours."""

_YEARS = range(2000, 2100)

# From the right: the room's name may hold hyphens, and even something like a date.
_FILENAME = re.compile(
    r"(?P<room>.+)-"
    r"(?P<start>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d(?::?\d\d)?))"
    r"\.(?:mp4|mkv)",
    re.IGNORECASE | re.DOTALL,
)


class Kind(Enum):
    """What told a recording's meeting, the strongest first."""

    RECORDER = auto()
    FINISHED_WEBHOOK = auto()
    INTERVAL = auto()


@dataclass(frozen=True)
class Recording:
    """What a recording's object key says, and how long it lasts where somebody has looked."""

    # With a leading slash, as in Whereby's webhooks.
    whereby_room_name: str
    filename: str
    recorded_at: datetime
    duration: timedelta | None = None


@dataclass(frozen=True)
class Match:
    """A recording's meetings, several where they truly overlap, and what told them."""

    meeting_ids: tuple[str, ...]
    kind: Kind


@dataclass(frozen=True)
class Span:
    """A stretch of time; `end` None means that it is not known to be over."""

    start: datetime
    end: datetime | None

    def overlaps(self, other: "Span", tolerance: timedelta) -> bool:
        """Whether there is a moment in both, or at most `tolerance` between them."""
        begins_in_time = other.end is None or self.start <= other.end + tolerance
        return begins_in_time and (self.end is None or other.start <= self.end + tolerance)


def parse_object_key(key: str, duration: timedelta | None = None) -> Recording | None:
    """Read `[folder/]<room name>-<start, ISO 8601 with zone>.mp4|mkv`; None when the key does not look like that.

    A duration that cannot be is brought to the nearest that can.
    """
    filename = key.rpartition("/")[2]
    found = _FILENAME.fullmatch(filename)
    if found is None:
        return None
    try:
        recorded_at = datetime.fromisoformat(found["start"].upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    if recorded_at.year not in _YEARS:
        return None
    if duration is not None:
        duration = min(max(duration, timedelta(0)), LONGEST)
    return Recording(f"/{found['room']}", filename, recorded_at, duration)


def match(recording: Recording, candidates: Sequence[Evidence]) -> Match | None:
    """The meetings of a recording; None while what is known does not tell. Never simply the latest one.

    Evidence counts in this order: the recorder's own join and leave, a webhook that named the file, and who was
    present. Where it points at a meeting that we do not know, the recording stays unmatched: a refusal there could
    not be heard.
    """
    in_room = [one for one in candidates if one.whereby_room_name == recording.whereby_room_name]
    for kind, found in (
        (Kind.RECORDER, _by_recorder(recording, in_room)),
        (Kind.FINISHED_WEBHOOK, [one for one in candidates if recording.filename in one.finished_files]),
        (Kind.INTERVAL, _overlapping(recording, in_room, presence)),
    ):
        if found:
            return Match(tuple(sorted(one.meeting_id for one in found)), kind) if _is_ours(found) else None
    return None


def _is_ours(found: Sequence[Evidence]) -> bool:
    return all(one.is_known for one in found) and len({one.owner_id for one in found}) == 1


def _by_recorder(recording: Recording, candidates: Sequence[Evidence]) -> list[Evidence]:
    overlapping = _overlapping(recording, candidates, _recorder_stays)
    # Of two recorders, the leaving of one of which was lost, the one that came as the file begins made it.
    begun_together = [
        one
        for one in overlapping
        if any(abs(span.start - recording.recorded_at) <= TOLERANCE for span in _recorder_stays(one))
    ]
    return begun_together or overlapping


def _overlapping(
    recording: Recording, candidates: Sequence[Evidence], spans: Callable[[Evidence], Sequence[Span]]
) -> list[Evidence]:
    """Those that overlap the recording as they are; only where none does, those within the tolerance."""
    start, duration = recording.recorded_at, recording.duration
    # While the duration is not known, whoever came soon after the start may be on it.
    exact = Span(start, start + (TOLERANCE if duration is None else duration))
    wide = Span(start, start + (duration or timedelta(0)))
    for span, tolerance in ((exact, timedelta(0)), (wide, TOLERANCE)):
        found = [one for one in candidates if any(each.overlaps(span, tolerance) for each in spans(one))]
        if found:
            return found
    return []


def presence(one: Evidence) -> list[Span]:
    """When people were in a meeting."""
    spans = [_stay(client, one) for client in one.clients if client.is_person]
    spans += [_session(session, one) for session in one.sessions]
    if not spans and not one.clients and one.first_opened_at:
        # Nobody's coming was told; but who opens the page is in the call at once. That we believe the meeting to be
        # over when nothing is heard of it says nothing about how long they stayed.
        end = None if one.attendance.is_unheard_of else _end(one.first_opened_at, one)
        spans = [Span(one.first_opened_at, end)]
    return spans


def _recorder_stays(one: Evidence) -> list[Span]:
    return [_stay(client, one) for client in one.clients if client.role == RECORDER]


def _session(session: Session, one: Evidence) -> Span:
    start = earliest(session.started_at, session.ended_at)
    assert start is not None, "a session is known by its start or its end"
    return Span(start, session.ended_at or _end(start, one))


def _stay(client: Client, one: Evidence) -> Span:
    session = next((session for session in one.sessions if session.session_id == client.session_id), None)
    began = client.joined_at or (session.started_at if session else None) or one.first_opened_at
    start = earliest(began, client.changed_at) or client.changed_at
    if not client.is_present:
        return Span(start, client.left_at)
    return Span(start, _end(start, one, session.ended_at if session else None))


def _end(start: datetime, one: Evidence, session_end: datetime | None = None) -> datetime | None:
    """The end of a stay whose own end was lost: the first later moment at which nobody was there any more."""
    ends = (session_end, one.attendance.last_ended_at, one.attendance.empty_since)
    return earliest(*(end for end in ends if end is not None and end >= start))
