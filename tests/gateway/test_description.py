"""The API's description says what can come back from each route, and what comes from all alike at every one."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.gateway.conftest import Stack

OPENING = ("post", "/v1/rooms/{room_name}/meeting")


@pytest.fixture(scope="module")
def described(stack: Stack) -> dict[tuple[str, str], dict[str, Any]]:
    """Operations by method and path."""
    paths = stack.app.openapi()["paths"]
    return {(method, path): one for path, operations in paths.items() for method, one in operations.items()}


def lacking(
    operations: dict[tuple[str, str], dict[str, Any]], *statuses: int
) -> Iterator[tuple[tuple[str, str], set[str]]]:
    for name, operation in operations.items():
        if missing := {str(one) for one in statuses} - operation["responses"].keys():
            yield name, missing


def is_any_text(schema: dict[str, Any]) -> bool:
    """Whether a parameter takes whatever can be sent."""
    kinds = [one for one in schema.get("anyOf", [schema]) if one["type"] != "null"]
    return all(one["type"] == "string" and not one.keys() & {"pattern", "maxLength", "enum"} for one in kinds)


def test_whoever_shows_a_token_may_be_refused(described: dict[tuple[str, str], dict[str, Any]]) -> None:
    with_token = {name: one for name, one in described.items() if one.get("security")}
    assert dict(lacking(with_token, 401, 403, 503)) == {}


def test_a_body_may_be_too_large_or_too_slow(described: dict[tuple[str, str], dict[str, Any]]) -> None:
    with_body = {name: one for name, one in described.items() if "requestBody" in one or name[1] == "/v1/whereby"}
    assert len(with_body) >= 6
    assert dict(lacking(with_body, 400, 408, 413)) == {}


def test_what_has_an_id_may_be_nothing(described: dict[tuple[str, str], dict[str, Any]]) -> None:
    assert dict(lacking({name: one for name, one in described.items() if "{" in name[1]}, 404)) == {}


def test_a_parameter_that_can_be_wrong_is_422_and_nothing_else_is(
    described: dict[tuple[str, str], dict[str, Any]],
) -> None:
    """What cannot be sent wrong needs no answer for it: a path that is none is 404, a condition is any text."""
    for name, operation in described.items():
        given = [one for one in operation.get("parameters", ()) if one["in"] != "path"]
        checked = [one["name"] for one in given if not is_any_text(one["schema"])]
        may_be_wrong = bool(checked or "requestBody" in operation)
        assert ("422" in operation["responses"]) is may_be_wrong, (name, checked)


def test_opening_a_room_fails_in_the_ways_that_it_can(described: dict[tuple[str, str], dict[str, Any]]) -> None:
    assert described[OPENING]["responses"].keys() == {"200", "401", "403", "404", "429", "503"}
