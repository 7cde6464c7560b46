"""The history: chained, append-only, and without names."""

import hashlib
from dataclasses import replace

import pytest

from consent_svc.domain.verdict import Answer
from consent_svc.history import participant_digest
from tests.consent.cases import ANA, BEN, MINUTE, NINE, OWNER, TEN, meeting, room, says
from tests.consent.chain import first_fault
from tests.consent.conftest import Store


@pytest.fixture
async def told(store: Store) -> Store:
    await _tell(store)
    return store


async def _tell(store: Store) -> None:
    await store.rooms.add(room())
    await store.meetings.open(meeting(), NINE)
    for n, (who, answer) in enumerate([(ANA, Answer.GRANTED), (BEN, Answer.DENIED), (ANA, Answer.DENIED)]):
        await store.answers.submit(replace(says(who, answer, f"r-{n}"), language="pt-BR"), NINE + n * MINUTE)


async def test_c5_an_outsider_can_check_the_chain(told: Store) -> None:
    entries = await told.history.page("m-1", 0, 100)
    assert [(entry.revision, entry.answer) for entry in entries] == [
        (1, Answer.GRANTED), (2, Answer.DENIED), (3, Answer.DENIED)
    ]  # fmt: skip
    assert first_fault(entries) is None
    assert {(entry.notice_version, entry.language) for entry in entries} == {("2026-01", "pt-BR")}


@pytest.mark.parametrize(
    "change",
    [
        {"answer": Answer.GRANTED}, {"answered_at": TEN}, {"notice_version": "2026-02"}, {"language": "en"},
        {"participant_digest": "0" * 64}, {"hash": "0" * 64}, {"previous_hash": "0" * 64}, {"revision": 7},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
async def test_c5_whatever_is_changed_is_found(memory_store: Store, change: dict[str, object]) -> None:
    await _tell(memory_store)
    entries = await memory_store.history.page("m-1", 0, 100)
    entries[1] = replace(entries[1], **change)  # type: ignore[arg-type]  # each of its own type
    assert first_fault(entries) == 2


async def test_c5_a_line_left_out_is_found(told: Store) -> None:
    entries = await told.history.page("m-1", 0, 100)
    del entries[1]
    assert first_fault(entries) == 2


async def test_c5_pages_join_to_the_whole(told: Store) -> None:
    first, second = await told.history.page("m-1", 0, 2), await told.history.page("m-1", 2, 2)
    assert first_fault(first + second) is None
    assert len(first + second) == 3


async def test_c5_history_outlives_the_room(told: Store) -> None:
    await told.rooms.remove("standup", OWNER, TEN)
    await told.rooms.add(room(owner="somebody else"))
    assert first_fault(await told.history.page("m-1", 0, 100)) is None
    assert len(await told.history.page("m-1", 0, 100)) == 3


async def test_history_names_nobody_and_cannot_be_joined_across_meetings(told: Store) -> None:
    await told.rooms.add(room("retro"))
    await told.meetings.open(meeting("m-2", room("retro")), NINE)
    await told.answers.submit(says(ANA, Answer.GRANTED, "r-9", meeting_id="m-2"), NINE)
    here, there = await told.history.page("m-1", 0, 100), await told.history.page("m-2", 0, 100)
    assert here[0].participant_digest == here[2].participant_digest != here[1].participant_digest
    assert there[0].participant_digest not in {entry.participant_digest for entry in here}
    assert ANA not in str(here)


def test_a_digest_is_the_sha256_of_salt_and_participant() -> None:
    assert participant_digest(b"salt", "ana") == hashlib.sha256(b"saltana").hexdigest()
