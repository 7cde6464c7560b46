"""WebSockets that are refused: at every address, in every way to bring a token, alike, and never without a word."""

import json
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Response
from websockets.typing import Subprotocol

from tests.gateway.conftest import Stack, bearer
from tests.gateway.forged import MISSING, forgeries
from tests.gateway.issuer import Issuer
from tests.gateway.vault import Vault, kept, made, socket_paths
from tests.gateway.watching import watching

PATHS = sorted(socket_paths())
# Longer than a line of a WebSocket's handshake may be.
TOO_LONG = {"of 8193 characters", "of 20000 characters"}
FORGED = sorted(forgeries(Issuer(), "1").keys() - TOO_LONG)


@pytest.fixture(scope="module")
async def vault(stack: Stack) -> Vault:
    return await made(stack)


async def refused(stack: Stack, path: str, headers: Any = None, protocols: list[str] | None = None) -> Response:
    """The response to a handshake that fails."""
    offered = [Subprotocol(one) for one in protocols] if protocols else None
    address = stack.url.replace("http", "ws", 1) + path
    with pytest.raises(InvalidStatus) as failed:
        async with connect(address, additional_headers=headers, subprotocols=offered, proxy=None):
            pass
    return failed.value.response


async def closed(stack: Stack, path: str, token: str) -> tuple[int, str]:
    """How a browser's WebSocket ends that may not be."""
    async with watching(stack, path, token) as live:
        with pytest.raises(ConnectionClosed) as ended:
            await live.recv()
    assert ended.value.rcvd is not None
    return ended.value.rcvd.code, ended.value.rcvd.reason


def told(response: Response) -> tuple[int, list[tuple[str, str]], dict[str, Any]]:
    """All that a refusal tells, but for the time of day and the request's id."""
    headers = sorted((name.lower(), one) for name, one in response.headers.raw_items())
    headers = [one for one in headers if one[0] not in ("date", "x-request-id")]
    return response.status_code, headers, json.loads(response.body)


def without(ids: dict[str, str], response: tuple[int, list[tuple[str, str]], dict[str, Any]]) -> str:
    """The same without the ids that were asked for."""
    text = repr(response)
    for name, one in ids.items():
        text = text.replace(one, name)
    return text


@pytest.mark.parametrize("path", PATHS)
async def test_c4_a_token_that_nobody_issued_opens_no_socket(stack: Stack, vault: Vault, path: str) -> None:
    before = kept(stack.backend)
    stack.backend.calls.clear()
    every = forgeries(stack.issuer, vault.ids["meeting_id"])
    for name in FORGED:
        token, reason = every[name]
        there, nothing = [
            await refused(stack, path.format(**ids), bearer(token)) for ids in (vault.ids, vault.never_was)
        ]
        assert told(there) == told(nothing), name
        assert (there.status_code, json.loads(there.body or b"")["reason"]) == (401, reason), name
        assert there.headers["WWW-Authenticate"] == "Bearer"
        if token.isascii() and not set(token) & set(","):
            assert await closed(stack, path.format(**vault.ids), token) == (4401, reason), name
    assert stack.backend.calls == []
    assert kept(stack.backend) == before


@pytest.mark.parametrize("name", sorted(TOO_LONG))
async def test_a_token_that_is_too_long_for_a_handshake_is_refused_at_once(
    stack: Stack, vault: Vault, name: str
) -> None:
    token, _ = forgeries(stack.issuer, "1")[name]
    place = PATHS[0].format(**vault.ids)
    for headers, protocols in ((bearer(token), None), (None, ["assent.v1", f"bearer.{token}"])):
        assert (await refused(stack, place, headers, protocols)).status_code == 431


@pytest.mark.parametrize("path", PATHS)
async def test_c4_whoever_brings_no_token_opens_no_socket(stack: Stack, vault: Vault, path: str) -> None:
    stack.backend.calls.clear()
    place = path.format(**vault.ids)
    for headers in (None, {"Authorization": "Basic b3duZXI6cGFzc3dvcmQ="}, {"Authorization": "Bearer"}):
        response = await refused(stack, place, headers)
        assert (response.status_code, json.loads(response.body)["reason"]) == (401, MISSING)
    for query in ("access_token", "token", "bearer"):
        response = await refused(stack, f"{place}?{query}={vault.token}")
        assert (response.status_code, json.loads(response.body)["reason"]) == (401, MISSING)
    assert stack.backend.calls == []


