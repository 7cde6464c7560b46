"""The rules: which way a recording goes, and why."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from recording_svc.domain.recordings import Grounds, Match, Recording, Revision, Stage, State, Transcription
from recording_svc.domain.settling import (
    TRANSITIONS,
    Decision,
    ImpossibleTransitionError,
    Opinion,
    Step,
    Times,
    Verdict,
    bound,
    judge,
    may_be_heard,
    move,
)
from recording_svc.remnants import Place, Remnant, RemnantKind, sight
from tests.recording.surroundings import NOON

TIMES = Times()
_PAGE = Path(__file__).parents[2] / "docs" / "recordings.md"
MATCH = Match(("meeting-1",), "owner-1", NOON - timedelta(hours=1))
KEEP = Verdict(Decision.KEEP, "NOBODY_REFUSED")
REFUSED = Verdict(Decision.DELETE, "SOMEBODY_REFUSED", (Revision("meeting-1", 3),), (Revision("meeting-1", 4),))


def recording(stage: Stage = Stage.COMMITTED, state: State = State.TRANSCRIBING) -> Recording:
    finished = NOON if stage is Stage.FAILED else None
    return Recording(
        "r", "bucket", "key.mp4", "v1", 5, NOON, state, match=MATCH,
        transcription=Transcription(stage, "t", 35_000, finished),
    )  # fmt: skip


def step(one: Recording, verdict: Verdict | None = KEEP, silence: str = "") -> Step:
    return judge(one, Opinion(one.match, verdict, silence), NOON, TIMES)


def test_nobody_refused_keeps() -> None:
    assert step(recording()).state is State.KEPT


def test_r5_a_refusal_erases_and_the_grounds_name_it() -> None:
    decided = step(recording(), REFUSED)
    assert decided.state is State.ERASING
    assert decided.grounds == Grounds("SOMEBODY_REFUSED", NOON, REFUSED.refusals, REFUSED.rests_on)


@pytest.mark.parametrize("stage", [Stage.NONE, Stage.UNDERWAY])
def test_r4_nothing_is_erased_before_the_transcript_is_committed(stage: Stage) -> None:
    assert step(recording(stage), REFUSED).state in (State.DISCOVERED, State.TRANSCRIBING)


def test_r4_a_failed_transcription_gives_refused_audio_one_more_day() -> None:
    failed = recording(Stage.FAILED)
    opinion = Opinion(MATCH, REFUSED)
    early = judge(failed, opinion, NOON + timedelta(hours=23, minutes=59), TIMES)
    assert (early.state, early.grounds) == (State.FAILED, None)
    assert early.look_at == NOON + timedelta(hours=24)
    assert judge(failed, opinion, NOON + timedelta(hours=24), TIMES).state is State.ERASING


def test_a_failed_transcription_nobody_refused_is_shown_as_failed() -> None:
    assert step(recording(Stage.FAILED)).state is State.FAILED


def test_r6_silence_is_undecided_and_asked_again_soon_and_then_with_every_sweep() -> None:
    for looks, wait in ((0, TIMES.retry), (1, 2 * TIMES.retry), (5, TIMES.sweep), (50, TIMES.sweep)):
        decided = step(replace(recording(state=State.KEPT), looks=looks), None, "CONSENT_UNREACHABLE")
        assert (decided.state, decided.reason) == (State.UNDECIDED, "CONSENT_UNREACHABLE")
        assert decided.look_at == NOON + wait


def test_m5_no_meeting_is_unmatched() -> None:
    decided = judge(recording(), Opinion(Match()), NOON, TIMES)
    assert (decided.state, decided.reason) == (State.UNMATCHED, "NO_MEETING")


def test_waiting_looks_again_at_the_deadline() -> None:
    deadline = NOON + timedelta(minutes=2)
    decided = step(recording(), Verdict(Decision.WAIT, "ANSWERS_AWAITED", decide_at=deadline))
    assert (decided.state, decided.look_at) == (State.UNDECIDED, deadline)


def test_a_deadline_that_should_have_passed_is_no_busy_loop() -> None:
    decided = step(recording(), Verdict(Decision.WAIT, "ANSWERS_AWAITED", decide_at=NOON - timedelta(hours=1)))
    assert decided.look_at == NOON + TIMES.retry


def test_what_is_kept_is_looked_at_ever_more_seldom_and_within_d1s_quarter_of_an_hour() -> None:
    waits = [step(replace(recording(state=State.KEPT), looks=looks)).look_at for looks in (0, 1, 9)]
    assert waits == [NOON + TIMES.recheck, NOON + 2 * TIMES.recheck, NOON + 2 * TIMES.recheck]
    assert 2 * TIMES.recheck < timedelta(minutes=15)


def test_d3_what_is_bound_belongs_to_the_meetings_of_what_binds_it() -> None:
    grounds = Grounds("SOMEBODY_REFUSED", NOON - timedelta(minutes=1))
    erased = replace(recording(state=State.ERASED), recording_id="before", grounds=grounds)
    new = bound(replace(recording(), match=Match()), [erased])
    assert (new.bound_by, new.match) == (grounds, MATCH)
    other = Match(("meeting-2",), "owner-2")
    assert bound(replace(recording(), match=other), [erased]).match == other
    assert bound(recording(), [recording()]).bound_by is None


def test_the_grounds_stand_from_when_the_same_was_decided_first() -> None:
    first = move(recording(), step(recording(), REFUSED))
    later = NOON + timedelta(hours=1)
    same = move(first, judge(first, Opinion(MATCH, REFUSED), later, TIMES))
    assert same.grounds == first.grounds
    second = replace(REFUSED, refusals=(Revision("meeting-1", 9),))
    new = move(first, judge(first, Opinion(MATCH, second), later, TIMES))
    assert new.grounds
    assert (new.grounds.refusals, new.grounds.decided_at) == (second.refusals, later)


def test_the_owner_erases_whatever_the_verdict_says() -> None:
    decided = step(replace(recording(Stage.UNDERWAY), erase_requested_at=NOON))
    assert (decided.state, decided.reason) == (State.ERASING, "OWNER_DELETED")


def test_r5_retention_erases_with_its_end_recorded() -> None:
    ends = NOON - timedelta(hours=1) + timedelta(days=7)
    kept = replace(recording(), match=replace(MATCH, retention_days=7))
    opinion = Opinion(kept.match, KEEP)
    assert judge(kept, opinion, ends - timedelta(seconds=1), TIMES).state is State.KEPT
    over = judge(kept, opinion, ends, TIMES)
    assert over.grounds is not None
    assert (over.state, over.grounds.reason, over.grounds.deadline) == (State.ERASING, "RETENTION_OVER", ends)


@pytest.mark.parametrize("state", [State.ERASING, State.BLOCKED, State.ERASED])
def test_d2_nothing_that_is_going_may_be_heard(state: State) -> None:
    assert may_be_heard(recording(state=State.KEPT), Opinion(MATCH, KEEP), NOON)
    assert not may_be_heard(recording(state=state), Opinion(MATCH, KEEP), NOON)


@pytest.mark.parametrize(
    "opinion",
    [
        Opinion(MATCH, REFUSED),
        Opinion(Match()),
        Opinion(MATCH, Verdict(Decision.WAIT, "ANSWERS_AWAITED")),
        Opinion(MATCH, KEEP, "CONSENT_MALFORMED"),
    ],
)
def test_d2_only_a_keep_may_be_heard(opinion: Opinion) -> None:
    assert not may_be_heard(recording(state=State.KEPT), opinion, NOON)


def test_only_the_ways_in_the_table_exist() -> None:
    for before in State:
        for after in State:
            wanted = Step(after, "ANY", None, Grounds("ANY", NOON))
            if before is after or after in TRANSITIONS[before]:
                assert move(recording(state=before), wanted).state is after
            else:
                with pytest.raises(ImpossibleTransitionError):
                    move(recording(state=before), wanted)


def test_erased_is_reached_only_through_erasing() -> None:
    assert {state for state, ways in TRANSITIONS.items() if State.ERASED in ways} == {State.ERASING, State.BLOCKED}
    assert TRANSITIONS[State.ERASED] == {State.ERASING}


def test_looks_count_only_while_nothing_changes() -> None:
    same = Step(State.UNDECIDED, "CONSENT_UNREACHABLE", NOON)
    once = move(recording(), same)
    assert (once.looks, move(once, same).looks, move(move(once, same), same).looks) == (0, 1, 2)
    assert move(move(once, same), Step(State.KEPT, "NOBODY_REFUSED", NOON)).looks == 0


def remnant(kind: RemnantKind, version: str) -> Remnant:
    return Remnant(kind, "bucket", "key.mp4", version, 5, NOON)


def test_a_delete_marker_goes_only_when_there_is_nothing_left_to_uncover() -> None:
    place = Place("bucket", "key.mp4", "v1")
    marker, sibling = remnant(RemnantKind.DELETE_MARKER, "m"), remnant(RemnantKind.VERSION, "v2")
    ours = remnant(RemnantKind.VERSION, "v1")
    seen = sight(place, [marker, sibling, ours], NOON)
    assert (seen.remnants, seen.other_versions) == ((ours,), ("v2",))
    assert sight(place, [marker, sibling], NOON).remnants == ()
    assert sight(place, [marker], NOON).remnants == (marker,)


def test_every_version_of_a_derived_key_goes() -> None:
    versions = [remnant(RemnantKind.VERSION, "v1"), remnant(RemnantKind.VERSION, "v2")]
    seen = sight(Place("bucket", "key.mp4"), versions, NOON)
    assert (seen.remnants, seen.other_versions) == (tuple(versions), ())


def test_the_documents_show_the_transitions_as_they_are() -> None:
    head = ["| from \\ to | " + " | ".join(State) + " |", "|---|" + "---|" * len(State)]
    rows = [f"| **{one}** | " + " | ".join(_cell(one, other) for other in State) + " |" for one in State]
    shown = _PAGE.read_text(encoding="utf-8").partition("<!-- transitions")[2]
    assert shown.partition("-->\n")[2].partition("\n<!-- end")[0].splitlines() == head + rows


def _cell(before: State, after: State) -> str:
    return "·" if before is after else "yes" if after in TRANSITIONS[before] else ""


@pytest.mark.parametrize(
    ("lasts", "wait"),
    [(None, 300), (3600, 300), (300, 300), (60, 61), (0.5, 2), (-10, 2)],
)
def test_d7_the_next_look_is_soon_and_never_past_the_end_of_the_lock(lasts: float | None, wait: float) -> None:
    until = None if lasts is None else NOON + timedelta(seconds=lasts)
    assert Times().after_block(NOON, until) == NOON + timedelta(seconds=wait)
