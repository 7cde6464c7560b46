"""What holds of every recording and every meeting, however they come."""

import random
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from consent_svc.domain.presence import Evidence, PresenceEvent
from consent_svc.matching import TOLERANCE, Kind, Match, match, parse_object_key
from tests.consent.cases import MINUTE, NINE, WHEREBY_ROOM, joined, left, session
from tests.consent.evidences import FILE, evidence, recording

Stay = tuple[datetime, datetime]
"""Somebody's coming and going."""

minutes = st.integers(0, 90).map(lambda n: NINE + n * MINUTE)
stays = st.tuples(minutes, minutes).map(lambda times: (min(times), max(times)))
meetings = st.dictionaries(st.sampled_from("abcde"), st.lists(stays, min_size=1, max_size=3), max_size=4)
durations = st.one_of(st.none(), st.integers(0, 60).map(lambda n: n * MINUTE))


def told(meeting: list[Stay], role: str = "visitor") -> list[PresenceEvent]:
    """Every coming and going of a meeting."""
    return [
        event
        for n, (start, end) in enumerate(meeting)
        for event in (joined(start, f"c-{n}", f"p-{n}", 1, role=role), left(end, f"c-{n}", f"p-{n}", 1, role=role))
    ]


def overlap(meeting: list[Stay], start: datetime, end: datetime, tolerance: timedelta) -> bool:
    """Whether anybody was there within that time, or that close to it."""
    return any(came <= end + tolerance and start <= went + tolerance for came, went in meeting)


@given(meetings, minutes, durations)
def test_m2_exactly_those_are_found_that_truly_overlap_or_else_none_further_away_than_the_tolerance(
    those: dict[str, list[Stay]], start: datetime, duration: timedelta | None
) -> None:
    found = match(recording(start, duration), [evidence(name, *told(those[name])) for name in those])
    end = start + (TOLERANCE if duration is None else duration)
    truly = [name for name in sorted(those) if overlap(those[name], start, end, timedelta(0))]
    known_end = start if duration is None else end
    nearly = [name for name in sorted(those) if overlap(those[name], start, known_end, TOLERANCE)]
    assert found == (Match(tuple(truly or nearly), Kind.INTERVAL) if truly or nearly else None)


@given(meetings, meetings, st.sets(st.sampled_from("abcde"), max_size=2), minutes, durations, st.randoms())
def test_neither_the_order_of_meetings_nor_of_their_events_matters(
    those: dict[str, list[Stay]],
    recorders: dict[str, list[Stay]],
    named: set[str],
    start: datetime,
    duration: timedelta | None,
    chance: random.Random,
) -> None:
    def gathered(shuffled: bool) -> list[Evidence]:
        found = []
        for name in sorted(those.keys() | recorders.keys() | named):
            machines = told([(came, went) for came, went in recorders.get(name, [])], role="recorder")
            ended = [session(max(went for _, went in those[name]), started=False)] if name in those else []
            events = [*told(those.get(name, [])), *ended, *machines[: len(machines) // 2]]
            if shuffled:
                chance.shuffle(events)
            found.append(evidence(name, *events, files=(FILE,) if name in named else ()))
        if shuffled:
            chance.shuffle(found)
        return found

    wanted = recording(start, duration)
    assert match(wanted, gathered(shuffled=True)) == match(wanted, gathered(shuffled=False))


ODD_TIMES = st.one_of(st.datetimes(), st.datetimes(datetime(1999, 12, 31), datetime(2100, 1, 1)))  # noqa: DTZ001  zones follow
ODD_KEYS = st.one_of(
    st.text(),
    st.from_regex(r"\A.{0,9}-?[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{0,12})?"
                  r"(Z|z|[+-][0-9]{2}(:?[0-9]{2})?)?\.(mp4|MKV|webm)\Z"),
    st.tuples(st.text(), ODD_TIMES, st.sampled_from(["Z", "+00:00", "-14:00", "+14:00"])).map(
        lambda parts: f"{parts[0]}-{parts[1].isoformat(timespec='seconds')}{parts[2]}.mp4"
    ),
)  # fmt: skip


@given(ODD_KEYS, st.one_of(st.none(), st.timedeltas()), st.booleans())
def test_m1_no_key_is_too_odd(key: str, duration: timedelta | None, is_there: bool) -> None:
    found = parse_object_key(key, duration)
    if found is None:
        return
    assert found.recorded_at.tzinfo is not None
    there = evidence("a", joined(found.recorded_at, "c-1", "p-1", 1), room=found.whereby_room_name)
    matched = match(found, [there] if is_there else [])
    assert (matched is not None) is is_there


@given(st.timedeltas(), st.sampled_from(["2000-01-01T00:00:00Z", "2099-12-31T23:59:59Z"]))
def test_no_duration_is_too_odd(duration: timedelta, start: str) -> None:
    found = parse_object_key(f"{WHEREBY_ROOM[1:]}-{start}.mp4", duration)
    assert found is not None
    assert match(found, [evidence("a", joined(found.recorded_at, "c-1", "p-1", 1))]) is not None
