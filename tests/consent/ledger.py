"""The ledger: what must be known of one meeting after a history, kept without a look into any store."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from assent.consent.v1.consent_events_pb2 import AnswerSubmitted
from assent.consent.v1.consent_pb2 import ANSWER_GRANTED

from consent_svc.domain.answers import HistoryEnd, HistoryEntry, RecordedAnswer, Submission
from consent_svc.domain.meetings import Meeting
from consent_svc.domain.rooms import ConsentPolicy
from consent_svc.domain.standings import Counts
from consent_svc.domain.verdict import Answer, Decision, Person, Standing
from tests.consent.chain import NOTHING_BEFORE, first_fault
from tests.consent.sightings import Sightings

Request = tuple[str, str]
"""Participant and request id."""


@dataclass(frozen=True)
class Outcome:
    """How one call of `submit` ended: with the answer as it was committed, or with the reason of a refusal."""

    submission: Submission
    now: datetime
    reply: RecordedAnswer | None = None
    refusal: str = ""

    @property
    def request(self) -> Request:
        """Whose it was."""
        return self.submission.participant_id, self.submission.request_id

    def __str__(self) -> str:
        sent = self.submission
        ended = told(self.reply) if self.reply else self.refusal
        return f"{sent.participant_id} sent {sent.answer} as {sent.request_id} at {self.now:%d %H:%M:%S}: {ended}"


class Ledger:
    """One meeting. Every method raises AssertionError, which names the invariant that does not hold."""

    def __init__(self, meeting: Meeting) -> None:
        self.meeting = meeting
        self.is_open = False
        self.sightings = Sightings()
        # Who opened the page, and when first.
        self.opened: dict[str, datetime] = {}
        # In the order of their revisions.
        self.answers: list[RecordedAnswer] = []
        self._requests: dict[Request, RecordedAnswer] = {}
        self._digests: dict[str, str] = {}
        self._read: list[HistoryEntry] = []
        self._answered: set[str] = set()
        self._repeated: set[str] = set()

    @property
    def meeting_id(self) -> str:
        """Its id."""
        return self.meeting.meeting_id

    @property
    def present(self) -> set[str]:
        """Everyone who opened, joined or answered."""
        return self.opened.keys() | self.sightings.people | {answer.participant_id for answer in self.answers}

    @property
    def current(self) -> dict[str, RecordedAnswer]:
        """The answer that counts, of each who answered: the one with the highest revision."""
        return {answer.participant_id: answer for answer in self.answers}

    def answer_of(self, submission: Submission) -> RecordedAnswer | None:
        """What this request made, if it was ever committed."""
        return self._requests.get((submission.participant_id, submission.request_id))

    # What happens

    def take(self, outcomes: Sequence[Outcome]) -> None:
        """How several calls ended that were made at the same time, in whatever order they were committed."""
        present = self.present
        new: dict[Request, RecordedAnswer] = {}
        for outcome in outcomes:
            if outcome.reply is not None:
                self._acknowledged(outcome, outcome.reply, new, outcomes)
        for outcome in outcomes:
            if outcome.reply is not None and outcome.submission.presence_required:
                others = {who for who, request in new if (who, request) != outcome.request}
                assert outcome.submission.participant_id in present | others, f"C4: an outsider answered: {outcome}"
        self._append(new)
        for outcome in outcomes:
            if outcome.reply is None:
                self._refused(outcome, present)
        self._answered = {who for who, _ in new}
        self._repeated = {outcome.submission.participant_id for outcome in outcomes} - self._answered

    def _acknowledged(
        self, outcome: Outcome, reply: RecordedAnswer, new: dict[Request, RecordedAnswer], at_once: Sequence[Outcome]
    ) -> None:
        sent = outcome.submission
        assert self.is_open, f"C4: an answer in a meeting that is not known: {outcome}"
        assert reply.participant_id == sent.participant_id, f"C4: told somebody else's answer: {outcome}"
        first = self._requests.get(outcome.request) or new.setdefault(outcome.request, reply)
        assert reply == first, f"C3: a repeated request made another answer: {told(reply)} after {told(first)}"
        assert reply.answer is sent.answer, f"C3: a request id was used for another answer as well: {outcome}"
        said = (reply.meeting_id, reply.participant_id, reply.notice_version, reply.language)
        was_sent = (sent.meeting_id, sent.participant_id, sent.notice_version, sent.language)
        assert said == was_sent, f"C1: the reply is not what was sent: {outcome}"
        if outcome.request in new:
            times = {one.now for one in at_once if one.request == outcome.request}
            assert reply.answered_at in times, f"C1: the reply does not say when it was: {outcome}"

    def _append(self, new: dict[Request, RecordedAnswer]) -> None:
        answers = sorted(new.values(), key=lambda answer: answer.revision)
        revisions, next_one = [answer.revision for answer in answers], len(self.answers) + 1
        expected = list(range(next_one, next_one + len(answers)))
        assert revisions == expected, f"C2: after revision {next_one - 1} came {revisions}"
        self._requests.update(new)
        self.answers += answers
        consent_ids = {answer.consent_id for answer in self.answers}
        assert len(consent_ids) == len(self.answers), "C1: two answers have the same consent_id"

    def _refused(self, outcome: Outcome, present: set[str]) -> None:
        sent, known = outcome.submission, self._requests.get(outcome.request)
        if outcome.refusal == "REQUEST_ID_REUSED":
            assert known, f"C3: a new request was refused as a repeated one: {outcome}"
            assert known.answer is not sent.answer, f"C3: a repeated request was refused: {outcome}"
        else:
            assert outcome.refusal == "MEETING_NOT_FOUND", f"C1: not answered: {outcome}"
            is_outsider = sent.presence_required and sent.participant_id not in present
            assert is_outsider or not self.is_open, f"C4: refused who may answer: {outcome}"

    # What a store says of it

    def check_events(self, events: Sequence[AnswerSubmitted]) -> None:
        """Each tells of an answer, once; the newest answer has one, as it may stand for those before it."""
        told = {event.revision: event.answer == ANSWER_GRANTED for event in events}
        assert len(told) == len(events), f"C3: of a repeated request was told again: {events}"
        answers = {answer.revision: answer.answer is Answer.GRANTED for answer in self.answers}
        assert told.items() <= answers.items(), f"C1: the events {events} tell of what nobody answered"
        newest = max(answers, default=0)
        assert newest == 0 or newest in told, f"C1: no event tells of revision {newest} in {self.meeting_id}"

    def check_history(self, entries: list[HistoryEntry]) -> None:
        """All lines, as far as they were not seen before; those that were must be the same."""
        count = len(self._read)
        assert len(entries) >= count, f"C1, C5: {count} lines of history were read, now there are {len(entries)}"
        assert entries[:count] == self._read, f"C5: history was rewritten: {_first_difference(entries, self._read)}"
        lines, answers = len(entries), len(self.answers)
        invariant = "C1" if lines < answers else "C3" if self._repeated and not self._answered else "C5"
        assert lines == answers, f"{invariant}: {answers} answers were committed, the history has {lines} lines"
        for entry, answer in zip(entries[count:], self.answers[count:], strict=True):
            self._check_line(entry, answer)
        fault = first_fault(entries[count:], count, entries[count - 1].hash if count else NOTHING_BEFORE)
        assert fault is None, f"C5: the chain does not hold at revision {fault}"
        self._read = entries

    def _check_line(self, entry: HistoryEntry, answer: RecordedAnswer) -> None:
        line = (entry.meeting_id, entry.revision, entry.answer, entry.answered_at)
        replied = (answer.meeting_id, answer.revision, answer.answer, answer.answered_at)
        assert line == replied, f"C1, C5: {told(answer)} was replied, but the history's line is {entry}"
        shown = (entry.notice_version, entry.language)
        assert shown == (answer.notice_version, answer.language), f"C5: not the wording that was shown: {entry}"
        digest = self._digests.setdefault(answer.participant_id, entry.participant_digest)
        assert digest == entry.participant_digest, f"C4: a line of {answer.participant_id} is not theirs"
        assert len(set(self._digests.values())) == len(self._digests), "C4: two people share their lines"

    def check_whole_history(self, entries: list[HistoryEntry], end: HistoryEnd) -> None:
        """At the end: byte for byte what was read before, one unbroken chain, ending where the meeting says."""
        assert repr(entries) == repr(self._read), f"C5: history was rewritten: {_first_difference(entries, self._read)}"
        assert first_fault(entries) is None, f"C5: the chain does not hold at revision {first_fault(entries)}"
        last = (entries[-1].revision, entries[-1].hash) if entries else (0, NOTHING_BEFORE)
        assert (end.revision, end.head_hash) == last, f"C5: {end} is not the last line {last}"
        assert end.last_line == end.revision, f"C5: {end} misses its last line"

    def check_answer(self, who: str, found: RecordedAnswer | None) -> None:
        """The answer that counts of one person."""
        expected = self.current.get(who)
        if found is not None and found != expected:
            whose = {answer.consent_id: answer for answer in self.answers}.get(found.consent_id)
            assert whose == found, f"C4: {told(found)} was somebody else's or was changed: it was {told(whose)}"
        assert found == expected, f"{self._blamed(who)}: of {who} counts {told(found)}, not {told(expected)}"

    def check_standing(self, standing: Standing) -> None:
        """How the meeting stands as a whole."""
        people = sorted(standing.people, key=lambda person: person.revision)
        expected = self._people()
        assert people == expected, f"{self._blamed_for(expected, people)}: what counts is {people}, not {expected}"
        meeting = replace(self.meeting, attendance=self.sightings.attendance)
        assert standing.meeting == meeting, f"C6: the meeting is {standing.meeting}, not {meeting}"
        assert standing.strangers == sum(self.sightings.strangers), f"C6: strangers in {standing}"

    def _blamed(self, who: str) -> str:
        return "C2" if who in self._answered else "C3" if who in self._repeated else "C4"

    def _blamed_for(self, expected: list[Person], found: list[Person]) -> str:
        """People have no names here, but revisions; and who was silent has none."""
        missing = [person for person in expected if person not in found]
        somebody_is_gone = len(found) < len(expected) or not all(person.revision for person in missing)
        if somebody_is_gone or not self._answered | self._repeated:
            return "C6"
        whose = [self.answers[person.revision - 1].participant_id for person in missing]
        return max(map(self._blamed, whose), default="C6")

    def check_counts(self, counts: Counts) -> None:
        """What whoever watches is told."""
        answers = [person.answer for person in self._people()]
        granted, denied = answers.count(Answer.GRANTED), answers.count(Answer.DENIED)
        expected = Counts(len(answers), granted, denied, *self.sightings.strangers)
        assert counts == expected, f"C6: {counts} were counted, not {expected}"

    def _people(self) -> list[Person]:
        current = self.current
        granted: dict[str, datetime] = {}
        for answer in self.answers:
            if answer.answer is Answer.GRANTED:
                granted.setdefault(answer.participant_id, answer.answered_at)
        silent = [Person() for _ in self.present - current.keys()]
        answers = sorted(current.values(), key=lambda answer: answer.revision)
        return silent + [Person(one.answer, one.revision, granted.get(one.participant_id)) for one in answers]

    # What it comes to

    @property
    def denials(self) -> list[int]:
        """Revisions of the answers that count and refuse."""
        return sorted(one.revision for one in self.current.values() if one.answer is Answer.DENIED)

    def decision(self, now: datetime) -> Decision:
        """What must happen to this meeting's audio, as the README promises it."""
        if self.denials:
            return Decision.DELETE
        if self.meeting.settings.consent_policy is ConsentPolicy.DELETE_ON_DENIAL:
            return Decision.KEEP
        ended_at = self._ended_at(now)
        if ended_at is None:
            return Decision.WAIT
        deadline = ended_at + self.meeting.settings.consent_deadline
        people = self._people()
        in_time = [person.first_granted_at is not None and person.first_granted_at <= deadline for person in people]
        everyone = bool(people) and all(person.answer is Answer.GRANTED for person in people) and all(in_time)
        if everyone and not any(self.sightings.strangers):
            return Decision.KEEP
        return Decision.WAIT if now < deadline else Decision.DELETE

    def _ended_at(self, now: datetime) -> datetime | None:
        session_ended_at = self.sightings.session_ended_at
        ends = [
            session_ended_at if session_ended_at != self.meeting.started_at else None,
            self.meeting.closed_at,
            self.meeting.closes_at if self.meeting.closes_at <= now else None,
            self.sightings.attendance.empty_since,
        ]
        return next((end for end in ends if end is not None), None)


def told(answer: RecordedAnswer | None) -> str:
    """An answer in few words."""
    if answer is None:
        return "nothing"
    return f"{answer.participant_id} {answer.answer} (revision {answer.revision}, {answer.answered_at:%d %H:%M:%S})"


def _first_difference(entries: list[HistoryEntry], read: list[HistoryEntry]) -> str:
    pairs = zip(entries, read, strict=False)
    return next((f"{now} was {before}" for now, before in pairs if repr(now) != repr(before)), "lines were left out")
