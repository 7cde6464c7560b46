"""What a recording is, where it stands, and where its audio lies."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class State(StrEnum):
    """Where a recording stands between its arrival and its audio being kept or gone."""

    DISCOVERED = "discovered"
    UNMATCHED = "unmatched"
    TRANSCRIBING = "transcribing"
    UNDECIDED = "undecided"
    KEPT = "kept"
    ERASING = "erasing"
    ERASED = "erased"
    BLOCKED = "blocked"
    FAILED = "failed"


GOING = frozenset({State.ERASING, State.BLOCKED, State.ERASED})
"""Those in which audio is on its way out, or out."""


class StaleError(Exception):
    """Somebody else changed the recording since it was read: read it again."""


class Stage(StrEnum):
    """How far a recording's transcript is."""

    NONE = "none"
    UNDERWAY = "underway"
    COMMITTED = "committed"
    FAILED = "failed"


class CopyKind(StrEnum):
    """What kind of place audio bytes lie in."""

    ORIGINAL = "original"
    MULTIPART = "multipart"
    MP3 = "mp3"
    SCRATCH = "scratch"


class CopyState(StrEnum):
    """Whether a place may still hold audio."""

    PRESENT = "present"
    GONE = "gone"
    BLOCKED = "blocked"


@dataclass(frozen=True)
class Revision:
    """A place in a meeting's history of answers."""

    meeting_id: str
    revision: int


@dataclass(frozen=True)
class Transcription:
    """What transcript_svc last said about a recording's transcript."""

    stage: Stage = Stage.NONE
    transcript_id: str = ""
    duration_ms: int | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True)
class Match:
    """The meetings that a recording belongs to; none while unmatched."""

    meeting_ids: tuple[str, ...] = ()
    owner_id: str = ""
    recorded_at: datetime | None = None
    retention_days: int | None = None
    # Named by an operator, while consent_svc knows none.
    by_hand: bool = False


@dataclass(frozen=True)
class Grounds:
    """Why audio was erased. Recorded before the first byte goes."""

    reason: str
    decided_at: datetime
    refusals: tuple[Revision, ...] = ()
    rests_on: tuple[Revision, ...] = ()
    deadline: datetime | None = None


@dataclass(frozen=True)
class Arrival:
    """An object version that lies in the recordings bucket."""

    bucket: str
    key: str
    version_id: str
    size_bytes: int


@dataclass(frozen=True)
class Copy:
    """A place where audio bytes of one recording may lie; `bucket` is the instance's name for scratch."""

    copy_id: str
    recording_id: str
    kind: CopyKind
    bucket: str
    key: str
    state: CopyState = CopyState.PRESENT
    gone_at: datetime | None = None


@dataclass(frozen=True)
class Recording:
    """One object version that Whereby put, and what became of it. `revision` counts its changes."""

    recording_id: str
    bucket: str
    object_key: str
    version_id: str
    size_bytes: int
    discovered_at: datetime
    state: State = State.DISCOVERED
    reason: str = "AWAITING_TRANSCRIPT"
    # Since when in this state for this reason; None since it came.
    state_since: datetime | None = None
    match: Match = field(default_factory=Match)
    transcription: Transcription = field(default_factory=Transcription)
    grounds: Grounds | None = None
    # Something was removed: from here there is no way back.
    removal_began: bool = False
    # Why another version of the same object was erased before this one came. Looked up, never stored.
    bound_by: Grounds | None = None
    erase_requested_at: datetime | None = None
    erased_at: datetime | None = None
    # When the lock ends that holds it, where S3 says so.
    blocked_until: datetime | None = None
    certificate: str = ""
    # How often it was looked at since its state changed.
    looks: int = 0
    next_look_at: datetime | None = None
    revision: int = 1
