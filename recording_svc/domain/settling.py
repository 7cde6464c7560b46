"""Which states a recording goes through, and what the answers mean for its audio."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from recording_svc.domain.recordings import GOING, Grounds, Match, Recording, Revision, Stage, State

# Without a transcript; and with one, which it never loses.
_BEFORE = frozenset({State.DISCOVERED, State.TRANSCRIBING, State.FAILED})
_WITH = frozenset({State.UNMATCHED, State.UNDECIDED, State.KEPT, State.ERASING})

TRANSITIONS: Mapping[State, frozenset[State]] = {
    State.DISCOVERED: (_BEFORE | _WITH) - {State.DISCOVERED},
    State.TRANSCRIBING: (_BEFORE | _WITH) - {State.TRANSCRIBING},
    # It may be tried again.
    State.FAILED: (_BEFORE | _WITH) - {State.FAILED},
    State.UNMATCHED: _WITH - {State.UNMATCHED},
    State.UNDECIDED: _WITH - {State.UNDECIDED},
    State.KEPT: _WITH - {State.KEPT},
    # Back only while nothing was removed: a grant that came in time, or a transcript that is tried again.
    State.ERASING: (_BEFORE | _WITH | {State.ERASED, State.BLOCKED}) - {State.ERASING},
    State.BLOCKED: _BEFORE | _WITH | {State.ERASED},
    # Somebody put the object again.
    State.ERASED: frozenset({State.ERASING}),
}
"""Every way a recording may go; staying where it is is always allowed."""


class ImpossibleTransitionError(Exception):
    """A fault of ours: the table of transitions does not know this way."""


class Decision(StrEnum):
    """What must happen to the audio."""

    KEEP = "keep"
    DELETE = "delete"
    WAIT = "wait"


@dataclass(frozen=True)
class Verdict:
    """What consent_svc decided, and on what it rests."""

    decision: Decision
    reason: str
    refusals: tuple[Revision, ...] = ()
    rests_on: tuple[Revision, ...] = ()
    decide_at: datetime | None = None


@dataclass(frozen=True)
class Opinion:
    """What consent_svc said when asked. `silence` is why it did not, or why what it said makes no sense."""

    match: Match | None = None
    verdict: Verdict | None = None
    silence: str = ""
    unmatched_reason: str = "NO_MEETING"


@dataclass(frozen=True)
class Times:
    """How long to wait for what."""

    retry: timedelta = timedelta(seconds=2)
    sweep: timedelta = timedelta(seconds=30)
    recheck: timedelta = timedelta(minutes=5)
    blocked: timedelta = timedelta(minutes=5)
    failed_grace: timedelta = timedelta(hours=24)

    def backoff(self, first: timedelta, looks: int, longest: timedelta) -> timedelta:
        """`first`, doubled with every look, at most `longest`."""
        return min(first * (1 << min(looks, 16)), max(first, longest))

    def after_block(self, now: datetime, until: datetime | None) -> datetime:
        """When to try what is blocked again: now and then, and as soon as its lock has ended."""
        soon = now + self.blocked
        # A second later: the bucket's clock may be behind ours.
        return min(soon, max(until + timedelta(seconds=1), now + self.retry)) if until else soon


@dataclass(frozen=True)
class Step:
    """What becomes of a recording now, why, and when to look again."""

    state: State
    reason: str
    look_at: datetime | None
    grounds: Grounds | None = None
    blocked_until: datetime | None = None


def move(recording: Recording, step: Step) -> Recording:
    """The recording after the step.

    Raises:
        ImpossibleTransitionError: the table does not know this way.
    """
    same = step.state is recording.state
    if not same and step.state not in TRANSITIONS[recording.state]:
        raise ImpossibleTransitionError(f"{recording.recording_id}: {recording.state} cannot become {step.state}")
    return replace(
        recording,
        state=step.state,
        reason=step.reason,
        grounds=_grounds_after(recording, step),
        blocked_until=step.blocked_until,
        next_look_at=step.look_at,
        # Whatever stands in the way of an erasure, and however that changes, the pauses grow.
        looks=recording.looks + 1 if same and (step.reason == recording.reason or step.state is State.ERASING) else 0,
    )


def _grounds_after(recording: Recording, step: Step) -> Grounds | None:
    """The step's; the recording's own where they say the same, since they tell since when the audio has to go."""
    before, new = recording.grounds, step.grounds
    if step.state not in GOING or before is None or new is None:
        return new or (before if step.state in GOING else None)
    same = (before.reason, before.refusals, before.deadline) == (new.reason, new.refusals, new.deadline)
    return before if same else new


def judge(recording: Recording, opinion: Opinion, now: datetime, times: Times) -> Step:
    """What must happen to a recording of which nothing was removed yet."""
    if recording.erase_requested_at:
        return _erase(Grounds("OWNER_DELETED", recording.erase_requested_at), now)
    if recording.bound_by:
        return _erase(replace(recording.bound_by, decided_at=now), now)
    stage = recording.transcription.stage
    if stage is Stage.NONE:
        wait = times.backoff(times.sweep, recording.looks, times.recheck)
        return Step(State.DISCOVERED, "AWAITING_TRANSCRIPT", now + wait)
    if stage is Stage.UNDERWAY:
        return Step(State.TRANSCRIBING, "TRANSCRIPT_UNDERWAY", now + times.sweep)
    step = _weigh(recording, opinion, now, times)
    if stage is Stage.FAILED:
        return _after_failure(recording, step, now, times)
    return step


def _weigh(recording: Recording, opinion: Opinion, now: datetime, times: Times) -> Step:
    """What the answers come to once there is a transcript."""
    if opinion.silence:
        # Unanswered is neither yes nor no: withheld. Whoever hears it answer again looks at all at once.
        wait = times.backoff(times.retry, recording.looks, times.sweep)
        return Step(State.UNDECIDED, opinion.silence, now + wait)
    verdict = opinion.verdict
    if verdict is None:
        return Step(State.UNMATCHED, opinion.unmatched_reason, now + times.sweep)
    if verdict.decision is Decision.WAIT:
        due = verdict.decide_at or now + times.recheck
        return Step(State.UNDECIDED, verdict.reason, max(min(due, now + times.recheck), now + times.retry))
    if verdict.decision is Decision.DELETE:
        return _erase(Grounds(verdict.reason, now, verdict.refusals, verdict.rests_on, verdict.decide_at), now)
    over = retention_ends(recording)
    if over and over <= now:
        return _erase(Grounds("RETENTION_OVER", now, (), verdict.rests_on, over), now)
    later = now + times.backoff(times.recheck, recording.looks, 2 * times.recheck)
    return Step(State.KEPT, verdict.reason, min(over, later) if over else later)


def _after_failure(recording: Recording, step: Step, now: datetime, times: Times) -> Step:
    """Audio that could not be transcribed outlives a refusal by a day, for a second attempt."""
    if step.state is not State.ERASING:
        return Step(State.FAILED, step.reason if step.state is not State.KEPT else "TRANSCRIPTION_FAILED", step.look_at)
    due = (recording.transcription.finished_at or recording.discovered_at) + times.failed_grace
    return step if due <= now else Step(State.FAILED, step.reason, min(due, now + times.recheck))


def _erase(grounds: Grounds, now: datetime) -> Step:
    return Step(State.ERASING, grounds.reason, now, grounds)


def bound(recording: Recording, versions: Iterable[Recording]) -> Recording:
    """The recording, bound by the erasure of an earlier version of the same object where there was one.

    Its transcript was made when that one was erased; what comes again under its name must not bring the audio back,
    whatever the answers say by now.
    """
    binding = [
        (one.grounds, one.match)
        for one in versions
        if one.recording_id != recording.recording_id
        and (one.state is State.ERASED or one.removal_began)
        and one.grounds is not None
        and one.grounds.decided_at < recording.discovered_at
    ]
    if not binding:
        return recording
    grounds, match = max(binding, key=lambda pair: pair[0].decided_at)
    # It may never be matched any more, and its meeting's certificate has to name it.
    return replace(recording, bound_by=grounds, match=recording.match if recording.match.meeting_ids else match)


def retention_ends(recording: Recording) -> datetime | None:
    """When the room's retention is over; None where it keeps audio until its owner deletes it."""
    if recording.match.retention_days is None:
        return None
    return (recording.match.recorded_at or recording.discovered_at) + timedelta(days=recording.match.retention_days)


def may_be_heard(recording: Recording, opinion: Opinion, now: datetime) -> bool:
    """Whether the audio may be handed out at this moment: only on KEEP, and only while nothing speaks against it."""
    verdict, over = opinion.verdict, retention_ends(recording)
    bars = (recording.state in GOING, recording.erase_requested_at, recording.bound_by, over and over <= now)
    if any(bars):
        return False
    return not opinion.silence and verdict is not None and verdict.decision is Decision.KEEP
