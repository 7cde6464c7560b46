"""The referee: lets things happen to a store, one by one or at once, and holds it to the ledgers after each."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Coroutine, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import cycle
from typing import Any, TypeVar

from assent.consent.v1.consent_events_pb2 import AnswerSubmitted

from chassis.errors import NotFound
from consent_svc.domain.answers import Submission
from consent_svc.domain.presence import PresenceEvent
from consent_svc.domain.rooms import ConsentPolicy, RoomSettings
from consent_svc.domain.verdict import Answer, Decision, decide
from tests.consent.cases import HOUR, NINE, OWNER, admission, meeting, room
from tests.consent.conftest import Store
from tests.consent.ledger import Ledger, Outcome
from tests.consent.stages import Stage, submit

T = TypeVar("T")

SETTINGS = {
    "standup": RoomSettings(),
    "board": RoomSettings(consent_policy=ConsentPolicy.KEEP_IF_ALL_GRANTED),
    # Opened in the middle of things, or never.
    "retro": RoomSettings(consent_policy=ConsentPolicy.KEEP_IF_ALL_GRANTED, consent_deadline=HOUR),
}
NOWHERE = "nowhere"
"""A meeting that is never opened."""


class Referee:
    """One history: three meetings with ids of their own, and a clock."""

    def __init__(self, stage: Stage, number: int, tally: Counter[str]) -> None:
        self._stage = stage
        self._tally = tally
        self._number = number
        self.now = NINE
        self.meetings = {name: self._ledger(name) for name in (*SETTINGS, NOWHERE)}
        self._rooms: set[str] = set()
        self._requests: Counter[tuple[str, str]] = Counter()
        self._replicas = (stage.replicas[place] for place in cycle((0, 1)))

    @property
    def _store(self) -> Store:
        return self._stage.replicas[0]

    def new_submission(self, name: str, who: str, answer: Answer, wording: tuple[str, str] = ("", "")) -> Submission:
        """An answer with a request id of its own. People count for themselves: they share request ids."""
        self._requests[name, who] += 1
        request_id = f"r-{self._requests[name, who]}"
        return Submission(self.meetings[name].meeting_id, who, answer, request_id, *wording, "one fingerprint")

    def other_submission(self, submission: Submission) -> Submission:
        """The other answer of the same person, with a request id of its own."""
        name = submission.meeting_id.rpartition("-")[0]
        own = self.new_submission(name, submission.participant_id, _other(submission.answer))
        return replace(own, presence_required=submission.presence_required)

    async def begin(self) -> None:
        """Open the first two meetings."""
        await self._stage.clear()
        for name in ("standup", "board"):
            await self._open(name)

    # What happens

    async def opens_the_page(self, name: str, who: str) -> None:
        ledger = self.meetings[name]
        if not ledger.is_open:
            await self._open(name)
        meeting_id = ledger.meeting_id
        assert await self._store.meetings.admit(meeting_id, admission("", user_id=who), self.now) == who
        ledger.opened.setdefault(who, self.now)
        ledger.take([])
        await self._compare_standing(ledger)

    async def answers(self, *submissions: Submission) -> None:
        """One, or several at once."""
        self._count(submissions)
        await self._judge(await self._submit(*submissions))

    async def loses_the_reply(self, submission: Submission) -> None:
        """It is committed, and the service dies before its caller knows."""
        outcomes = await self._submit(submission)
        await self._stage.restart()
        await self._judge(outcomes)
        await self._compare_histories()

    async def dies_before_commit(self, submission: Submission) -> None:
        outcome = await self._stage.dies_before_commit(submission, self.now)
        await self._judge([outcome] if outcome else [], submission)
        await self._compare_histories()

    async def gives_up_waiting(self, submission: Submission, others: Sequence[Submission], turns: int) -> None:
        """One of several callers leaves after that many turns of the event loop, and tries again at once."""
        here, there = self._stage.replicas
        middle = len(others) // 2
        waiting = [*others[:middle], submission, *others[middle:]]
        calls = [asyncio.create_task(submit(here.answers, one, self.now)) for one in waiting]
        while turns and not calls[middle].done():
            await asyncio.sleep(0)
            turns -= 1
        calls[middle].cancel()
        await asyncio.wait(calls)
        replied = [call.result() for call in calls if not call.cancelled()]
        await self._judge([*replied, await submit(there.answers, submission, self.now)])

    async def uses_the_id_again(self, submission: Submission) -> None:
        """For the other answer."""
        if self._ledger_of(submission).answer_of(submission):
            self._tally["request ids used for another answer"] += 1
        await self._judge(await self._submit(replace(submission, answer=_other(submission.answer))))

    async def tells(self, name: str, *events: PresenceEvent, together: bool = False) -> None:
        """Webhooks: one, several at once, or several that are taken in together."""
        ledger = self.meetings[name]
        each = [events] if together else [(event,) for event in events]
        news = await _at_once([next(self._replicas).presence.record(*some) for some in each])
        expected = ledger.sightings.add(*events)
        assert any(news) == expected, f"C6: whether {events} told anything new: {news}"
        ledger.take([])
        await self._compare_standing(ledger)
        await self._compare_presence(ledger)

    async def restarts(self) -> None:
        await self._stage.restart()
        await self._compare_histories()
        await self._compare_events()

    async def deletes_the_room(self, name: str, made_again: bool) -> None:
        """Perhaps somebody else takes the name."""
        ledger, rooms = self.meetings[name], self._store.rooms
        of = ledger.meeting.room
        if of in self._rooms:
            await rooms.remove(of, OWNER, self.now)
            self._rooms.discard(of)
            ledger.meeting = replace(ledger.meeting, closed_at=self.now)
            if made_again:
                await rooms.add(room(of, owner="somebody else"))
        else:
            await _refused(rooms.remove(of, OWNER, self.now), "ROOM_NOT_FOUND")
        ledger.take([])
        await self._compare(ledger)

    async def asks_for_a_verdict(self, names: Sequence[str], later: timedelta = timedelta(0)) -> None:
        ledgers, now = [self.meetings[name] for name in names], self.now + later
        asking = self._store.standings.standings([ledger.meeting_id for ledger in ledgers])
        if not all(ledger.is_open for ledger in ledgers):
            return await _refused(asking, "MEETING_NOT_FOUND")
        verdict = decide(await asking, now)
        decisions = [ledger.decision(now) for ledger in ledgers]
        expected = next(one for one in (Decision.DELETE, Decision.WAIT, Decision.KEEP) if one in decisions)
        self._tally[f"verdict {verdict.decision.name}"] += 1
        assert verdict.decision is expected, f"C6: the verdict on {names} is {verdict}, not {expected}"
        refusals = [(one.meeting_id, revision) for one in ledgers for revision in one.denials]
        assert list(verdict.refusals) == refusals, f"C6: {verdict} does not name the refusals {refusals}"
        revisions = [(one.meeting_id, len(one.answers)) for one in ledgers]
        assert list(verdict.rests_on) == revisions, f"C6: {verdict} does not rest on {revisions}"
        silent = sum(len(one.present - one.current.keys()) for one in ledgers)
        strangers = sum(sum(one.sightings.strangers) for one in ledgers)
        said = (verdict.unanswered, verdict.unidentified)
        assert said == (silent, strangers), f"C6: {silent} were silent and {strangers} strangers, not {said}"
        return None

    async def end(self) -> None:
        """Compare everything, once nothing runs any more."""
        await self._stage.settle()
        for ledger in self.meetings.values():
            ledger.take([])
            await self._compare(ledger, ledger.present)
            await self._compare_presence(ledger)
            if ledger.is_open:
                await self._compare_whole_history(ledger)
                ledger.check_counts(await self._store.standings.counts(ledger.meeting_id))
        for names in (["standup"], ["board"], ["retro"], ["board", "standup"]):
            await self.asks_for_a_verdict(names)
            await self.asks_for_a_verdict(names, later=200 * HOUR)
        await self._compare_events()
        self._tally["lines of history"] += sum(len(ledger.answers) for ledger in self.meetings.values())

    # How it is judged

    async def _submit(self, *submissions: Submission) -> list[Outcome]:
        # No two callers find the same time: it goes back and forth from one to the next.
        times = [self.now + (-1) ** place * timedelta(seconds=place) for place in range(len(submissions))]
        calls = zip(self._replicas, submissions, times, strict=False)
        return await _at_once([submit(replica.answers, one, now) for replica, one, now in calls])

    async def _judge(self, outcomes: list[Outcome], *untold: Submission) -> None:
        submissions = [outcome.submission for outcome in outcomes] + list(untold)
        self._tally["answers submitted"] += len(submissions)
        for ledger in {id(one): one for one in map(self._ledger_of, submissions)}.values():
            ledger.take([outcome for outcome in outcomes if self._ledger_of(outcome.submission) is ledger])
            people = {one.participant_id for one in submissions if self._ledger_of(one) is ledger}
            await self._compare(ledger, people)

    async def _compare(self, ledger: Ledger, people: Iterable[str] = ()) -> None:
        """What one step may have changed."""
        await self._compare_history(ledger)
        if ledger.is_open:
            for who in people:
                ledger.check_answer(who, await self._store.answers.of_participant(ledger.meeting_id, who))
            await self._compare_standing(ledger)

    async def _compare_histories(self) -> None:
        for ledger in self.meetings.values():
            await self._compare_history(ledger)

    async def _compare_history(self, ledger: Ledger) -> None:
        page = self._store.history.page(ledger.meeting_id, 0, 1000)
        if ledger.is_open:
            ledger.check_history(await page)
        else:
            await _refused(page, "MEETING_NOT_FOUND")

    async def _compare_standing(self, ledger: Ledger) -> None:
        if ledger.is_open:
            [standing] = await self._store.standings.standings([ledger.meeting_id])
            ledger.check_standing(standing)

    async def _compare_presence(self, ledger: Ledger) -> None:
        about = ledger.meeting
        evidence = await self._store.presence.evidence(about.whereby_room_name, f"{about.meeting_id}.mp4")
        if ledger.sightings.is_empty and not ledger.is_open:
            assert evidence == [], f"C6: presence of a meeting that nobody told of: {evidence}"
            return
        [found] = evidence
        ledger.sightings.check(found)
        first_opened = min(ledger.opened.values(), default=None)
        said = (found.meeting_id, found.is_known, found.owner_id, found.first_opened_at)
        expected = (about.meeting_id, ledger.is_open, about.owner_id if ledger.is_open else "", first_opened)
        assert said == expected, f"C6: {said} instead of {expected}"

    async def _compare_whole_history(self, ledger: Ledger) -> None:
        history, meeting_id = self._store.history, ledger.meeting_id
        pages = [await history.page(meeting_id, after, 20) for after in range(0, len(ledger.answers) + 1, 20)]
        ledger.check_whole_history([entry for page in pages for entry in page], await history.end(meeting_id))

    async def _compare_events(self) -> None:
        events = [event for event in await self._store.published() if isinstance(event, AnswerSubmitted)]
        for ledger in self.meetings.values():
            ledger.check_events([event for event in events if event.meeting_id == ledger.meeting_id])

    def _count(self, submissions: Sequence[Submission]) -> None:
        for submission in submissions:
            ledger = self._ledger_of(submission)
            if before := ledger.answer_of(submission):
                self._tally["retries"] += 1
                changed = ledger.current[submission.participant_id].answer is not before.answer
                self._tally["late retries that found a changed answer"] += changed

    async def _open(self, name: str) -> None:
        ledger, store = self.meetings[name], self._store
        ledger.meeting = replace(ledger.meeting, started_at=self.now, closes_at=self.now + 8 * HOUR)
        self._rooms.add(ledger.meeting.room)
        await store.rooms.add(room(ledger.meeting.room, settings=SETTINGS[name]))
        await store.meetings.open(ledger.meeting, self.now)
        ledger.is_open = True

    def _ledger(self, name: str) -> Ledger:
        of = room(f"{name}-{self._number}", settings=SETTINGS.get(name))
        return Ledger(replace(meeting(of.name, of), whereby_room_name=f"/{of.name}"))

    def _ledger_of(self, submission: Submission) -> Ledger:
        return self.meetings[submission.meeting_id.rpartition("-")[0]]


def _other(answer: Answer) -> Answer:
    return Answer.DENIED if answer is Answer.GRANTED else Answer.GRANTED


async def _at_once(calls: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    return [await calls[0]] if len(calls) == 1 else await asyncio.gather(*calls)


async def _refused(call: Awaitable[object], reason: str) -> None:
    try:
        found = await call
    except NotFound as error:
        found = error.reason
    assert found == reason, f"C6: {reason} expected, not {found}"
