"""C2: an answer older than the one that stands, where its sender says what it knew of; the same on both stores."""

import asyncio
from dataclasses import replace

import pytest

from chassis.errors import AlreadyExists, FailedPrecondition
from consent_svc.domain.answers import RecordedAnswer
from tests.consent.cases import ANA, BEN, NINE, TEN, says
from tests.consent.conftest import Store
from tests.consent.test_answers import DENIED, GRANTED, current
from tests.consent.test_answers import opened as opened
from tests.consent.test_answers import opened_postgres as opened_postgres


async def test_c2_an_older_press_that_is_sent_once_more_is_not_committed_over_a_newer_answer(opened: Store) -> None:
    older = replace(says(ANA, GRANTED, "older"), known_revision=0)
    newer = await opened.answers.submit(says(ANA, DENIED, "newer"), NINE)
    with pytest.raises(FailedPrecondition) as refused:
        await opened.answers.submit(older, TEN)
    assert refused.value.reason == "ANSWER_CHANGED"
    assert await opened.answers.of_participant("m-1", ANA) == newer
    assert len(await opened.history.page("m-1", 0, 10)) == 1
    # Whoever knows of the newer one means it.
    meant = await opened.answers.submit(replace(older, known_revision=newer.revision), TEN)
    assert (meant.revision, await current(opened)) == (2, GRANTED)


async def test_c3_a_repetition_of_what_was_committed_is_answered_whatever_has_been_said_since(opened: Store) -> None:
    grant = replace(says(ANA, GRANTED, "grant"), known_revision=0)
    committed = await opened.answers.submit(grant, NINE)
    assert await opened.answers.submit(grant, NINE) == committed, "it is its own newer answer"
    await opened.answers.submit(says(ANA, DENIED, "denial"), NINE)
    assert await opened.answers.submit(grant, TEN) == committed
    with pytest.raises(AlreadyExists):
        await opened.answers.submit(replace(grant, answer=DENIED), TEN)
    assert await current(opened) is DENIED


async def test_what_others_say_makes_nobodys_answer_older(opened: Store) -> None:
    await opened.answers.submit(says(BEN, DENIED, "r-1"), NINE)
    await opened.answers.submit(replace(says(ANA, GRANTED, "r-1"), known_revision=0), NINE)
    assert await current(opened) is GRANTED


async def test_c2_of_those_that_race_one_is_committed_and_the_others_are_older(opened_postgres: Store) -> None:
    await opened_postgres.answers.submit(says(BEN, GRANTED, "r-1"), NINE)
    presses = [replace(says(ANA, GRANTED, f"r-{number}"), known_revision=0) for number in range(20)]
    ended = await asyncio.gather(
        *(opened_postgres.answers.submit(one, NINE) for one in presses), return_exceptions=True
    )
    assert sum(isinstance(one, RecordedAnswer) for one in ended) == 1
    assert sum(isinstance(one, FailedPrecondition) for one in ended) == 19
    assert len(await opened_postgres.history.page("m-1", 0, 100)) == 2
