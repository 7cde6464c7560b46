"""What a transcript is and the rules it obeys."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

# A pause this long starts a new segment; a segment this long is cut at its next word.
SEGMENT_PAUSE_MS = 600
SEGMENT_LIMIT_MS = 15_000

# A recording that brings workers down must not do so for ever.
MOST_TRIES = 8


class Status(StrEnum):
    """How far a transcript is."""

    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    NO_AUDIO = "no_audio"

    @property
    def is_final(self) -> bool:
        """Nothing will be written by a worker any more."""
        return self in FINAL


FINAL = frozenset({Status.COMPLETED, Status.FAILED, Status.NO_AUDIO})


@dataclass(frozen=True, slots=True)
class Word:
    """One word, with its times from the beginning of the audio."""

    text: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech between two pauses."""

    start_ms: int
    end_ms: int
    text: str
    words: tuple[Word, ...] = ()
    # What was heard, where the text is another by now.
    original: str | None = None
    # The track that is heard, by its name or number; empty where the recording has but one, or none stands out.
    speaker: str = ""

    @classmethod
    def of(cls, words: Sequence[Word]) -> "Segment":
        """The segment that these words make; at least one word."""
        return cls(words[0].start_ms, words[-1].end_ms, " ".join(word.text for word in words), tuple(words))

    @property
    def heard(self) -> str:
        """The text as the recogniser gave it."""
        return self.text if self.original is None else self.original

    def reworded(self, text: str) -> "Segment":
        """With another text; with the one that was heard, it is as if it had never been edited."""
        return replace(self, text=text, original=None if text == self.heard else self.heard)


@dataclass(frozen=True, slots=True)
class Recording:
    """What recording_svc says of the recording that a transcript is made from."""

    id: str
    bucket: str
    object_key: str
    version_id: str
    meeting_ids: tuple[str, ...] = ()
    owner_id: str = ""


@dataclass(frozen=True, slots=True)
class Audio:
    """The mp3 made from a recording, as it lies in the audio bucket."""

    bucket: str
    object_key: str
    version_id: str
    size_bytes: int
    etag: str


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said in one recording. One recording has exactly one transcript."""

    id: str
    recording_id: str
    meeting_ids: tuple[str, ...]
    owner_id: str
    status: Status
    created_at: datetime
    # Counts how often work was begun; only the latest attempt may write.
    attempt: int = 0
    # As attempt, without those that ended through no fault of the recording.
    tries: int = 0
    duration_ms: int = 0
    language: str = ""
    title: str = ""
    reviewed: bool = False
    locked: bool = False
    audio_deleted: bool = False
    audio: Audio | None = None
    failure: str = ""
    finished_at: datetime | None = None
    # The number of its latest event.
    last_sequence: int = 0
    # Left out of lists.
    segments: tuple[Segment, ...] = ()


@dataclass(frozen=True, slots=True)
class Match:
    """A segment that holds what was looked for, and where in its text: from, and up to but without, a character."""

    index: int
    segment: Segment
    marks: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the order of what was found something stands: higher comes first. The rank is a decimal number."""

    rank: Decimal
    created_at: datetime
    transcript_id: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A transcript in which something was found."""

    transcript: Transcript
    place: Place
    matches: tuple[Match, ...]


@dataclass(frozen=True, slots=True)
class Job:
    """The right to write one transcript, until somebody begins a later attempt."""

    transcript_id: str
    recording_id: str
    attempt: int
    tries: int

    @property
    def is_hopeless(self) -> bool:
        """It was tried so often that trying once more will not help."""
        return self.tries > MOST_TRIES


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the work on one recording gave."""

    status: Status
    duration_ms: int
    language: str = ""
    segments: tuple[Segment, ...] = ()
    peaks: tuple[float, ...] = ()
    audio: Audio | None = None


@dataclass(frozen=True, slots=True)
class Edit:
    """What the owner wants changed; None leaves it as it is."""

    title: str | None = None
    reviewed: bool | None = None
    locked: bool | None = None

    @property
    def only_unlocks(self) -> bool:
        """It takes the lock off and does nothing else."""
        return self == Edit(locked=False)


class Occupied(Exception):
    """Another worker is at it: ask again later."""


class Overtaken(Exception):
    """A later attempt was begun, or the transcript ended or was deleted: this worker must stop and write nothing."""


class Locked(Exception):
    """The owner locked this transcript; nothing but unlocking it is allowed."""


class NotCompleted(Exception):
    """Its words are still being heard, or there never will be any: there is nothing to edit."""


class NoSegment(Exception):
    """The transcript has no segment of this number."""


def begun(transcript: Transcript, occupied: bool) -> Transcript | None:
    """The transcript with a new attempt under way, or None where nothing is left to do.

    Raises Occupied while another worker shows signs of life.
    """
    if transcript.status.is_final:
        return None
    if occupied:
        raise Occupied
    return replace(transcript, status=Status.PROCESSING, attempt=transcript.attempt + 1, tries=transcript.tries + 1)


def may_write(transcript: Transcript, attempt: int) -> bool:
    """A worker that was paused and overtaken must not write: only the latest attempt may, and only until it ends."""
    return transcript.status is Status.PROCESSING and transcript.attempt == attempt


def edited(transcript: Transcript, edit: Edit) -> Transcript:
    """The transcript as the owner wants it. Raises Locked."""
    if transcript.locked and not edit.only_unlocks:
        raise Locked
    return replace(
        transcript,
        title=transcript.title if edit.title is None else edit.title,
        reviewed=transcript.reviewed if edit.reviewed is None else edit.reviewed,
        locked=transcript.locked if edit.locked is None else edit.locked,
    )


def ensure_editable(transcript: Transcript) -> None:
    """Raises Locked and NotCompleted where its words must stay as they are."""
    if transcript.locked:
        raise Locked
    if transcript.status is not Status.COMPLETED:
        raise NotCompleted


def segments_of(words: Iterable[Word]) -> list[Segment]:
    """Words in order, cut into segments at pauses and before they grow too long to read."""
    segments: list[Segment] = []
    waiting: list[Word] = []
    for word in words:
        if waiting and _cut_before(word, waiting):
            segments.append(Segment.of(waiting))
            waiting = []
        waiting.append(word)
    if waiting:
        segments.append(Segment.of(waiting))
    return segments


def _cut_before(word: Word, waiting: Sequence[Word]) -> bool:
    paused = word.start_ms - waiting[-1].end_ms >= SEGMENT_PAUSE_MS
    return paused or word.end_ms - waiting[0].start_ms > SEGMENT_LIMIT_MS
