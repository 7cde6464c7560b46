"""Verification: whatever is changed, left out, added or moved is found, and named by its place."""

from collections.abc import Callable

import pytest

from consent_svc.domain.answers import HistoryEnd, HistoryLine
from consent_svc.domain.canonical import canonical, text_hash
from consent_svc.domain.verdict import Answer
from consent_svc.history import GENESIS
from consent_svc.history.reading import PAGE, verified
from consent_svc.history.verification import Fault, Verification
from tests.consent.cases import ANA, MINUTE, NINE, meeting, room, says
from tests.consent.conftest import Store
from tests.consent.histories import FixedHistory, lines

COUNT = 41


def verification_of(found: list[HistoryLine], revision: int = COUNT, head_hash: str = "") -> Verification:
    verification = Verification()
    for line in found:
        verification.add(line)
    verification.end("m-1", revision, head_hash or lines(revision)[-1]["hash"])
    return verification


def rehashed(line: HistoryLine) -> HistoryLine:
    """A line whose hash somebody made fit again."""
    hashed = {name: value for name, value in line.items() if name != "hash"}
    return {**line, "hash": text_hash(canonical(hashed))}


def test_what_was_written_is_intact() -> None:
    found = verification_of(lines(COUNT))
    assert found.fault is None
    assert (found.entries, found.granted, found.head_hash) == (COUNT, 28, lines(COUNT)[-1]["hash"])


def test_nothing_is_intact_where_nothing_was_committed() -> None:
    found = verification_of([], 0, GENESIS)
    assert (found.fault, found.entries, found.head_hash) == (None, 0, GENESIS)


def changed(line: HistoryLine, field: str) -> HistoryLine:
    """Another value in one field, and only there."""
    match line[field]:  # type: ignore[literal-required]  # one of its fields
        case int(number):
            other: object = number + 459
        case "granted" | "denied" as answer:
            other = "denied" if answer == "granted" else "granted"
        case str(text):
            other = text[:-1] + ("1" if text[-1] == "0" else "0")
    return {**line, field: other}  # type: ignore[misc]


@pytest.mark.parametrize("place", [1, 18, COUNT])
@pytest.mark.parametrize("field", HistoryLine.__annotations__)
def test_c5_any_field_that_changed_is_found_and_named(field: str, place: int) -> None:
    found = lines(COUNT)
    found[place - 1] = changed(found[place - 1], field)
    assert verification_of(found).fault == Fault(place, f"revision {place}: its fields do not give its hash")


@pytest.mark.parametrize("field", sorted(HistoryLine.__annotations__.keys() - {"hash"}))
def test_c5_a_change_with_a_hash_that_fits_is_found_at_the_latest_in_the_next_line(field: str) -> None:
    found = lines(COUNT)
    found[17] = rehashed(changed(found[17], field))
    expected = {
        "meeting_id": Fault(18, "revision 18: what stands there belongs to another meeting"),
        "revision": Fault(18, "revision 18 is missing: revision 477 stands there"),
        "previous_hash": Fault(18, "revision 18: it does not follow revision 17"),
    }
    assert verification_of(found).fault == expected.get(field, Fault(19, "revision 19: it does not follow revision 18"))


def test_c5_a_first_line_that_follows_something_is_found() -> None:
    found = lines(1)
    found[0] = rehashed(changed(found[0], "previous_hash"))
    explained = "revision 1: it does not follow the beginning: the first follows 64 zeros"
    assert verification_of(found, 1, found[0]["hash"]).fault == Fault(1, explained)


