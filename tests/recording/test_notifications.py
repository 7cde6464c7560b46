"""What SQS says: what arrived, what is not ours, what makes no sense."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recording_svc.domain.recordings import Arrival
from recording_svc.notifications import read


def record(key: str = "room-2026-11-22T11%3A20%3A00Z.mp4", **more: Any) -> dict[str, Any]:
    described = {"key": key, "size": 5, "versionId": "v1", **more}
    return {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "ours"}, "object": described}}


def body(*records: Any) -> str:
    return json.dumps({"Records": records})


def test_keys_are_form_encoded() -> None:
    notice = read(body(record("folder%2Fa+room-2026-11-22T11%3A20%3A00.123Z.mp4")), "ours")
    assert notice.arrivals == (Arrival("ours", "folder/a room-2026-11-22T11:20:00.123Z.mp4", "v1", 5),)
    assert not notice.fault


def test_one_message_may_hold_several_records() -> None:
    assert len(read(body(record("a.mp4"), record("b.mkv")), "ours").arrivals) == 2


def test_a_record_without_a_version_asks_for_the_bucket() -> None:
    notice = read(body(record("a.mp4", versionId=None)), "ours")
    assert (notice.arrivals, notice.unversioned) == ((), (Arrival("ours", "a.mp4", "", 5),))


def test_a_record_without_a_size_asks_for_the_bucket() -> None:
    notice = read(body(record("a.mp4", size=None)), "ours")
    assert (notice.arrivals, [one.key for one in notice.unversioned]) == ((), ["a.mp4"])


def test_the_largest_object_that_s3_stores_is_one() -> None:
    assert read(body(record(size=10_000 * 5 * 1024**3)), "ours").arrivals


@pytest.mark.parametrize(
    "said",
    [
        json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "ours"}),
        body(record("notes.txt")),
        body(record("folder%2F", size=0)),
        body({**record(), "eventName": "ObjectRemoved:Delete"}),
        body({**record(), "s3": {"bucket": {"name": "theirs"}, "object": {"key": "a.mp4"}}}),
        body({**record(), "s3": {"bucket": {"name": "theirs"}, "object": {"key": 7, "size": -1}}}),
    ],
)
def test_what_is_not_ours_is_acknowledged(said: str) -> None:
    notice = read(said, "ours")
    assert notice.ignored
    assert (notice.arrivals, notice.unversioned, notice.fault) == ((), (), "")


@pytest.mark.parametrize(
    "said",
    [
        "",
        "{",
        "[]",
        "[" * 100_000,
        "{}",
        body({}),
        body("text"),
        body(None),
        body({**record(), "eventName": 7}),
        body(record(size="big")),
        body(record(size=-1)),
        body(record(size=0)),
        body(record(size=True)),
        body(record(size=10_000 * 5 * 1024**3 + 1)),
        body(record(versionId=7)),
        body(record(versionId="a\0b")),
        body(record(versionId="\ud800")),
        body(record(versionId="v" * 1100)),
        body(record("%00.mp4")),
        body(record("%FF.mp4")),
        body(record("a" * 1100 + ".mp4")),
        body(record(7)),  # type: ignore[arg-type]  # what a stranger may send
    ],
)
def test_what_cannot_be_understood_says_why(said: str) -> None:
    notice = read(said, "ours")
    assert notice.fault
    assert (notice.arrivals, notice.unversioned) == ((), ())


def test_a_bad_record_does_not_stop_its_neighbour() -> None:
    notice = read(body({}, record("a.mp4")), "ours")
    assert notice.fault
    assert [one.key for one in notice.arrivals] == ["a.mp4"]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda one: st.lists(one) | st.dictionaries(st.text(), one)
)


@given(_JSON | st.builds(lambda one: {"Records": [one]}, _JSON))
def test_nothing_that_anybody_sends_raises(said: Any) -> None:
    read(json.dumps(said), "ours")
