"""What the service asks of its store."""

from datetime import datetime, timedelta
from typing import Protocol

from transcript_svc.domain import Edit, Hit, Job, Outcome, Place, Recording, Segment, Transcript
from transcript_svc.wire import Event

Cursor = tuple[datetime, str]
"""Where a page of a list ends: the last transcript's creation and id."""


class Transcripts(Protocol):
    """Postgres in a service, a dictionary in tests: both face the same cases."""

    async def begin(self, recording: Recording, instance: str, hold: timedelta) -> Job | None:
        """A new attempt at a recording's transcript, held for `hold`; None once the transcript has ended.

        Raises Occupied while another instance holds it. What this instance held, an earlier life of it held.
        """
        ...

    async def hold(self, job: Job, hold: timedelta) -> None:
        """Stay in hold of the job. Raises Overtaken."""
        ...

    async def hand_back(self, job: Job, *, counts: bool) -> None:
        """Let others begin at once. `counts` is false where the recording was not to blame for the end."""
        ...

    async def append(self, job: Job, *events: Event) -> None:
        """Number these events and tell whoever watches. Raises Overtaken."""
        ...

    async def complete(self, job: Job, outcome: Outcome) -> None:
        """Commit the transcript. Raises Overtaken."""
        ...

    async def fail(self, job: Job, reason: str) -> None:
        """There will be no transcript; the reason is for people. Raises Overtaken."""
        ...

    async def match(self, recording: Recording) -> None:
        """Which meetings and which owner the recording's transcript belongs to, if there is one."""
        ...

    async def drop_audio(self, recording_id: str) -> None:
        """The recording's audio was erased: nothing drawn from its sound stays, and whoever watches is told once.

        A transcript that was not made by then never will be: it has failed.
        """
        ...

    async def get(self, transcript_id: str) -> Transcript | None:
        """One transcript with its segments."""
        ...

    async def of_recording(self, recording_id: str) -> Transcript | None:
        """The transcript of a recording, with its segments."""
        ...

    async def page(self, meeting_id: str, owner_id: str, size: int, after: Cursor | None) -> list[Transcript]:
        """Transcripts of a meeting, of an owner or of both, newest first, without segments."""
        ...

    async def unsettled(self, *, matched: bool, size: int, after: str) -> list[Transcript]:
        """Those without an owner, or those with one whose audio was not erased: after that id, without segments."""
        ...

    async def edit(self, transcript_id: str, edit: Edit) -> Transcript | None:
        """The transcript as edited. Raises Locked."""
        ...

    async def edit_segment(self, transcript_id: str, index: int, text: str, editor_id: str) -> Segment | None:
        """The segment with this text; None where there is no such transcript. What it was before is kept.

        Raises Locked, NotCompleted and NoSegment.
        """
        ...

    async def search(self, query: str, meeting_id: str, owner_id: str, size: int, after: Place | None) -> list[Hit]:
        """Those of a meeting, of an owner or of both with a segment that holds all words of the query, best first."""
        ...

    async def delete(self, transcript_id: str) -> None:
        """Forget a transcript with all that belongs to it. Raises Locked."""
        ...

    async def peaks(self, transcript_id: str) -> tuple[float, ...]:
        """The waveform; empty where there is none."""
        ...

    async def events(self, transcript_id: str, after: int) -> list[Event]:
        """What happened after that sequence number, in order."""
        ...
