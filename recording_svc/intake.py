"""Takes in what SQS announces: the row is committed before the message goes."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING

import structlog
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
)
from botocore.exceptions import ConnectionError as NotConnectedError

from chassis.database.group_commit import GroupCommit
from chassis.errors import Unavailable
from recording_svc.buckets import AudioBuckets
from recording_svc.domain.recordings import Arrival, Recording
from recording_svc.metrics import Metrics
from recording_svc.notifications import Notice, Outcome, read
from recording_svc.queues import Hand, Hold, Message, Queues, RecordingsQueue
from recording_svc.store import Recordings

if TYPE_CHECKING:
    from types_aiobotocore_sqs.client import SQSClient

__all__ = ["Intake", "Pace", "Queues"]

log = structlog.get_logger()

_LONG_POLL = 20
"""Seconds, SQS's longest."""
_AT_ONCE = 1.0
"""Seconds within which a long poll brings a message or makes no sense."""
_BATCH = 1000
"""Most arrivals in one statement."""
_SLICE = 100
"""Most arrivals of a message that wait as one item: what is committed together is bounded, however much each tells."""
_AWAY = (Unavailable, OSError, NotConnectedError, HTTPClientError, NoCredentialsError, CredentialRetrievalError)
"""Nobody answers: whatever the message says, it is not its fault."""
_REFUSED = (BotoCoreError, ClientError)
"""Somebody answers, and it is no answer to this: perhaps for ever, and then it is the message's own fault."""


@dataclass(frozen=True)
class Pace:
    """How much is in work at once, and how long to wait (seconds) while something is away."""

    batches: int = 2
    first_pause: float = 0.5
    longest_pause: float = 10.0


_HOLD, _PACE = Hold(), Pace()


@dataclass(frozen=True)
class _Committed:
    """A message whose object versions are committed; `new` are those that nobody had told of before."""

    message: Message
    notice: Notice
    arrivals: tuple[Arrival, ...]
    new: frozenset[Arrival]


