"""The verdict: what the answers of a recording's meetings come to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum, auto

from consent_svc.domain.meetings import Meeting
from consent_svc.domain.rooms import ConsentPolicy


class Answer(StrEnum):
    """What one participant said about keeping the audio of one meeting."""

    GRANTED = "granted"
    DENIED = "denied"


class Decision(Enum):
    """What must happen to the audio."""

    KEEP = auto()
    DELETE = auto()
    WAIT = auto()


class Reason(Enum):
    """Why."""

    NOBODY_REFUSED = auto()
    SOMEBODY_REFUSED = auto()
    ALL_GRANTED = auto()
    ANSWERS_AWAITED = auto()
    UNANSWERED_AT_DEADLINE = auto()


@dataclass(frozen=True)
class Person:
    """Someone who opened, joined or answered, and how they stand; without a name."""

    answer: Answer | None = None
    # Of their answer; 0 while there is none.
    revision: int = 0
    first_granted_at: datetime | None = None

    def had_granted(self, by: datetime) -> bool:
        """Whether they grant, and did so before then. Who takes a grant back and gives it again has not been late."""
        return self.answer is Answer.GRANTED and self.first_granted_at is not None and self.first_granted_at <= by


@dataclass(frozen=True)
class Standing:
    """How one meeting stands."""

    meeting: Meeting
    people: tuple[Person, ...] = ()
    # Stays of people whom Whereby saw and our page did not: by telephone, or by Whereby's own address. They cannot
    # answer, and who comes twice counts twice.
    strangers: int = 0

    @property
    def revision(self) -> int:
        """The latest of the meeting; whoever made it still has it as their current one."""
        return max((person.revision for person in self.people), default=0)


@dataclass(frozen=True)
class Verdict:
    """A decision with what it rests on."""

    decision: Decision
    reason: Reason
    # (meeting id, revision) of every refusal.
    refusals: tuple[tuple[str, int], ...] = ()
    # (meeting id, latest revision) of every meeting.
    rests_on: tuple[tuple[str, int], ...] = ()
    # With WAIT: when to ask again. With UNANSWERED_AT_DEADLINE: the deadline that passed.
    decide_at: datetime | None = None
    # People asked who have said nothing, and stays of people who cannot be asked.
    unanswered: int = 0
    unidentified: int = 0
    # Which of several meetings was recorded cannot be told: a refusal in any of them counts.
    ambiguous_meeting: bool = False


def decide(standings: Sequence[Standing], now: datetime) -> Verdict:
    """One refusal in any of the meetings is enough; whether silence is one too, each meeting's policy says.

    Raises ValueError without meetings: nothing may be concluded from nothing.
    """
    if not standings:
        raise ValueError("a verdict needs at least one meeting")
    refusals = tuple(
        (standing.meeting.meeting_id, person.revision)
        for standing in standings
        for person in sorted(standing.people, key=lambda person: person.revision)
        if person.answer is Answer.DENIED
    )
    decision, reason, decide_at = (
        (Decision.DELETE, Reason.SOMEBODY_REFUSED, None) if refusals else _of_silence(standings, now)
    )
    rests_on = tuple((standing.meeting.meeting_id, standing.revision) for standing in standings)
    return Verdict(
        decision=decision,
        reason=reason,
        refusals=refusals,
        rests_on=rests_on,
        decide_at=decide_at,
        unanswered=sum(person.answer is None for standing in standings for person in standing.people),
        unidentified=sum(standing.strangers for standing in standings),
        ambiguous_meeting=len(standings) > 1,
    )


def _of_silence(standings: Sequence[Standing], now: datetime) -> tuple[Decision, Reason, datetime | None]:
    judged = [_of_meeting(standing, now) for standing in standings]
    for decision in (Decision.DELETE, Decision.WAIT):
        found = [(decided, reason, at) for decided, reason, at in judged if decided is decision and at is not None]
        if found:
            return min(found, key=lambda one: one[2])
    everyone_granted = all(reason is Reason.ALL_GRANTED for _, reason, _ in judged)
    return Decision.KEEP, Reason.ALL_GRANTED if everyone_granted else Reason.NOBODY_REFUSED, None


def _of_meeting(standing: Standing, now: datetime) -> tuple[Decision, Reason, datetime | None]:
    """One meeting in which nobody refused."""
    settings = standing.meeting.settings
    if settings.consent_policy is ConsentPolicy.DELETE_ON_DENIAL:
        return Decision.KEEP, Reason.NOBODY_REFUSED, None
    ended_at = standing.meeting.ended_at(now) or standing.meeting.attendance.empty_since
    if ended_at is None:  # others may still come: at the earliest it ends now
        return Decision.WAIT, Reason.ANSWERS_AWAITED, now + settings.consent_deadline
    deadline = ended_at + settings.consent_deadline
    # That nobody is known to have been there is no grant: a recording has somebody's voice on it.
    everyone_granted = all(person.had_granted(deadline) for person in standing.people)
    if standing.people and everyone_granted and not standing.strangers:
        return Decision.KEEP, Reason.ALL_GRANTED, None
    if now < deadline:
        return Decision.WAIT, Reason.ANSWERS_AWAITED, deadline
    return Decision.DELETE, Reason.UNANSWERED_AT_DEADLINE, deadline
