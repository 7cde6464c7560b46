"""Lines of the log, as they leave the process."""

import io
import json
import sys
from collections.abc import Callable, Iterator

import pytest
import structlog

from chassis import logs

Lines = Callable[[], list[dict[str, object]]]


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    written = io.StringIO()
    before = structlog.get_config()
    monkeypatch.setattr(sys, "stderr", written)
    logs.configure("tests")
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    structlog.configure(**before)
    structlog.contextvars.clear_contextvars()


def test_a_line_is_one_json_object_with_its_fields(lines: Lines) -> None:
    structlog.get_logger().info("answer_committed", meeting_id="büro\n1", revision=7, kinds={"a"}, at=2**70)
    [line] = lines()
    assert line.pop("timestamp")
    assert line == {
        "service": "tests",
        "level": "info",
        "event": "answer_committed",
        "meeting_id": "büro\n1",
        "revision": 7,
        "kinds": "{'a'}",
        "at": 2**70,
    }


def test_an_error_shows_where_it_was_but_not_what_it_held(lines: Lines) -> None:
    def store(participant_id: str) -> None:
        raise RuntimeError("no room" if participant_id else "nobody")

    try:
        store("whose-id-is-nobodys-business")
    except RuntimeError as error:
        structlog.get_logger().error("answer_failed", exc_info=error)
    [line] = lines()
    assert "no room" in json.dumps(line["exception"])
    assert "test_logs.py" in json.dumps(line["exception"])
    assert "nobodys" not in json.dumps(line["exception"])
