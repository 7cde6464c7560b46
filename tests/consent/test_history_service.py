"""Verifying and exporting over real gRPC, on both stores, also while answers come in."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from assent.consent.v1 import consent_pb2
from assent.consent.v1 import consent_service_pb2 as consent

from chassis.errors import NotFound
from consent_svc.domain.verdict import Answer
from consent_svc.history import GENESIS, reading
from tests.consent.calls import refused
from tests.consent.cases import ANA, BEN, MINUTE, NINE, meeting, room, says
from tests.consent.conftest import Store
from tests.consent.histories import SIGNER, fault_of

if TYPE_CHECKING:  # only the stubs' types know it
    from assent.consent.v1.consent_service_pb2_grpc import ConsentServiceAsyncStub


@pytest.fixture
async def opened(store: Store) -> Store:
    """A meeting in which nobody has answered yet."""
    await store.rooms.add(room())
    await store.meetings.open(meeting(), NINE)
    return store


async def answered(store: Store, count: int, first: int = 1) -> None:
    for n in range(first, first + count):
        who, answer = (ANA, Answer.GRANTED) if n % 2 else (BEN, Answer.DENIED)
        await store.answers.submit(says(who, answer, f"r-{n}"), NINE + n * MINUTE)


def asked_for_export() -> consent.ExportHistoryRequest:
    return consent.ExportHistoryRequest(meeting_id="m-1")


async def exported(answers: "ConsentServiceAsyncStub") -> bytes:
    return "".join([part.lines async for part in answers.ExportHistory(asked_for_export())]).encode()


async def test_c5_what_was_answered_is_intact_here_and_outside(
    opened: Store, answers: "ConsentServiceAsyncStub", key_file: Path
) -> None:
    for count in range(4):
        found = await answers.VerifyHistory(consent.VerifyHistoryRequest(meeting_id="m-1"))
        last = await opened.history.page("m-1", count - 1, 9) if count else []
        assert (found.entries, found.HasField("fault")) == (count, False)
        assert found.head_hash == (last[-1].hash if last else GENESIS)
        export = await exported(answers)
        assert export.count(b"\n") == count + 1
        assert fault_of(export, key_file) == ""
        await answered(opened, 1, first=count + 1)


async def test_an_export_has_the_very_entries_that_the_list_has(
    opened: Store, answers: "ConsentServiceAsyncStub"
) -> None:
    await answered(opened, 3)
    first, second = await exported(answers), await exported(answers)
    assert first.splitlines()[:-1] == second.splitlines()[:-1]
    listed = (await answers.ListHistory(consent.ListHistoryRequest(meeting_id="m-1"))).entries
    assert [one.hash.encode() in line for one, line in zip(listed, first.splitlines(), strict=False)] == [True] * 3
    assert listed[1].answer == consent_pb2.ANSWER_DENIED


async def test_c5_answers_given_during_an_export_are_left_for_the_next(
    opened: Store, answers: "ConsentServiceAsyncStub", key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PAGE", 2)
    await answered(opened, 5)
    parts = []
    async for part in answers.ExportHistory(asked_for_export()):
        parts.append(part.lines)
        await answered(opened, 1, first=5 + len(parts))
    export = "".join(parts).encode()
    assert len(parts) == 4
    assert export.count(b"\n") == 6
    assert fault_of(export, key_file) == ""


async def test_there_is_nothing_to_verify_or_export_of_a_meeting_that_is_not_known(
    answers: "ConsentServiceAsyncStub",
) -> None:
    asked = consent.VerifyHistoryRequest(meeting_id="m-1")
    assert await refused(answers.VerifyHistory(asked), NotFound) == "MEETING_NOT_FOUND"
    assert await refused(anext(aiter(answers.ExportHistory(asked_for_export()))), NotFound) == "MEETING_NOT_FOUND"


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
async def test_readers_that_take_their_time_keep_no_connection_from_answers(
    opened: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PAGE", 1)
    await answered(opened, 3)
    slow = [reading.exported(opened.history, opened.receipts.hashes, "m-1", SIGNER, NINE) for _ in range(30)]
    for one in slow:
        assert (await anext(one)).count("\n") == 1
    await answered(opened, 1, first=4)
    assert [len([part async for part in one]) for one in slow] == [3] * 30
