"""Histories of fifty steps (answers, retries, races, crashes, webhooks in any order) that break no invariant.

`ASSENT_HISTORIES=2000` plays that many on either store; the ordinary run makes do with fewer.
"""

import os
from collections import Counter

import pytest

from deploy.local import Postgres
from tests.consent.broken_stores import IN_MEMORY, IN_POSTGRES
from tests.consent.history_machine import STEPS, play
from tests.consent.stages import MemoryStage, PostgresStage

WANTED = int(os.environ.get("ASSENT_HISTORIES", "0"))
ENOUGH = 1000
# Among several answers at once, what is wrong with one of the two shows in the other as well; where a caller gave up
# and tried again, the answer that nobody heard of leaves a gap between the revisions; and a retry is answered from
# lines that are not as they were written.
ALSO_SEEN_AS = {
    "C1 lines tell another time": "C3",
    "C2 revisions are read before the wait": "C3",
    "C3 a late retry applies again": "C2",
    "C3 request ids are ignored": "C2",
    "C5 former lines are rewritten": "C2|C3",
}
WHAT_HAPPENS = (
    "answers", "answers if present", "at once", "at once beside a retry", "at once with one request id",
    "changes their mind", "client webhook", "clock jumps", "dies before commit", "found empty", "gives up waiting",
    "opens the page", "recording webhook", "reply lost", "request id used again", "restart", "room deleted",
    "sends again", "session webhook", "verdict asked", "verdict DELETE", "verdict KEEP", "verdict WAIT",
    "webhook again", "webhooks at once", "retries", "late retries that found a changed answer",
    "request ids used for another answer",
)  # fmt: skip


@pytest.mark.timeout(3600)
def test_no_history_breaks_an_invariant_in_memory() -> None:
    wanted = WANTED or ENOUGH
    with MemoryStage() as stage:
        _check(play(stage, wanted), wanted)


@pytest.mark.timeout(7200)
def test_no_history_breaks_an_invariant_in_postgres(postgres: Postgres, database_name: str) -> None:
    wanted = WANTED or 25
    with PostgresStage(postgres, database_name) as stage:
        _check(play(stage, wanted), wanted)


def _check(tally: Counter[str], wanted: int) -> None:
    told = "\n".join(f"{count:8} {what}" for what, count in sorted(tally.items()))
    assert tally["whole histories"] >= wanted, told
    assert tally["steps"] >= wanted * STEPS, told
    if wanted >= ENOUGH:  # in fewer some things are missing by chance
        rare = {what: tally[what] for what in WHAT_HAPPENS if tally[what] < wanted // 4}
        assert rare == {}, told
    print(told)  # noqa: T201  # figures, shown by pytest -s


@pytest.mark.parametrize("wrong", IN_MEMORY)
def test_a_broken_store_is_found(wrong: str) -> None:
    with MemoryStage(IN_MEMORY[wrong]) as stage, pytest.raises(AssertionError, match=_names_invariant(wrong)):
        play(stage, 200, shrink=False)


@pytest.mark.parametrize(
    "wrong", ["C2 the newest time counts", "C3 a late retry applies again", "C5 a change of mind is made undone"]
)
def test_what_is_found_is_told_in_a_few_steps(wrong: str) -> None:
    with MemoryStage(IN_MEMORY[wrong]) as stage, pytest.raises(AssertionError, match=_names_invariant(wrong)) as found:
        play(stage, 200)
    told = "\n".join(found.value.__notes__)
    assert 1 <= told.count("state.") - told.count("state.teardown()") <= 4, told


@pytest.mark.parametrize("wrong", IN_POSTGRES)
def test_a_broken_database_is_found(postgres: Postgres, database_name: str, wrong: str) -> None:
    postgres.execute(IN_POSTGRES[wrong], database=database_name)
    with PostgresStage(postgres, database_name) as stage, pytest.raises(AssertionError, match=_names_invariant(wrong)):
        play(stage, 20, shrink=False)


def _names_invariant(wrong: str) -> str:
    either = {wrong[:2], ALSO_SEEN_AS.get(wrong, wrong[:2])}
    return rf"^[C1-6, ]*(?:{'|'.join(sorted(either))})"