def moved(change: Callable[[list[HistoryLine]], object]) -> list[HistoryLine]:
    found = lines(COUNT)
    change(found)
    return found


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda all_: all_.insert(17, all_.pop(18)), Fault(18, "revision 18 is missing: revision 19 stands there")),
        (lambda all_: all_.pop(18), Fault(19, "revision 19 is missing: revision 20 stands there")),
        (lambda all_: all_.pop(0), Fault(1, "revision 1 is missing: revision 2 stands there")),
        (lambda all_: all_.pop(), Fault(41, "the history ends at 40 but 41 answers were committed")),
        (lambda all_: all_.clear(), Fault(1, "the history ends at 0 but 41 answers were committed")),
        (lambda all_: all_.insert(18, all_[17]), Fault(18, "revision 18 is there twice")),
        (
            lambda all_: all_.insert(18, all_[3]),
            Fault(19, "revision 19 is missing: revision 4 stands there, out of order"),
        ),
        (
            lambda all_: all_.insert(17, lines(COUNT, "m-2")[17]),
            Fault(18, "revision 18: what stands there belongs to another meeting"),
        ),
        (
            lambda all_: all_.__setitem__(slice(None), lines(COUNT, "m-2")),
            Fault(1, "revision 1: what stands there belongs to another meeting"),
        ),
        (
            lambda all_: all_.extend(lines(COUNT + 1)[-1:]),
            Fault(42, "the history goes on to 42 but ended at 41"),
        ),
    ],
    ids=[
        "swapped",
        "cut-middle",
        "cut-start",
        "cut-end",
        "cut-all",
        "twice",
        "older",
        "foreign",
        "all-foreign",
        "more",
    ],
)
def test_c5_lines_moved_removed_or_added_are_found(change: Callable[[list[HistoryLine]], object], fault: Fault) -> None:
    assert verification_of(moved(change)).fault == fault


def test_c5_an_altered_head_is_found() -> None:
    explained = "revision 41 is not the end that was committed: that had another hash"
    assert verification_of(lines(COUNT), COUNT, "f" * 64).fault == Fault(41, explained)
    assert verification_of([], 0, "f" * 64).fault is not None


def test_an_answer_that_is_none_is_found_even_where_all_hashes_fit() -> None:
    found = [rehashed({**lines(1)[0], "answer": "perhaps"})]
    fault = verification_of(found, 1, found[0]["hash"]).fault
    assert fault == Fault(1, "revision 1: its answer is neither granted nor denied")


def test_the_first_fault_is_told_and_all_lines_are_counted() -> None:
    found = lines(COUNT)
    found[4] = {**found[4], "language": "xx"}
    found[9] = {**found[9], "language": "xx"}
    verification = verification_of(found)
    assert verification.fault is not None
    assert (verification.fault.revision, verification.entries) == (5, COUNT)
    assert verification.head_hash == found[-1]["hash"]


async def test_c5_answers_that_come_in_while_it_is_read_are_no_fault(store: Store) -> None:
    await store.rooms.add(room())
    await store.meetings.open(meeting(), NINE)

    async def answer(name: str) -> None:
        await store.answers.submit(says(ANA, Answer.GRANTED, name), NINE + MINUTE)

    await answer("r-1")
    read = store.history.lines

    async def overtaken(meeting_id: str, after: int, until: int, limit: int) -> list[HistoryLine]:
        await answer(f"r-after-{after}")
        found = await read(meeting_id, after, until, limit)
        return found[:1]

    for n in range(3):
        await answer(f"r-more-{n}")
    history = store.history
    history.lines = overtaken  # type: ignore[method-assign]
    found = await verified(history, "m-1")
    assert (found.fault, found.entries) == (None, 4)


@pytest.mark.parametrize("count", [0, 1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE])
async def test_every_page_is_read_and_no_line_twice(count: int) -> None:
    all_ = lines(count)
    end = HistoryEnd("m-1", count, all_[-1]["hash"] if all_ else GENESIS, count)
    found = await verified(FixedHistory(all_, end), "m-1")
    assert (found.fault, found.entries) == (None, count)


async def test_c5_lines_below_the_first_and_beyond_the_head_are_read_too() -> None:
    all_ = lines(5)
    behind = HistoryEnd("m-1", 4, all_[3]["hash"], 5)
    assert (await verified(FixedHistory(all_, behind), "m-1")).fault == Fault(
        5, "the history goes on to 5 but ended at 4"
    )
    below = [rehashed({**all_[0], "revision": 0}), *all_]
    end = HistoryEnd("m-1", 5, all_[-1]["hash"], 5)
    fault = (await verified(FixedHistory(below, end), "m-1")).fault
    assert fault == Fault(1, "revision 1 is missing: revision 0 stands there, out of order")
