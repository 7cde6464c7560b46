"""Stores that break an invariant on purpose, in memory and in Postgres: the histories must find every one."""

import asyncio
import uuid
from dataclasses import replace
from datetime import datetime

from consent_svc.domain.answers import HistoryEntry, RecordedAnswer, Submission
from consent_svc.domain.presence import FinishedEvent, PresenceEvent, attendance_of
from consent_svc.domain.verdict import Answer, Person, Standing
from consent_svc.history import GENESIS, hash_of
from tests.consent.conftest import TERMS, Store, store_in_memory
from tests.consent.memory import Memory, MemoryAnswers, MemoryRooms
from tests.consent.memory_presence import MemoryPresence, MemoryStandings
from tests.consent.stages import MakeStore


class TheNewestTimeCounts(MemoryAnswers):
    """C2, by the server's clock, which may jump."""

    async def submit(self, submission: Submission, now: datetime) -> RecordedAnswer:
        person = (submission.meeting_id, submission.participant_id)
        before = self._memory.answers.get(person)
        recorded = await super().submit(submission, now)
        if before and before[0].answered_at > recorded.answered_at:
            self._memory.answers[person] = before
        return recorded


class RevisionsAreReadBeforeTheWait(MemoryAnswers):
    """C2, among answers at the same time."""

    async def submit(self, submission: Submission, now: datetime) -> RecordedAnswer:
        lines = self._memory.history[submission.meeting_id]
        revision = len(lines) + 1
        await asyncio.sleep(0)
        recorded = await super().submit(submission, now)
        if recorded.revision < len(lines) or recorded.revision == revision:
            return recorded
        person = (submission.meeting_id, submission.participant_id)
        stale = replace(recorded, revision=revision)
        self._memory.answers[person] = (stale, self._memory.answers[person][1])
        self._memory.requests[*person, submission.request_id] = stale
        lines[-1] = replace(lines[-1], revision=revision)
        return stale


class AnyOldDenialCounts(MemoryStandings):
    """C2: who once refused can never grant."""

    def _people(self, meeting_id: str) -> tuple[Person, ...]:
        people = super()._people(meeting_id)
        denials = {one.participant_digest for one in self._memory.history[meeting_id] if one.answer is Answer.DENIED}
        digests = {one.revision: one.participant_digest for one in self._memory.history[meeting_id]}
        return tuple(
            replace(person, answer=Answer.DENIED) if digests.get(person.revision) in denials else person
            for person in people
        )


class RequestIdsAreIgnored(MemoryAnswers):
    """C3: every retry is an answer."""

    async def submit(self, submission: Submission, now: datetime) -> RecordedAnswer:
        return await super().submit(replace(submission, request_id=str(uuid.uuid4())), now)


class ALateRetryAppliesAgain(MemoryAnswers):
    """C3: the reply is as it was, but the old answer counts again."""

    async def submit(self, submission: Submission, now: datetime) -> RecordedAnswer:
        recorded = await super().submit(submission, now)
        person = (submission.meeting_id, submission.participant_id)
        self._memory.answers[person] = (recorded, self._memory.answers[person][1])
        return recorded


class RequestIdsAreForgotten(MemoryAnswers):
    """C3: after ten newer ones."""

    async def submit(self, submission: Submission, now: datetime) -> RecordedAnswer:
        recorded = await super().submit(submission, now)
        for request in list(self._memory.requests)[:-10]:
            del self._memory.requests[request]
        return recorded


class ARequestIdTakesAnyAnswer(MemoryAnswers):
    """C3: who uses one for the other answer is told that this was done."""

    async def submit(self, submission: Submission, now: datetime) -> RecordedAnswer:
        request = (submission.meeting_id, submission.participant_id, submission.request_id)
        return self._memory.requests.get(request) or await super().submit(submission, now)


class AChangeOfMindIsMadeUndone(MemoryAnswers):
    """C5: the person's former lines say the same as the new one, and the chain is made anew so that it holds."""

    async def submit(self, submission: Submission, now: datetime) -> RecordedAnswer:
        recorded = await super().submit(submission, now)
        lines = self._memory.history[submission.meeting_id]
        mine = lines[recorded.revision - 1].participant_digest
        for place, line in enumerate(lines):
            previous = lines[place - 1].hash if place else GENESIS
            answer = lines[-1].answer if line.participant_digest == mine else line.answer
            lines[place] = _hashed(replace(line, answer=answer, previous_hash=previous))
        return recorded


class EveryLineBeginsAChain(MemoryAnswers):
    """C5: lines can be left out."""

    async def submit(self, submission: Submission, now: datetime) -> RecordedAnswer:
        recorded = await super().submit(submission, now)
        lines = self._memory.history[submission.meeting_id]
        lines[-1] = _hashed(replace(lines[-1], previous_hash=GENESIS))
        return recorded


