"""Whose word on a recording's meetings counts, and what an operator may say."""

from dataclasses import replace
from datetime import timedelta

import pytest

from recording_svc.domain.recordings import Match, Recording, State
from recording_svc.domain.settling import Opinion
from recording_svc.matching import NotAssignableError, assign, standing
from tests.recording.surroundings import NOON
from tests.recording.world import World

BY_HAND = Match(("meeting-9",), "owner-9", None, None, by_hand=True)
RECORDING = Recording("r-1", "bucket", "key.mp4", "v1", 5, NOON, State.UNMATCHED, "NO_MEETING")


def test_m5_a_meeting_named_by_hand_stands_while_consent_svc_knows_none() -> None:
    said = Opinion(Match(recorded_at=NOON))
    assert standing(said, BY_HAND).match == replace(BY_HAND, recorded_at=NOON)


def test_m5_a_key_that_cannot_be_read_is_matched_by_hand() -> None:
    said = Opinion(Match(), unmatched_reason="OBJECT_KEY_UNREADABLE")
    assert standing(said, BY_HAND).match == BY_HAND


def test_m5_consent_svcs_word_stands_before_an_operators() -> None:
    said = Opinion(Match(("meeting-1",), "owner-1", NOON))
    assert standing(said, BY_HAND) == said


def test_m5_a_silence_names_no_meeting() -> None:
    said = Opinion(silence="CONSENT_UNREACHABLE")
    assert standing(said, BY_HAND) == said


def test_m5_what_consent_svc_once_said_is_no_word_of_an_operators() -> None:
    said = Opinion(Match(recorded_at=NOON))
    assert standing(said, Match(("meeting-1",), "owner-1", NOON)) == said


def test_m5_an_assignment_takes_owner_and_shortest_retention_from_the_meetings() -> None:
    meetings = [Match(("m-2",), "ida", None, 30), Match(("m-1",), "ida", None, 7), Match(("m-2",), "ida")]
    known = replace(RECORDING, match=Match(recorded_at=NOON))
    assert assign(known, meetings) == Match(("m-1", "m-2"), "ida", NOON, 7, by_hand=True)


def test_m5_an_assignment_may_be_corrected_by_hand() -> None:
    wrong = replace(RECORDING, state=State.KEPT, match=BY_HAND)
    assert assign(wrong, [Match(("m-1",), "ida")]).meeting_ids == ("m-1",)


@pytest.mark.parametrize("state", [State.ERASING, State.BLOCKED, State.ERASED])
def test_m5_nothing_is_assigned_once_the_fate_is_decided(state: State) -> None:
    with pytest.raises(NotAssignableError, match="decided"):
        assign(replace(RECORDING, state=state), [Match(("m-1",), "ida")])


def test_m5_meetings_that_consent_svc_named_cannot_be_replaced() -> None:
    with pytest.raises(NotAssignableError, match="they stand"):
        assign(replace(RECORDING, match=Match(("m-1",), "ida")), [Match(("m-2",), "ida")])


@pytest.mark.parametrize("owners", [("ida", "ben"), ("ida", ""), ("",), ()])
def test_m5_the_meetings_have_one_owner(owners: tuple[str, ...]) -> None:
    with pytest.raises(NotAssignableError, match="one owner"):
        assign(RECORDING, [Match((f"m-{number}",), owner) for number, owner in enumerate(owners)])


async def _assigned(world: World) -> Recording:
    world.answers.default_meetings = []
    recording = await world.settle(await world.arrive())
    assert recording.state is State.UNMATCHED
    return await world.recordings.save(replace(recording, match=BY_HAND))


async def test_m5_an_assigned_recording_follows_the_answers_of_its_meeting(world: World) -> None:
    recording = await _assigned(world)
    assert (await world.settle(recording)).state is State.KEPT
    assert (await world.now(recording)).match.by_hand
    world.neighbours.refuse("meeting-9")
    erased = await world.settle(recording)
    assert (erased.state, world.lying()) == (State.ERASED, [])
    assert erased.grounds is not None
    assert [one.meeting_id for one in erased.grounds.refusals] == ["meeting-9"]


async def test_m5_evidence_that_comes_later_overrules_the_assignment(world: World) -> None:
    recording = await _assigned(world)
    world.neighbours.refuse("meeting-9")
    world.answers.default_meetings = ["meeting-1"]
    settled = await world.settle(recording)
    assert (settled.state, settled.match.meeting_ids, settled.match.by_hand) == (State.KEPT, ("meeting-1",), False)
    world.answers.default_meetings = []
    world.clock.advance(seconds=timedelta(minutes=5).total_seconds())
    assert (await world.settle(recording)).state is State.UNMATCHED
