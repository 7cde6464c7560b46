"""Which meeting a recording belongs to."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from consent_svc.domain.presence import EmptiedEvent, Evidence
from consent_svc.matching import Kind, Match, Recording, match, parse_object_key
from tests.consent.cases import ANA, BEN, CEM, HOUR, MINUTE, NINE, SECOND, TEN, WHEREBY_ROOM, joined, left, session
from tests.consent.evidences import FILE, HALF, evidence, people, recorder, recording

GUID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
TWO_MINUTES = timedelta(seconds=120)  # as the design says


@pytest.mark.parametrize(
    ("key", "room", "start"),
    [
        (f"{GUID}-2026-03-02T09:00:00Z.mp4", f"/{GUID}", NINE),
        (f"standup-{GUID}-2026-03-02T09:00:00Z.mp4", f"/standup-{GUID}", NINE),
        (f"a/folder/standup-{GUID}-2026-03-02T09:00:00Z.mp4", f"/standup-{GUID}", NINE),
        ("amber-birch-cedar-2026-03-02T09:00:00Z.mp4", "/amber-birch-cedar", NINE),
        ("Zürich Ost & West-2026-03-02T09:00:00Z.mp4", "/Zürich Ost & West", NINE),
        ("x-2026-03-02T09:00:00.123Z.mp4", "/x", NINE + timedelta(milliseconds=123)),
        ("k7p2qa-2026-03-02T09:00:00Z.mp4", "/k7p2qa", NINE),
        (f"a/b/standup-{GUID}-2026-03-02T09:00:00.250Z.mkv", f"/standup-{GUID}", NINE + timedelta(milliseconds=250)),
        ("x-2026-03-02T11:00:00+02:00.mp4", "/x", NINE),
        ("x-2026-03-02T04:00:00-0500.mkv", "/x", NINE),
        ("x-2026-03-02T04:00:00-05.mkv", "/x", NINE),
        # The room's name itself looks like a start: the one on the right counts.
        ("x-2025-01-01T00:00:00Z-2026-03-02T09:00:00Z.mp4", "/x-2025-01-01T00:00:00Z", NINE),
    ],
)
def test_m1_a_key_is_read_from_the_right(key: str, room: str, start: datetime) -> None:
    recording = parse_object_key(key)
    assert recording == Recording(room, key.rpartition("/")[2], start)


@pytest.mark.parametrize(
    "key",
    [
        "", "x.mp4", "2026-03-02T09:00:00Z.mp4", "-2026-03-02T09:00:00Z.mp4", "x-2026-03-02T09:00:00.mp4",
        "x-2026-03-02T09:00:00Z.webm", "x-2026-03-02T09:00:00Z", "x-2026-13-02T09:00:00Z.mp4",
        "x-2026-03-02T25:00:00Z.mp4", "x-2026-03-02T09:00:00+99:00.mp4", "x-2026-03-02T09:00:00Z.mp4/",
        "x-0001-01-01T00:00:00+14:00.mp4", "x-9999-12-31T23:59:59Z.mp4", "x-\u0662026-03-02T09:00:00Z.mp4",
    ],
)  # fmt: skip
def test_m1_a_key_of_another_form_is_not_guessed_at(key: str) -> None:
    assert parse_object_key(key) is None


@dataclass(frozen=True)
class Case:
    says: str
    recording: Recording
    evidence: list[Evidence]
    found: Match | None


RECORDER, WEBHOOK, INTERVAL = Kind.RECORDER, Kind.FINISHED_WEBHOOK, Kind.INTERVAL
CASES = [
    Case("m2 people were there", recording(NINE + MINUTE), [people("a", NINE, TEN)], Match(("a",), INTERVAL)),
    Case("m2 nobody of that room was there", recording(NINE), [people("a", TEN, TEN + HOUR)], None),
    Case("m2 another room", recording(NINE, room="/other"), [people("a", NINE, TEN)], None),
    Case("m2 overrun: it ends after they left", recording(NINE + 50 * MINUTE), [people("a", NINE, TEN)],
         Match(("a",), INTERVAL)),
    Case("m2 early: it begins before they came", recording(NINE - 10 * MINUTE), [people("a", NINE, TEN)],
         Match(("a",), INTERVAL)),
    Case("m2 early join: one of them came an hour before the other, and it began with the second",
         recording(NINE), [evidence("a", joined(NINE - HOUR, "c-1", ANA, 1), joined(NINE, "c-2", BEN, 2))],
         Match(("a",), INTERVAL)),
    Case("m2 overrun: they stay an hour longer than Whereby's meeting was made for", recording(NINE + 8 * HOUR + HALF),
         [people("a", NINE, NINE + 9 * HOUR)], Match(("a",), INTERVAL)),
    Case("m2 120 s before anybody came", recording(NINE - MINUTE - TWO_MINUTES, MINUTE), [people("a", NINE, TEN)],
         Match(("a",), INTERVAL)),
    Case("m2 121 s before anybody came", recording(NINE - MINUTE - TWO_MINUTES - SECOND, MINUTE),
         [people("a", NINE, TEN)], None),
    Case("m2 120 s after everybody left", recording(TEN + TWO_MINUTES), [people("a", NINE, TEN)],
         Match(("a",), INTERVAL)),
    Case("m2 121 s after everybody left", recording(TEN + TWO_MINUTES + SECOND), [people("a", NINE, TEN)], None),
    Case("m2 duration not known, 121 s before anybody came", recording(NINE - TWO_MINUTES - SECOND, None),
         [people("a", NINE, TEN)], None),
    Case("m2 duration not known, begun a moment before they came", recording(NINE - SECOND, None),
         [people("a", NINE, TEN)], Match(("a",), INTERVAL)),
    Case("m2 back to back: the next begins a minute after", recording(TEN + MINUTE),
         [people("a", NINE, TEN), people("b", TEN + MINUTE, TEN + HOUR)], Match(("b",), INTERVAL)),
    Case("m2 back to back, duration not known", recording(TEN + MINUTE, None),
         [people("a", NINE, TEN), people("b", TEN + MINUTE, TEN + HOUR)], Match(("b",), INTERVAL)),
    Case("m2 back to back: the former's people overrun into the next", recording(TEN + MINUTE),
         [people("a", NINE, TEN + 5 * MINUTE), people("b", TEN, TEN + HOUR)], Match(("a", "b"), INTERVAL)),
    Case("m2 back to back: the former's recording is not the next one's", recording(NINE, 59 * MINUTE),
         [people("a", NINE, TEN), people("b", TEN + MINUTE, TEN + HOUR)], Match(("a",), INTERVAL)),
    Case("m2 two files of one meeting: the first", recording(NINE, 20 * MINUTE), [people("a", NINE, TEN)],
         Match(("a",), INTERVAL)),
    Case("m2 two files of one meeting: the second", recording(NINE + 31 * MINUTE, 20 * MINUTE),
         [people("a", NINE, TEN)], Match(("a",), INTERVAL)),
    Case("m2 one leaving was lost, the session's end was not", recording(TEN + HOUR),
         [evidence("a", joined(NINE, "c-1", ANA, 1, session="s"), session(TEN, started=False, name="s"))], None),
    Case("m2 one leaving was lost, a count of zero was not", recording(TEN + HOUR),
         [evidence("a", joined(NINE, "c-1", ANA, 1), joined(NINE, "c-2", BEN, 2), left(TEN, "c-2", BEN, 0))], None),
    Case("m2 every leaving was lost", recording(TEN), [evidence("a", joined(NINE, "c-1", ANA, 1))],
         Match(("a",), INTERVAL)),
    Case("m2 the joining was lost", recording(NINE), [evidence("a", left(NINE + MINUTE, "c-1", ANA, 0))],
         Match(("a",), INTERVAL)),
    Case("m2 all of the clients' webhooks were lost", recording(NINE + MINUTE),
         [evidence("a", session(NINE, started=True), session(TEN, started=False))], Match(("a",), INTERVAL)),
    Case("m2 every webhook was lost, but the page was opened", recording(NINE + MINUTE),
         [evidence("a", opened_at=NINE)], Match(("a",), INTERVAL)),
    Case("m2 every webhook was lost, and the page was opened later", recording(NINE),
         [evidence("a", opened_at=TEN)], None),
    Case("m2 the page was opened long before, but Whereby tells better", recording(NINE),
         [evidence("a", joined(TEN, "c-1", ANA, 1), left(TEN + HOUR, "c-1", ANA, 0), opened_at=NINE - 3 * HOUR)],
         None),
    Case("m2 all of the webhooks were lost, and insights told the session", recording(NINE + MINUTE),
         [evidence("a", session(NINE, started=True), session(TEN, started=False), opened_at=NINE - MINUTE)],
         Match(("a",), INTERVAL)),
    Case("m2 nothing was heard of it, and so it was closed; but the page was opened", recording(NINE + HALF),
         [evidence("a", EmptiedEvent("a", WHEREBY_ROOM, NINE), opened_at=NINE)], Match(("a",), INTERVAL)),
    Case("m2 everybody was gone when it was closed as empty", recording(TEN + HOUR),
         [evidence("a", joined(NINE), left(TEN), EmptiedEvent("a", WHEREBY_ROOM, TEN), opened_at=NINE)], None),
    Case("m2 out of order: everything was told backwards", recording(NINE + MINUTE),
         [evidence("a", session(TEN, started=False), left(TEN, "c-2", BEN, 0), left(TEN, "c-1", ANA, 1),
                   session(NINE, started=True), joined(NINE, "c-2", BEN, 2), joined(NINE, "c-1", ANA, 1))],
         Match(("a",), INTERVAL)),
    Case("m2 only somebody by telephone was there", recording(NINE),
         [evidence("a", joined(NINE, "c-1", "", 1, dial_in=True), left(TEN, "c-1", "", 0, dial_in=True))],
         Match(("a",), INTERVAL)),
    Case("m2 only a captioner was there", recording(NINE),
         [evidence("a", joined(NINE, "c-1", "", 1, role="captioner"), left(TEN, "c-1", "", 0, role="captioner"))],
         None),
    Case("m2 whoever refused left before it began, the others stayed", recording(NINE + HALF),
         [evidence("a", joined(NINE, "c-3", CEM, 3), left(NINE + MINUTE, "c-3", CEM, 2), joined(NINE, "c-1", ANA, 1))],
         Match(("a",), INTERVAL)),
    Case("m2 whoever refused was in the meeting before, and alone", recording(NINE + HALF),
         [evidence("a", joined(NINE, "c-3", CEM, 1), left(NINE + MINUTE, "c-3", CEM, 0)),
          people("b", NINE + HALF, TEN)], Match(("b",), INTERVAL)),
    Case("m3 the recorder was there", recording(NINE + MINUTE), [recorder("a", NINE + MINUTE, NINE + 31 * MINUTE)],
         Match(("a",), RECORDER)),
    Case("m3 the recorder goes before the people", recording(NINE + MINUTE),
         [recorder("b", NINE + MINUTE, NINE + 31 * MINUTE), people("a", NINE, TEN)], Match(("b",), RECORDER)),
    Case("m3 the recorder goes before the webhook", recording(NINE + MINUTE),
         [recorder("b", NINE + MINUTE, NINE + 31 * MINUTE), evidence("a", files=(FILE,))], Match(("b",), RECORDER)),
    Case("m3 the webhook goes before the people", recording(NINE + MINUTE),
         [people("a", NINE, TEN), evidence("b", files=(FILE,))], Match(("b",), WEBHOOK)),
    Case("m3 a webhook days late, nothing else", recording(NINE), [evidence("a", files=(FILE,))],
         Match(("a",), WEBHOOK)),
    Case("m3 two files of one meeting, each named by its webhook", recording(NINE),
         [evidence("a", files=("other.mp4", FILE)), people("b", NINE, TEN)], Match(("a",), WEBHOOK)),
    Case("m3 days late, the recorder's own coming is heard of", recording(NINE + MINUTE),
         [people("a", NINE, TEN), recorder("b", NINE + MINUTE, TEN), people("c", NINE + 96 * HOUR, NINE + 97 * HOUR)],
         Match(("b",), RECORDER)),
    Case("m3 a webhook for another file", recording(NINE), [evidence("a", files=("other.mp4",))], None),
    Case("m3 the recorder's leaving was lost in the meeting before", recording(TEN + SECOND),
         [recorder("a", NINE), recorder("b", TEN + 3 * SECOND, TEN + HALF)], Match(("b",), RECORDER)),
    Case("m3 the recorder's joining was lost", recording(NINE + MINUTE, MINUTE),
         [evidence("a", left(NINE + 2 * MINUTE, "c-r", "", 0, role="recorder"))], Match(("a",), RECORDER)),
    Case("m3 a recorder of another hour says nothing", recording(TEN + 10 * MINUTE),
         [recorder("b", NINE, NINE + HALF), people("a", TEN, TEN + HOUR)], Match(("a",), INTERVAL)),
    Case("m4 two meetings truly overlap", recording(NINE + 50 * MINUTE),
         [people("a", NINE, TEN), people("b", NINE + 55 * MINUTE, TEN + HOUR)], Match(("a", "b"), INTERVAL)),
    Case("m4 two recorders truly overlap", recording(NINE),
         [recorder("b", NINE, NINE + HALF), recorder("a", NINE + SECOND, NINE + HALF)], Match(("a", "b"), RECORDER)),
    Case("m4 three meetings truly overlap, a fourth ended before", recording(NINE + HALF),
         [people("a", NINE, TEN), people("b", NINE, NINE + 31 * MINUTE), people("c", NINE + 59 * MINUTE, TEN + HOUR),
          people("d", NINE, NINE + 29 * MINUTE)], Match(("a", "b", "c"), INTERVAL)),
    Case("m5 nothing is known", recording(NINE), [], None),
    Case("m5 the meeting's row is not there yet", recording(NINE + MINUTE),
         [people("a", NINE, TEN, known=False)], None),
    Case("m5 the meeting's row came after its recording", recording(NINE + MINUTE), [people("a", NINE, TEN)],
         Match(("a",), INTERVAL)),
    Case("m5 there is only a later meeting", recording(NINE), [people("a", TEN, TEN + HOUR)], None),
    Case("m5 it was opened but nobody came near", recording(NINE), [people("a", NINE - 5 * HOUR, NINE - HOUR)], None),
    Case("m5 the recorder points at a meeting that is not known", recording(NINE),
         [recorder("a", NINE, TEN, known=False), people("b", NINE, TEN)], None),
    Case("m5 one of those that overlap is not known", recording(NINE),
         [people("a", NINE, TEN), people("b", NINE, TEN, known=False)], None),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.says)
def test_matching(case: Case) -> None:
    assert match(case.recording, case.evidence) == case.found
    assert match(case.recording, case.evidence[::-1]) == case.found


def test_a_recording_of_meetings_of_two_owners_is_nobodys() -> None:
    theirs = people("b", NINE, TEN)
    other = Evidence(**{**vars(theirs), "meeting_id": "a", "owner_id": "somebody else"})
    assert match(recording(NINE), [theirs, other]) is None


def test_times_are_read_in_utc() -> None:
    found = parse_object_key("x-2026-03-02T11:00:00+02:00.mp4")
    assert found is not None
    assert found.recorded_at.tzinfo is UTC
