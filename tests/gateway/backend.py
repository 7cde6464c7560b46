"""What the three services in memory know: honest about what the protos promise, and able to pause or to be wrong."""

import asyncio
import itertools
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import grpc
from assent.consent.v1 import consent_pb2
from assent.meeting.v1 import meeting_pb2
from assent.recording.v1 import recording_pb2
from assent.transcript.v1 import transcript_pb2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chassis.errors import FailedPrecondition, NotFound, ServiceError

T = TypeVar("T")
Context = grpc.aio.ServicerContext[Any, Any]


@dataclass
class Backend:
    """What the services know."""

    rooms: dict[str, meeting_pb2.Room] = field(default_factory=dict)
    meetings: dict[str, meeting_pb2.Meeting] = field(default_factory=dict)
    people: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    answers: defaultdict[str, list[consent_pb2.RecordedAnswer]] = field(default_factory=lambda: defaultdict(list))
    requests: dict[tuple[str, str, str], consent_pb2.RecordedAnswer] = field(default_factory=dict)
    fingerprints: list[str] = field(default_factory=list)
    notices: dict[tuple[str, str], consent_pb2.Notice] = field(default_factory=dict)
    receipt_key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    history_faults: dict[str, consent_pb2.HistoryFault] = field(default_factory=dict)
    """What is found in a meeting's history."""
    interruptions: dict[str, ServiceError] = field(default_factory=dict)
    """What ends a meeting's export before its last line."""
    recordings: dict[str, recording_pb2.Recording] = field(default_factory=dict)
    certificates: dict[str, str] = field(default_factory=dict)
    transcripts: dict[str, transcript_pb2.Transcript] = field(default_factory=dict)
    events: defaultdict[str, list[transcript_pb2.TranscriptEvent]] = field(default_factory=lambda: defaultdict(list))
    queued: dict[str, transcript_pb2.TranscriptEvent] = field(default_factory=dict)
    asked_for_events: int = 0
    editors: list[str] = field(default_factory=list)
    audio: dict[str, bytes] = field(default_factory=dict)
    withheld: dict[str, str] = field(default_factory=dict)
    """The reason for which a transcript's audio is not handed out."""
    consent_runs: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared: consent_svc takes calls and answers none, like a paused process."""
    replays_run: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared: transcript_svc looks up what happened to a transcript, but does not answer yet."""
    streamed: int = 0
    """Bytes of audio that left."""
    calls: list[str] = field(default_factory=list)
    """Methods that were called, the first first."""
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.consent_runs.set()
        self.replays_run.set()

    def meeting(self, meeting_id: str) -> meeting_pb2.Meeting:
        """A meeting that there is."""
        if meeting_id not in self.meetings:
            raise NotFound(f"consent_svc knows no meeting {meeting_id}", reason="MEETING_NOT_FOUND")
        return self.meetings[meeting_id]

    def transcript(self, transcript_id: str) -> transcript_pb2.Transcript:
        """A transcript that there is."""
        if transcript_id not in self.transcripts:
            raise NotFound(f"transcript_svc knows no {transcript_id}", reason="TRANSCRIPT_NOT_FOUND")
        return self.transcripts[transcript_id]

    def heard(self, transcript_id: str) -> bytes:
        """Audio that may be handed out."""
        self.transcript(transcript_id)
        if reason := self.withheld.get(transcript_id):
            raise FailedPrecondition("the audio may not be heard", reason=reason)
        if transcript_id not in self.audio:
            raise NotFound("there is no audio", reason="AUDIO_NOT_FOUND")
        return self.audio[transcript_id]


def noted(servicer: T, backend: Backend) -> T:
    """A service in memory, each call of which the backend notes."""
    return cast(T, _Noted(servicer, backend.calls))


class _Noted:
    def __init__(self, servicer: object, calls: list[str]) -> None:
        self._servicer = servicer
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._servicer, name)

        def call(*given: Any) -> Any:
            self._calls.append(name)
            return method(*given)

        return call
