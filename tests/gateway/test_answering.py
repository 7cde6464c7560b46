"""Answers on their way to consent_svc: together, over streams that may break, and never twice."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from assent.consent.v1 import consent_pb2
from assent.consent.v1 import consent_service_pb2 as rpc
from assent.consent.v1.consent_service_pb2_grpc import (
    ConsentServiceServicer,
    ConsentServiceStub,
    add_ConsentServiceServicer_to_server,
)

from chassis.channel import Tls, connect
from chassis.errors import AlreadyExists, DeadlineExceeded, Unavailable
from chassis.server import Server
from gateway.answering import ANSWER_SECONDS, CLOCKS_APART, Answering


class Consents(ConsentServiceServicer):
    """Commits what it hears, once for each request id; may break off before it says so."""

    def __init__(self) -> None:
        self.committed: dict[str, int] = {}
        self.messages: list[int] = []
        self.not_after: list[float] = []
        self.breaks_left = 0
        self.runs = asyncio.Event()
        self.runs.set()

    async def SubmitAnswers(self, requests: Any, context: Any) -> AsyncIterator[rpc.SubmitAnswersResponse]:
        async for request in requests:
            self.messages.append(len(request.answers))
            self.not_after += [pending.not_after.ToNanoseconds() / 1e9 for pending in request.answers]
            await self.runs.wait()
            for pending in request.answers:
                self.committed.setdefault(pending.answer.request_id, len(self.committed) + 1)
            if self.breaks_left:
                self.breaks_left -= 1
                await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")
            yield rpc.SubmitAnswersResponse(outcomes=[self._outcome(pending) for pending in request.answers])

    def _outcome(self, pending: rpc.PendingAnswer) -> rpc.AnswerOutcome:
        if pending.answer.request_id == "reused":
            refusal = rpc.Refusal(
                code=grpc.StatusCode.ALREADY_EXISTS.value[0], reason="REQUEST_ID_REUSED", message="no"
            )
            return rpc.AnswerOutcome(number=pending.number, refusal=refusal)
        revision = self.committed[pending.answer.request_id]
        return rpc.AnswerOutcome(number=pending.number, recorded=consent_pb2.RecordedAnswer(revision=revision))


class Service:
    """consent_svc at one address; it may go away and come back."""

    def __init__(self, tls: Tls) -> None:
        self.tls = tls
        self.consents = Consents()
        self.port = 0

    async def start(self) -> None:
        self.server = Server(f"127.0.0.1:{self.port}", tls=self.tls)
        self.port = self.server.port
        described = rpc.DESCRIPTOR.services_by_name["ConsentService"]
        self.server.add(add_ConsentServiceServicer_to_server, self.consents, described)
        await self.server.start()


@pytest.fixture
async def service(tls: Tls, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Service]:
    # It would wait for the end of the stream, which ours never ends.
    monkeypatch.setattr("chassis.server._GRACE", 0.2)
    service = Service(tls)
    await service.start()
    yield service
    service.consents.runs.set()
    await service.server.stop()


@pytest.fixture
async def answering(service: Service, tls: Tls) -> AsyncIterator[Answering]:
    async with (
        connect(f"localhost:{service.port}", tls) as channel,
        Answering(ConsentServiceStub(channel)) as answering,
    ):
        yield answering


def asked(request_id: str) -> rpc.SubmitAnswerRequest:
    return rpc.SubmitAnswerRequest(meeting_id="m-1", participant_id="ana", request_id=request_id)


async def test_answers_that_arrive_together_travel_together(service: Service, answering: Answering) -> None:
    recorded = await asyncio.gather(*(answering.submit(asked(f"r-{number}")) for number in range(100)))
    assert sorted(one.revision for one in recorded) == list(range(1, 101))
    assert len(service.consents.messages) <= 3


async def test_a_refusal_reaches_the_one_it_is_meant_for(answering: Answering) -> None:
    one, other = await asyncio.gather(
        answering.submit(asked("reused")), answering.submit(asked("r-1")), return_exceptions=True
    )
    assert isinstance(one, AlreadyExists)
    assert one.reason == "REQUEST_ID_REUSED"
    assert isinstance(other, consent_pb2.RecordedAnswer)


async def test_c3_a_stream_that_breaks_before_the_reply_is_made_up_for_without_a_second_answer(
    service: Service, answering: Answering
) -> None:
    service.consents.breaks_left = 2
    recorded = await asyncio.gather(*(answering.submit(asked(f"r-{number}")) for number in range(5)))
    assert sorted(one.revision for one in recorded) == [1, 2, 3, 4, 5]
    assert len(service.consents.messages) >= 3
    assert (await answering.submit(asked("r-0"))).revision == recorded[0].revision


async def test_a_service_that_comes_back_in_time_is_answered_as_if_nothing_had_been(
    service: Service, answering: Answering
) -> None:
    await answering.submit(asked("r-1"))
    await service.server.stop()
    waiting = asyncio.create_task(answering.submit(asked("r-2")))
    await service.start()
    assert (await waiting).revision == 2


async def test_c1_a_paused_service_is_said_to_be_unknown_in_time_and_the_next_answers_are_well(
    service: Service, answering: Answering
) -> None:
    service.consents.runs.clear()
    loop = asyncio.get_running_loop()
    began = loop.time()
    ended = await asyncio.gather(*(answering.submit(asked(f"r-{n}")) for n in range(3)), return_exceptions=True)
    assert ANSWER_SECONDS <= loop.time() - began < 2.0
    assert {type(one) for one in ended} == {DeadlineExceeded}
    service.consents.runs.set()
    assert (await answering.submit(asked("r-0"))).revision == service.consents.committed["r-0"]


async def test_a_service_that_is_away_is_said_to_be_away(service: Service, answering: Answering) -> None:
    await service.server.stop()
    with pytest.raises((DeadlineExceeded, Unavailable)):
        await answering.submit(asked("r-1"))
    await service.start()


async def test_a_replica_that_says_nothing_is_left_for_another(tls: Tls) -> None:
    silent, lively = Service(tls), Service(tls)
    silent.consents.runs.clear()
    for service in (silent, lively):
        await service.start()
    stubs = iter([silent, lively])

    class Turns:
        """The next replica for each stream, as round robin gives them."""

        def SubmitAnswers(self, requests: Any) -> Any:
            return ConsentServiceStub(channels[next(stubs)]).SubmitAnswers(requests)

    async with connect(f"localhost:{silent.port}", tls) as one, connect(f"localhost:{lively.port}", tls) as other:
        channels = {silent: one, lively: other}
        async with Answering(Turns()) as answering:  # type: ignore[arg-type]  # all that it calls
            with pytest.raises(DeadlineExceeded):
                await answering.submit(asked("r-1"))
            assert (await answering.submit(asked("r-2"))).revision == 1
    assert "r-1" not in lively.consents.committed, "nobody waits for it any more"
    silent.consents.runs.set()
    for service in (silent, lively):
        await service.server.stop()


async def test_the_way_goes_on_after_an_error_of_our_own(
    service: Service, answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: int) -> None:
        raise RuntimeError("planted")

    with monkeypatch.context() as patched:
        patched.setattr(answering, "_gather", broken)
        with pytest.raises(DeadlineExceeded):
            await answering.submit(asked("r-1"))
    assert (await answering.submit(asked("r-2"))).revision > 0


async def test_an_answer_says_until_when_somebody_waits_for_it(service: Service, answering: Answering) -> None:
    await answering.submit(asked("r-1"))
    [until] = service.consents.not_after
    assert 0 < until - time.time() <= ANSWER_SECONDS + CLOCKS_APART