class TheWordingIsNotKept(MemoryAnswers):
    """C5: each line names the page's own language."""

    async def submit(self, submission: Submission, now: datetime) -> RecordedAnswer:
        return replace(await super().submit(replace(submission, language="en"), now), language=submission.language)


class HistoryGoesWithTheRoom(MemoryRooms):
    """C5: deleting a room leaves nothing of its meetings."""

    async def remove(self, name: str, owner_id: str, now: datetime) -> None:
        await super().remove(name, owner_id, now)
        for meeting in self._memory.meetings.values():
            if meeting.room == name:
                self._memory.history[meeting.meeting_id].clear()


class SomeAnswersTellNobody(MemoryAnswers):
    """C1: committed without its event."""

    async def submit(self, submission: Submission, now: datetime) -> RecordedAnswer:
        recorded = await super().submit(submission, now)
        if recorded.revision % 3 == 0:
            self._memory.published.pop()
        return recorded


class RequestIdsBelongToNobody(MemoryAnswers):
    """C4: who uses somebody's request id is told their answer."""

    async def submit(self, submission: Submission, now: datetime) -> RecordedAnswer:
        for (meeting_id, who, request_id), recorded in self._memory.requests.items():
            is_theirs = (meeting_id, request_id) == (submission.meeting_id, submission.request_id)
            if is_theirs and who != submission.participant_id:
                return recorded
        return await super().submit(submission, now)


class TheSameBrowserIsTheSamePerson(MemoryAnswers):
    """C4: the fingerprint gives a right. In these histories all have the same."""

    async def submit(self, submission: Submission, now: datetime) -> RecordedAnswer:
        recorded = await super().submit(submission, now)
        for (meeting_id, who), (_, granted_at) in self._memory.answers.items():
            if meeting_id == submission.meeting_id and who != submission.participant_id:
                self._memory.answers[meeting_id, who] = (replace(recorded, participant_id=who), granted_at)
        return recorded


class AnybodyMayAnswer(MemoryAnswers):
    """C4: an outsider as well."""

    async def submit(self, submission: Submission, now: datetime) -> RecordedAnswer:
        return await super().submit(replace(submission, presence_required=False), now)


class SilenceIsARefusal(MemoryStandings):
    """C6, whatever the room's policy is."""

    def _people(self, meeting_id: str) -> tuple[Person, ...]:
        people = super()._people(meeting_id)
        return tuple(replace(person, answer=person.answer or Answer.DENIED) for person in people)


class NobodyRefusesAfterTheEnd(MemoryStandings):
    """C6: a late refusal does nothing."""

    async def standings(self, meeting_ids: list[str]) -> list[Standing]:
        found = await super().standings(meeting_ids)
        return [replace(one, people=()) if one.meeting.closed_at else one for one in found]


class TheLastWebhookIsRight(MemoryPresence):
    """C6: whatever came last, not whatever happened last."""

    def _take_in(self, event: PresenceEvent) -> bool:
        news = super()._take_in(event)
        if not isinstance(event, FinishedEvent):
            self._memory.attendance[event.meeting_id] = attendance_of(event)
        return news


def loses_the_last_answer(memory: Memory) -> Store:
    """C1: what was acknowledged last is not on disk when the service starts again."""
    for meeting_id, lines in memory.history.items():
        if lines:
            lost = lines.pop()
            for person, (recorded, _) in list(memory.answers.items()):
                if person[0] == meeting_id and recorded.revision == lost.revision:
                    del memory.answers[person]
    return store_in_memory(memory)


def _hashed(entry: HistoryEntry) -> HistoryEntry:
    return replace(entry, hash=hash_of(entry))


def _answers(kind: type[MemoryAnswers]) -> MakeStore:
    return lambda memory: replace(store_in_memory(memory), answers=kind(memory, TERMS))


def _standings(kind: type[MemoryStandings]) -> MakeStore:
    return lambda memory: replace(store_in_memory(memory), standings=kind(memory))


def _rooms(kind: type[MemoryRooms]) -> MakeStore:
    return lambda memory: replace(store_in_memory(memory), rooms=kind(memory))


def _presence(kind: type[MemoryPresence]) -> MakeStore:
    return lambda memory: replace(store_in_memory(memory), presence=kind(memory))


