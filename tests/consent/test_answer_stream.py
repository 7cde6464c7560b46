"""Answers of many people over one stream: each has its own outcome, as soon as it is known."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from assent.consent.v1 import consent_pb2
from assent.consent.v1 import consent_service_pb2 as rpc
from assent.consent.v1.consent_events_pb2 import AnswerSubmitted
from assent.consent.v1.consent_service_pb2_grpc import ConsentServiceStub, add_ConsentServiceServicer_to_server
from sqlalchemy import text

from chassis.channel import Tls, connect
from chassis.database import Database
from chassis.errors import DeadlineExceeded
from chassis.server import Server
from consent_svc.domain.verdict import Answer
from consent_svc.servicer.consent import ConsentServicer
from consent_svc.store.answers import PostgresAnswers
from tests.consent.cases import ANA, BEN, CEM, NINE, Clock, meeting, room, says
from tests.consent.conftest import TERMS, Store
from tests.consent.histories import SIGNER
from tests.eventually import eventually

if TYPE_CHECKING:  # only the stubs' types know it
    from assent.consent.v1.consent_service_pb2_grpc import ConsentServiceAsyncStub

GRANTED, DENIED = consent_pb2.ANSWER_GRANTED, consent_pb2.ANSWER_DENIED


def pending(number: int, who: str, said: Any, request_id: str, **more: Any) -> rpc.PendingAnswer:
    named = {"meeting_id": "m-1", "participant_id": who, "request_id": request_id, **more}
    traceparent = named.pop("traceparent", "")
    return rpc.PendingAnswer(
        number=number, answer=rpc.SubmitAnswerRequest(**named, answer=said), traceparent=traceparent
    )


class Line:
    """A stream of answers that stays open until it is hung up."""

    def __init__(self, stub: "ConsentServiceAsyncStub") -> None:
        self._sent: asyncio.Queue[rpc.SubmitAnswersRequest | None] = asyncio.Queue()
        self._call = stub.SubmitAnswers(self._requests())
        self._responses = self._call.__aiter__()

    def say(self, *answers: rpc.PendingAnswer) -> None:
        self._sent.put_nowait(rpc.SubmitAnswersRequest(answers=answers))

    def hang_up(self) -> None:
        self._sent.put_nowait(None)

    def break_off(self) -> None:
        self._call.cancel()

    async def outcomes(self, count: int) -> dict[int, rpc.AnswerOutcome]:
        """The next so many, by their number."""
        heard: dict[int, rpc.AnswerOutcome] = {}
        async with asyncio.timeout(20):
            while len(heard) < count:
                heard |= {outcome.number: outcome for outcome in (await anext(self._responses)).outcomes}
        return heard

    async def end(self) -> None:
        """Returns once the other side has ended the stream in peace."""
        async with asyncio.timeout(5):
            async for _ in self._responses:
                raise AssertionError("there was more")

    async def _requests(self) -> AsyncIterator[rpc.SubmitAnswersRequest]:
        while request := await self._sent.get():
            yield request


@pytest.fixture
async def opened(store: Store) -> Store:
    await store.rooms.add(room())
    await store.meetings.open(meeting(), NINE)
    return store


@asynccontextmanager
async def serving(store: Store, clock: Clock, tls: Tls) -> AsyncIterator[tuple[Server, "ConsentServiceAsyncStub"]]:
    """A server of the test's own, with one meeting, to be stopped at will."""
    await store.rooms.add(room())
    await store.meetings.open(meeting(), NINE)
    server = Server("127.0.0.1:0", tls=tls)
    servicer = ConsentServicer(
        store.answers, store.standings, store.history, store.receipts, SIGNER, clock, server.ending
    )
    server.add(add_ConsentServiceServicer_to_server, servicer, rpc.DESCRIPTOR.services_by_name["ConsentService"])
    await server.start()
    async with connect(f"localhost:{server.port}", tls) as channel:
        yield server, ConsentServiceStub(channel)
    await server.stop()


async def test_each_answer_has_its_own_outcome(opened: Store, answers: "ConsentServiceAsyncStub") -> None:
    line = Line(answers)
    line.say(
        pending(7, ANA, GRANTED, "r-1", language="de"),
        pending(8, BEN, DENIED, "r-1"),
        pending(9, CEM, DENIED, "r-1", meeting_id="m-404"),
        pending(10, CEM, consent_pb2.ANSWER_UNSPECIFIED, "r-1"),
        pending(11, CEM, DENIED, ""),
    )
    heard = await line.outcomes(5)
    assert (heard[7].recorded.participant_id, heard[7].recorded.language) == (ANA, "de")
    assert {heard[7].recorded.revision, heard[8].recorded.revision} == {1, 2}
    told = {number: (heard[number].refusal.code, heard[number].refusal.reason) for number in (9, 10, 11)}
    assert told == {
        9: (grpc.StatusCode.NOT_FOUND.value[0], "MEETING_NOT_FOUND"),
        10: (grpc.StatusCode.INVALID_ARGUMENT.value[0], "ANSWER_MISSING"),
        11: (grpc.StatusCode.INVALID_ARGUMENT.value[0], "REQUEST_ID_INVALID"),
    }
    line.hang_up()
    await line.end()


async def test_c3_what_is_sent_again_on_another_stream_is_the_same_answer(
    opened: Store, answers: "ConsentServiceAsyncStub"
) -> None:
    first, second = Line(answers), Line(answers)
    first.say(pending(1, ANA, GRANTED, "r-1"))
    recorded = (await first.outcomes(1))[1].recorded
    first.say(pending(2, ANA, DENIED, "r-2"))
    await first.outcomes(1)
    second.say(pending(1, ANA, GRANTED, "r-1"))
    assert (await second.outcomes(1))[1].recorded == recorded
    current = await opened.answers.of_participant("m-1", ANA)
    assert current is not None
    assert current.revision == 2


