"""`docs/api.md` lists every reason that the code gives, with its status: none is forgotten, and none is made up."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc

from chassis import errors
from consent_svc.domain.verdict import Reason
from consent_svc.servicer.answers import LONGEST
from gateway import problems
from recording_svc.domain.recordings import State

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/api.md").read_text()
PARTS = ("gateway", "consent_svc", "recording_svc", "transcript_svc", "chassis")
SETTLING = ("domain/recordings.py", "domain/settling.py", "consent.py", "erasure.py", "settlement.py")
UPPER_SNAKE = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+")
BY_ARGUMENT = {f"{field.upper()}_INVALID": 400 for field in LONGEST}
"""Of an answer's fields, one for each."""


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node


def name_of(call: ast.Call) -> str:
    return getattr(call.func, "id", getattr(call.func, "attr", ""))


def kind_of(call: ast.Call) -> type[errors.ServiceError] | None:
    """Which error a call makes, if any; a kind of the gateway's own makes itself through its base."""
    if name_of(call) == "__init__":
        return errors.ResourceExhausted
    kind = getattr(errors, name_of(call), None)
    return kind if isinstance(kind, type) and issubclass(kind, errors.ServiceError) else None


def raised() -> Iterator[tuple[str, int]]:
    """Reasons of errors, and their HTTP statuses."""
    for path in (path for part in PARTS for path in (ROOT / part).rglob("*.py") if "operator" not in path.parts):
        for call in calls(ast.parse(path.read_text())):
            given = {one.arg: one.value for one in call.keywords}.get("reason")
            kind = kind_of(call)
            if kind and isinstance(given, ast.Constant):
                yield str(given.value), problems.status_of(kind("", reason=str(given.value)))
            if name_of(call) == "problem" and all(isinstance(one, ast.Constant) for one in call.args[:2]):
                status, reason = (ast.literal_eval(one) for one in call.args[:2])
                yield reason, status


def settled() -> Iterator[str]:
    """Reasons of a recording's state: the verdict's, and those that recording_svc has itself."""
    yield from (reason.name for reason in Reason)
    for path in (ROOT / "recording_svc" / name for name in SETTLING):
        tree = ast.parse(path.read_text())
        of_errors = {id(one.value) for call in calls(tree) if kind_of(call) for one in call.keywords}
        for node in ast.walk(tree):
            text = node.value if isinstance(node, ast.Constant) else None
            if isinstance(text, str) and UPPER_SNAKE.fullmatch(text) and id(node) not in of_errors:
                yield text


def section(name: str) -> str:
    [found] = re.findall(rf"<!-- {name}.*?-->\n(.*?)<!-- end -->", PAGE, re.DOTALL)
    return str(found)


def rows(name: str) -> list[list[str]]:
    lines = [line for line in section(name).splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def words(text: str) -> list[str]:
    return re.findall(r"`([A-Z0-9_]+)`", text)


def of_grpc(reason: str) -> int:
    """The status of what has no reason but gRPC's own."""
    code = grpc.StatusCode[reason]
    known: dict[Any, type[errors.ServiceError]] = {kind.code: kind for kind in errors.ServiceError.__subclasses__()}
    return problems.status_of(known.get(code, errors.Internal)("", reason=reason))


def test_the_page_has_every_reason_and_its_status() -> None:
    listed = {reason: int(status) for reasons, status, _ in rows("reasons:") for reason in words(reasons)}
    between = words(section("between services"))
    known = dict(raised()) | BY_ARGUMENT | {"RESPONSE_UNREADABLE": 500}
    known |= {reason: status for status, reason in problems._HTTP_REASONS.items()}
    assert not set(listed) & set(between)
    assert set(known) - set(listed) - set(between) == set(), "not on the page"
    expected = {reason: known.get(reason) or of_grpc(reason) for reason in listed}
    assert listed == expected
    assert set(between) <= known.keys(), "in no code"
    assert between == sorted(between)


def test_a_reason_has_one_status() -> None:
    found: dict[str, set[int]] = {}
    for reason, status in raised():
        found.setdefault(reason, set()).add(status)
    assert {reason: statuses for reason, statuses in found.items() if len(statuses) > 1} == {}


def test_the_page_has_every_reason_of_a_recordings_state() -> None:
    listed = [reason for reasons, _, _ in rows("states' reasons:") for reason in words(reasons)]
    assert len(listed) == len(set(listed))
    assert set(listed) == set(settled())
    states = {state for _, states, _ in rows("states' reasons:") for state in states.split(", ")}
    assert states == {state.value for state in State}