IN_MEMORY: dict[str, MakeStore] = {
    "C1 the last answer is lost at a restart": loses_the_last_answer,
    "C1 some answers tell nobody": _answers(SomeAnswersTellNobody),
    "C2 the newest time counts": _answers(TheNewestTimeCounts),
    "C2 revisions are read before the wait": _answers(RevisionsAreReadBeforeTheWait),
    "C2 any old denial counts": _standings(AnyOldDenialCounts),
    "C3 request ids are ignored": _answers(RequestIdsAreIgnored),
    "C3 a late retry applies again": _answers(ALateRetryAppliesAgain),
    "C3 request ids are forgotten": _answers(RequestIdsAreForgotten),
    "C3 a request id takes any answer": _answers(ARequestIdTakesAnyAnswer),
    "C4 request ids belong to nobody": _answers(RequestIdsBelongToNobody),
    "C4 the same browser is the same person": _answers(TheSameBrowserIsTheSamePerson),
    "C4 anybody may answer": _answers(AnybodyMayAnswer),
    "C5 a change of mind is made undone": _answers(AChangeOfMindIsMadeUndone),
    "C5 every line begins a chain": _answers(EveryLineBeginsAChain),
    "C5 the wording is not kept": _answers(TheWordingIsNotKept),
    "C5 history goes with the room": _rooms(HistoryGoesWithTheRoom),
    "C6 silence is a refusal": _standings(SilenceIsARefusal),
    "C6 nobody refuses after the end": _standings(NobodyRefusesAfterTheEnd),
    "C6 the last webhook is right": _presence(TheLastWebhookIsRight),
}
"""The invariant and what is wrong with it, and how to start such a store."""


def trigger(when: str, body: str) -> list[str]:
    """A trigger of the tables' owner, with the owner's rights."""
    return [
        f"CREATE FUNCTION sabotage() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN {body} END $$",
        f"CREATE TRIGGER zz_sabotage {when} FOR EACH ROW EXECUTE FUNCTION sabotage()",
    ]


_REWRITABLE = ["ALTER TABLE history DISABLE TRIGGER append_only"]
_TELL_ANOTHER_TIME = "NEW.answered_at := NEW.answered_at + interval '1 second'; RETURN NEW;"
_SKIP_EVERY_FIFTH = "NEW.revision := NEW.revision + (NEW.revision % 5 = 0)::int; RETURN NEW;"
_LEAVE_THE_NEWER = "IF NEW.answered_at < OLD.answered_at THEN RETURN NULL; END IF; RETURN NEW;"
_TAKE_ANOTHER_ID = "NEW.request_id := NEW.request_id || '#' || NEW.revision; RETURN NEW;"
_LINK_NOTHING = "NEW.previous_hash := repeat('0', 64); RETURN NEW;"
_TAKE_IT_FOR_ALL = """
IF pg_trigger_depth() = 1 THEN UPDATE answers SET answer = NEW.answer WHERE meeting_id = NEW.meeting_id; END IF;
RETURN NULL;
"""
_REWRITE_THEIR_LINES = """
UPDATE history SET answer = NEW.answer
WHERE meeting_id = NEW.meeting_id AND participant_digest = NEW.participant_digest AND revision < NEW.revision;
RETURN NULL;
"""
_DELETE_ITS_LINES = """
DELETE FROM history USING meetings WHERE meetings.meeting_id = history.meeting_id AND meetings.room = OLD.name;
RETURN NULL;
"""
_FORGET_ENDS = "NEW.last_ended_at := coalesce(OLD.last_ended_at, NEW.last_ended_at); RETURN NEW;"

IN_POSTGRES: dict[str, list[str]] = {
    "C1 lines tell another time": trigger("BEFORE INSERT ON history", _TELL_ANOTHER_TIME),
    "C2 the newest time counts": trigger("BEFORE UPDATE ON answers", _LEAVE_THE_NEWER),
    "C2 revisions leave gaps": trigger("BEFORE UPDATE OF revision ON meetings", _SKIP_EVERY_FIFTH),
    "C3 request ids are ignored": trigger("BEFORE INSERT ON history", _TAKE_ANOTHER_ID),
    "C4 an answer is everybody's": trigger("AFTER INSERT OR UPDATE ON answers", _TAKE_IT_FOR_ALL),
    "C5 former lines are rewritten": _REWRITABLE + trigger("AFTER INSERT ON history", _REWRITE_THEIR_LINES),
    "C5 the chain is not linked": trigger("BEFORE INSERT ON history", _LINK_NOTHING),
    "C5 history goes with the room": _REWRITABLE + trigger("AFTER DELETE ON rooms", _DELETE_ITS_LINES),
    "C6 only the first end counts": trigger("BEFORE UPDATE ON attendance", _FORGET_ENDS),
}
"""The invariant and what is wrong with it, and what the tables' owner did to the database."""