async def test_an_answer_that_must_wait_keeps_no_other_outcome_back(
    database: Database, postgres_store: Store, clock: Clock, tls: Tls
) -> None:
    async with serving(postgres_store, clock, tls) as (_, stub):
        await postgres_store.rooms.add(room("retro"))
        await postgres_store.meetings.open(meeting("m-2", room("retro")), NINE)
        line = Line(stub)
        async with database.begin() as holding:
            await holding.execute(text("SELECT FROM meetings WHERE meeting_id = 'm-1' FOR UPDATE"))
            line.say(pending(1, ANA, DENIED, "r-1"), pending(2, ANA, DENIED, "r-1", meeting_id="m-2"))
            assert (await line.outcomes(1)).keys() == {2}
        assert (await line.outcomes(1)).keys() == {1}


async def test_a_server_that_is_asked_to_end_tells_every_outcome_first(
    database: Database, postgres_store: Store, clock: Clock, tls: Tls
) -> None:
    async with serving(postgres_store, clock, tls) as (server, stub):
        line = Line(stub)
        async with database.begin() as holding:
            await holding.execute(text("SELECT FROM meetings WHERE meeting_id = 'm-1' FOR UPDATE"))
            line.say(pending(1, ANA, DENIED, "r-1"), pending(2, BEN, DENIED, "r-1", meeting_id="m-404"))
            await line.outcomes(1)
            stopping = asyncio.create_task(server.stop())
            await server.ending.wait()
        assert (await line.outcomes(1))[1].recorded.revision == 1
        await line.end()
        async with asyncio.timeout(5):
            await stopping


async def test_an_event_belongs_to_the_trace_of_the_request_that_brought_it(
    database: Database, postgres_store: Store, clock: Clock, tls: Tls
) -> None:
    async with serving(postgres_store, clock, tls) as (_, stub):
        for number in (2, 3):
            await postgres_store.rooms.add(room(f"room-{number}"))
            await postgres_store.meetings.open(meeting(f"m-{number}", room(f"room-{number}")), NINE)
        line = Line(stub)
        traces = {f"m-{number}": f"00-{number:032x}-{number:016x}-01" for number in (1, 2, 3)}
        line.say(
            *(
                pending(number, ANA, GRANTED, "r-1", meeting_id=meeting_id, traceparent=trace)
                for number, (meeting_id, trace) in enumerate(traces.items())
            )
        )
        await line.outcomes(3)
    async with database.begin() as connection:
        rows = (await connection.execute(text("SELECT subject, payload, headers FROM outbox ORDER BY id"))).all()
    told = {
        AnswerSubmitted.FromString(row.payload).meeting_id: row.headers.get("traceparent")
        for row in rows
        if row.subject == AnswerSubmitted.DESCRIPTOR.full_name
    }
    assert told == traces


async def test_c2_an_answer_nobody_waits_for_any_more_does_not_overtake_what_was_said_since(
    database: Database, postgres_store: Store, clock: Clock, tls: Tls
) -> None:
    slow = PostgresAnswers(database, TERMS)  # a replica that stands still for a while
    async with serving(postgres_store, clock, tls):
        soon = datetime.now(UTC) + timedelta(seconds=0.5)
        granted = replace(says(ANA, Answer.GRANTED, "r-1"), not_after=soon)
        async with database.begin() as holding:
            await holding.execute(text("SELECT FROM meetings WHERE meeting_id = 'm-1' FOR UPDATE"))
            waiting = asyncio.create_task(slow.submit(granted, NINE))
            denying = asyncio.create_task(postgres_store.answers.submit(says(ANA, Answer.DENIED, "r-2"), NINE))
            await eventually(passed(soon))
        with pytest.raises(DeadlineExceeded) as refused:
            await waiting
        assert refused.value.reason == "ANSWER_LATE"
        assert (await denying).revision == 1
        current = await postgres_store.answers.of_participant("m-1", ANA)
        assert current is not None
        assert current.answer is Answer.DENIED


async def test_c2_what_waits_for_its_turn_is_not_committed_once_its_caller_is_gone(
    database: Database, postgres_store: Store, clock: Clock, tls: Tls
) -> None:
    async with serving(postgres_store, clock, tls) as (_, stub):
        line, other = Line(stub), Line(stub)
        async with database.begin() as holding:
            await holding.execute(text("SELECT FROM meetings WHERE meeting_id = 'm-1' FOR UPDATE"))
            line.say(pending(1, BEN, GRANTED, "r-0"))  # under way: it waits in the database
            await eventually(waiting_for_a_lock(database))
            line.say(pending(2, ANA, GRANTED, "r-1"), pending(3, ANA, GRANTED, "r-1", meeting_id="m-404"))
            await line.outcomes(1)
            line.break_off()
            other.say(pending(1, ANA, DENIED, "r-2"))
        await other.outcomes(1)
        current = await postgres_store.answers.of_participant("m-1", ANA)
        assert current is not None
        assert current.answer is Answer.DENIED
        entries = await postgres_store.history.page("m-1", 0, 10)
        assert entries[-1].answer is Answer.DENIED


def passed(moment: datetime) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return datetime.now(UTC) > moment

    return look


def waiting_for_a_lock(database: Database) -> Callable[[], Awaitable[bool]]:
    query = text("SELECT count(*) FROM pg_locks WHERE NOT granted")

    async def look() -> bool:
        async with database.begin() as connection:
            return bool(await connection.scalar(query))

    return look