@pytest.mark.parametrize("path", PATHS)
async def test_somebody_elses_socket_is_byte_for_byte_that_of_what_never_was(
    stack: Stack, vault: Vault, path: str
) -> None:
    other = await made(stack)
    receipt = stack.app.state.parts.tokens.issue_receipt(vault.ids["meeting_id"], "p1")
    for token in (stack.issuer.token("owner-2"), other.token, receipt):
        place, nowhere = (path.format(**ids) for ids in (vault.ids, vault.never_was))
        there = told(await refused(stack, place, bearer(token)))
        nothing = told(await refused(stack, nowhere, bearer(token)))
        assert there[0] in {403, 404}
        if token != receipt or there[2]["reason"] == "RECEIPT_ONLY" == nothing[2]["reason"]:
            assert without(vault.ids, there) == without(vault.never_was, nothing)
        ends = [await closed(stack, one, token) for one in (place, nowhere)]
        assert ends == [(4000 + one[0], one[2]["reason"]) for one in (there, nothing)]


@pytest.mark.parametrize("path", PATHS)
async def test_of_two_tokens_the_good_one_is_not_picked(stack: Stack, vault: Vault, path: str) -> None:
    place, good, bad = path.format(**vault.ids), vault.token, "nonsense"
    ways: list[tuple[Any, list[str] | None]] = [
        ([("Authorization", f"Bearer {one}") for one in (good, bad)], None),
        ([("Authorization", f"Bearer {one}") for one in (bad, good)], None),
        ([("Authorization", f"Bearer {good}")], ["assent.v1", f"bearer.{bad}"]),
        ([("Authorization", f"Bearer {bad}")], ["assent.v1", f"bearer.{good}"]),
        (None, ["assent.v1", f"bearer.{good}", f"bearer.{bad}"]),
    ]
    for headers, protocols in ways:
        response = await refused(stack, place, headers, protocols)
        assert (response.status_code, json.loads(response.body)["reason"]) == (401, "TOKEN_INVALID")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/v1/nothing", "ROUTE_NOT_FOUND"),
        ("/v1/rooms", "ROUTE_NOT_FOUND"),
        ("/v1/meetings/4711/events/", "ROUTE_NOT_FOUND"),
        ("/", "ROUTE_NOT_FOUND"),
        ("/weekly", "ROUTE_NOT_FOUND"),
        ("/static/style.css", "ROUTE_NOT_FOUND"),
        ("/static/", "ROUTE_NOT_FOUND"),
        ("/v1/meetings/no%20id/events", "NOT_FOUND"),
        ("/v1/transcripts/' OR 1=1 --/events", "NOT_FOUND"),
    ],
)
async def test_where_there_is_no_socket_is_a_404_with_a_reason(
    stack: Stack, path: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    for headers in (None, stack.owner()):
        response = await refused(stack, path.replace(" ", "%20"), headers)
        assert response.status_code == 404
        assert json.loads(response.body)["reason"] == reason
        assert response.headers["Content-Type"] == "application/problem+json"
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_every_answer_to_a_handshake_has_its_request_id(stack: Stack, vault: Vault) -> None:
    place = PATHS[0].format(**vault.ids)
    for path in (place, "/v1/nothing", "/v1/meetings/no%20id/events"):
        response = await refused(stack, path, {"X-Request-Id": "asked-7"})
        assert response.headers["X-Request-Id"] == "asked-7"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
    async with watching(stack, place, vault.token, additional_headers={"X-Request-Id": "asked-8"}) as live:
        assert live.response is not None
        assert live.response.headers["X-Request-Id"] == "asked-8"


async def test_a_handshake_that_fails_on_our_side_is_a_problem_without_our_insides(
    stack: Stack, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr(stack.app.state.parts.tokens, "identify", broken)
    response = await refused(stack, PATHS[0].format(**vault.ids), stack.owner())
    assert (response.status_code, json.loads(response.body)["reason"]) == (500, "INTERNAL")
    assert b"hunter2" not in response.body
    assert response.headers["X-Request-Id"]