class Intake:
    """Turns notifications into recordings, and what else arrives into log lines or dead letters."""

    def __init__(
        self,
        sqs: "SQSClient",
        queues: Queues,
        bucket: str,
        audio: AudioBuckets,
        recordings: Recordings,
        now: Callable[[], datetime],
        wake: Callable[[], None],
        metrics: Metrics | None = None,
        hold: Hold = _HOLD,
        pace: Pace = _PACE,
    ) -> None:
        self._queue = RecordingsQueue(sqs, queues, hold)
        self._bucket = bucket
        self._audio = audio
        self._recordings = recordings
        self._now = now
        self._wake = wake
        self._notifications = metrics and metrics.notifications
        self._pace = pace
        self._hold = hold
        self._waiting: set[Hand] = set()
        self._nobody_waits = asyncio.Event()
        self._nobody_waits.set()
        self._group = GroupCommit[tuple[Arrival, ...], frozenset[Arrival]](self._commit_together)
        for outcome in Outcome:
            self._count(outcome, 0)

    async def run(self) -> None:
        """Receive until cancelled; a few batches are in work at once, and wait while a dependency is away."""
        room = asyncio.Semaphore(self._pace.batches)
        async with asyncio.TaskGroup() as working:
            while True:
                await room.acquire()
                working.create_task(self._work(await self._received(), room))

    async def receive(self, wait_seconds: int = _LONG_POLL) -> int:
        """Take in one batch; returns how many messages there were.

        Whatever fails here leaves its messages in the queue: they come again, at once. Raises the first failure.
        """
        messages = await self._queue.receive(wait_seconds)
        if failures := await self._deal_with(messages, patiently=False):
            raise failures[0]
        return len(messages)

    async def take_in(self, arrivals: Sequence[Arrival]) -> int:
        """Commit the recordings that are new, and let them be matched at once. Returns how many."""
        return len(await self._take_in(arrivals)) if arrivals else 0

    async def _received(self) -> list[Message]:
        """The next messages; waits for longer each time that SQS does not answer, or says nothing at once."""
        pause = self._pace.first_pause
        while True:
            # What waits for the database now would only become more.
            await self._nobody_waits.wait()
            begun = time.monotonic()
            try:
                if messages := await self._queue.receive(_LONG_POLL):
                    return messages
            except Exception as error:
                pause = await self._rest(pause, f"{type(error).__name__}: {error}")
                continue
            if time.monotonic() - begun < _AT_ONCE:
                pause = await self._rest(pause, "SQS answered a long poll at once, and without a message")
            else:
                pause = self._pace.first_pause

    async def _work(self, messages: Sequence[Message], room: asyncio.Semaphore) -> None:
        try:
            for error in await self._deal_with(messages, patiently=True):
                log.error("message_failed", exc_info=error)
        finally:
            room.release()

    async def _rest(self, pause: float, why: str) -> float:
        log.warning("intake_interrupted", seconds=pause, error=why)
        await asyncio.sleep(pause)
        return min(pause * 2, self._pace.longest_pause)

    async def _deal_with(self, messages: Sequence[Message], *, patiently: bool) -> list[BaseException]:
        """Deal with messages; returns what went wrong with those that are given back.

        While a dependency is away they stay in hand for as long as SQS allows, and nothing more is received: given
        back they would come again and again, and SQS buries what it hands out too often.
        """
        hand = Hand(set(messages))
        async with self._queue.held(hand):
            try:
                return await self._work_off(hand, patiently)
            finally:
                self._note(hand, is_waiting=False)
                # Also when the process ends: another replica has them at once.
                await self._queue.give_back(sorted(hand.messages, key=lambda one: one.message_id))

    async def _work_off(self, hand: Hand, patiently: bool) -> list[BaseException]:
        pause, begun = self._pace.first_pause, time.monotonic()
        while True:
            failures = await self._attempt(hand.messages)
            away = next((one for one in failures if isinstance(one, _AWAY)), None)
            self._note(hand, is_waiting=away is not None and patiently)
            begun = time.monotonic() if away else begun
            is_over = time.monotonic() - begun > self._hold.at_most
            cause = away or next((one for one in failures if isinstance(one, _REFUSED) and not is_over), None)
            if not cause or not patiently:
                return failures
            pause = await self._rest(pause, f"{type(cause).__name__}: {cause}")

    def _note(self, hand: Hand, *, is_waiting: bool) -> None:
        hand.is_waiting = is_waiting
        if is_waiting:
            self._waiting.add(hand)
            self._nobody_waits.clear()
        else:
            self._waiting.discard(hand)
            if not self._waiting:
                self._nobody_waits.set()

    async def _attempt(self, in_hand: set[Message]) -> list[BaseException]:
        """Deal with each message as soon as what it tells of is committed; what is done leaves the hand."""
        failures: list[BaseException] = []
        committing = {asyncio.create_task(self._commit(one)) for one in in_hand}
        try:
            while committing:
                done, committing = await asyncio.wait(committing, return_when=asyncio.FIRST_COMPLETED)
                failures += [error for one in done if (error := one.exception())]
                failures += await self._settle([one.result() for one in done if one.exception() is None], in_hand)
        finally:
            for task in committing:
                task.cancel()
        return failures

    async def _commit(self, message: Message) -> _Committed:
        """Together with whatever else waits at this moment; one that the store cannot hold stops no other."""
        notice = read(message.body, self._bucket)
        arrivals = await self._found(notice)
        slices = [arrivals[start : start + _SLICE] for start in range(0, len(arrivals), _SLICE)]
        new = await asyncio.gather(
            *(self._group.submit(f"{message.message_id} {number}", one) for number, one in enumerate(slices))
        )
        return _Committed(message, notice, arrivals, frozenset().union(*new))

    async def _found(self, notice: Notice) -> tuple[Arrival, ...]:
        """The object versions behind a message. One without a version id may stand for any version of its key."""
        found = list(notice.arrivals)
        for key in sorted({one.key for one in notice.unversioned}):
            versions = await self._audio.versions_of(self._bucket, key)
            if not versions:
                log.warning("object_gone_before_intake", bucket=self._bucket, object_key=key)
                self._count(Outcome.IGNORED)
            # An empty one has an event of its own, which says so.
            found += [one for one in versions if one.size_bytes]
        return tuple(found)

    async def _settle(self, committed: Sequence[_Committed], in_hand: set[Message]) -> list[Exception]:
        """Set aside and only then delete; what is deleted leaves the hand."""
        self._tell(committed)
        faulty = [(one.message, one.notice.fault) for one in committed if one.notice.fault]
        buried = await self._queue.bury(faulty)
        self._count(Outcome.BURIED, len(buried))
        done = [one.message for one in committed if not one.notice.fault or one.message in buried]
        try:
            await self._queue.delete(done)
        except (*_AWAY, *_REFUSED) as error:
            return [error]
        in_hand.difference_update(done)
        return []

    async def _commit_together(self, told: Sequence[Sequence[Arrival]], _: bool) -> list[frozenset[Arrival]]:
        """Which of the arrivals that each message told of are new; the first that tells of one has it."""
        new = {(one.bucket, one.object_key, one.version_id) for one in await self._take_in(chain.from_iterable(told))}
        firsts = []
        for arrivals in told:
            mine = {(one.bucket, one.key, one.version_id): one for one in arrivals}
            firsts.append(frozenset(mine[place] for place in mine.keys() & new))
            new -= mine.keys()
        return firsts

    async def _take_in(self, arrivals: Iterable[Arrival]) -> list[Recording]:
        every, new = list(arrivals), list[Recording]()
        for start in range(0, len(every), _BATCH):
            new += await self._take_in_batch(every[start : start + _BATCH])
        return new

    async def _take_in_batch(self, arrivals: Sequence[Arrival]) -> list[Recording]:
        begun = time.monotonic()
        new = await self._recordings.take_in(arrivals, self._now())
        for recording in new:
            log.info(
                "recording_discovered", recording_id=recording.recording_id, object_key=recording.object_key,
                version_id=recording.version_id, size_bytes=recording.size_bytes,
                commit_ms=round(1000 * (time.monotonic() - begun)),
            )  # fmt: skip
        self._wake()
        return new

    def _tell(self, committed: Sequence[_Committed]) -> None:
        for one in committed:
            for ignored in one.notice.ignored:
                log.info("notification_ignored", message_id=one.message.message_id, what=ignored.what)
                self._count(ignored.outcome)
            for arrival in one.arrivals:
                self._count(Outcome.TAKEN_IN if arrival in one.new else Outcome.KNOWN)

    def _count(self, outcome: Outcome, amount: int = 1) -> None:
        if self._notifications:
            self._notifications.labels(outcome.value).inc(amount)
