"""Tokens that are refused, at every route that takes one: all alike, and nothing behind us hears of them."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from gateway.server import HttpServer
from tests.gateway.conftest import Stack, bearer
from tests.gateway.forged import EXPIRED, INVALID, MISSING, forgeries
from tests.gateway.issuer import Issuer
from tests.gateway.test_receipts import TAKES_A_RECEIPT
from tests.gateway.vault import WHOSE_ID, Route, Vault, asked, changing, kept, made, routes_with_a_token, seen

OPENING = "/v1/rooms/{room_name}/meeting"
ASK_NOBODY = {
    ("get", "/healthz"),
    ("get", "/readyz"),
    ("get", "/metrics"),
    ("get", "/v1/keys"),
    ("get", "/v1/notices/{hash}"),
    ("post", "/v1/whereby"),
    ("get", "/v1/sign-in"),
    ("get", "/v1/sign-in/callback"),
    ("get", "/v1/session"),
    ("delete", "/v1/session"),
}


@pytest.fixture(scope="module")
async def elsewhere() -> AsyncIterator[Issuer]:
    """An issuer of somebody's own, whose keys anybody can fetch."""
    issuer = Issuer()
    async with HttpServer(issuer.app, "127.0.0.1:0") as server:
        issuer.url = f"http://127.0.0.1:{server.port}/jwks.json"
        yield issuer


@pytest.fixture(scope="module")
async def vault(stack: Stack) -> Vault:
    return await made(stack)


@pytest.fixture(scope="module")
def forged(stack: Stack, vault: Vault, elsewhere: Issuer) -> dict[str, tuple[str, str]]:
    return forgeries(stack.issuer, vault.ids["meeting_id"], elsewhere)


def about(stack: Stack, *names: str) -> list[Route]:
    """Routes that take a token and such an id; opening a room is for anyone."""
    return [one for one in routes_with_a_token(stack.app.openapi()) if one.is_about(*names) and one.path != OPENING]


async def asked_twice(
    stack: Stack, route: Route, vault: Vault, headers: Any, params: dict[str, str] | None = None
) -> tuple[httpx.Response, httpx.Response]:
    """For what there is, and for what never was."""
    there = await asked(stack.http, route, vault.ids, headers, params)
    return there, await asked(stack.http, route, vault.never_was, headers, params)


def test_the_table_is_of_every_route(stack: Stack) -> None:
    routes = routes_with_a_token(stack.app.openapi())
    assert len(routes) >= 25
    assert {"GET", "HEAD", "POST", "PATCH", "DELETE"} <= {one.method for one in routes}
    assert {f"{{{name}}}" for name in WHOSE_ID} <= {part for one in routes for part in one.path.split("/")}


def test_what_asks_nobody_who_they_are_is_known(stack: Stack) -> None:
    """A route that is added asks, or is added here."""
    paths = stack.app.openapi()["paths"]
    open_to_all = {(m, path) for path, every in paths.items() for m, one in every.items() if not one.get("security")}
    assert open_to_all == ASK_NOBODY


@pytest.mark.parametrize("name", forgeries(Issuer(), "1"))
async def test_c4_a_token_that_nobody_issued_opens_nothing(
    stack: Stack, vault: Vault, elsewhere: Issuer, forged: dict[str, tuple[str, str]], name: str
) -> None:
    token, reason = forged[name]
    headers = {b"Authorization": b"Bearer " + token.encode("latin-1")}
    before = kept(stack.backend)
    stack.backend.calls.clear()
    told = set()
    for route in routes_with_a_token(stack.app.openapi()):
        reply = await asked(stack.http, route, vault.ids, headers)
        assert reply.status_code == 401, (route, reply.text)
        assert (reply.headers["www-authenticate"], reply.headers["cache-control"]) == ("Bearer", "no-store")
        told |= {reply.text} - {""}
    assert len(told) == 1, "it tells of nothing but the token"
    assert json.loads(told.pop())["reason"] == reason
    assert stack.backend.calls == []
    assert kept(stack.backend) == before
    assert elsewhere.asked == 0


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic b3duZXI6cGFzc3dvcmQ="},
        {"Authorization": "Digest username=owner"},
        {"X-Authorization": "Bearer {token}"},
        {"Authorization": "{token}"},
        {"Cookie": "token={token}; access_token={token}; assent-session={token}; __Host-assent-session={token}"},
        {"Sec-WebSocket-Protocol": "assent.v1, bearer.{token}"},
    ],
)
async def test_c4_whoever_brings_no_bearer_token_is_nobody(stack: Stack, vault: Vault, said: dict[str, str]) -> None:
    headers = {name: one.format(token=vault.token) for name, one in said.items()}
    await is_nobody(stack, vault, headers, {})


@pytest.mark.parametrize("name", ["access_token", "token", "authorization", "bearer"])
async def test_c4_a_token_in_the_address_is_none(stack: Stack, vault: Vault, name: str) -> None:
    await is_nobody(stack, vault, {}, {name: vault.token})


async def is_nobody(stack: Stack, vault: Vault, headers: dict[str, str], params: dict[str, str]) -> None:
    before = kept(stack.backend)
    stack.backend.calls.clear()
    for route in routes_with_a_token(stack.app.openapi()):
        if route.path != OPENING:
            there, nothing = [
                await asked(stack.http, route, ids, headers, params) for ids in (vault.ids, vault.never_was)
            ]
            assert (there.status_code, there.headers["www-authenticate"]) == (401, "Bearer"), route
            assert route.method == "HEAD" or there.json()["reason"] == MISSING
            assert seen(there, {}) == seen(nothing, {}), route
    assert stack.backend.calls == []
    assert kept(stack.backend) == before


async def test_somebody_elses_is_byte_for_byte_what_never_was(stack: Stack, vault: Vault) -> None:
    """For whoever is signed in, was in another meeting, or has the receipt of another one."""
    other = await made(stack)
    strangers = {
        "signed in": stack.issuer.token("owner-2"),
        "participant": other.token,
        "receipt": stack.app.state.parts.tokens.issue_receipt(other.ids["meeting_id"], "p1"),
    }
    before = kept(stack.backend)
    stack.backend.calls.clear()
    for who, token in strangers.items():
        for route in about(stack, *WHOSE_ID):
            there, nothing = [
                await asked(stack.http, route, ids, bearer(token)) for ids in (vault.ids, vault.never_was)
            ]
            assert there.status_code in ({404} if who == "signed in" else {403, 404}), (who, route, there.text)
            assert seen(there, vault.ids) == seen(nothing, vault.never_was), (who, route)
    # These look themselves whose it is, or who was there.
    assert set(changing(stack.backend.calls)) <= {"SubmitAnswer", "UpdateRoom", "DeleteRoom"}
    assert kept(stack.backend) == before


async def test_a_meeting_to_list_by_is_nobodys_for_a_stranger(stack: Stack, vault: Vault) -> None:
    other = await made(stack)
    routes = [one for one in routes_with_a_token(stack.app.openapi()) if "meeting_id" in one.parameters - {"path"}]
    filtered = [one for one in routes if not one.is_about("meeting_id")]
    assert {one.path for one in filtered} == {"/v1/recordings", "/v1/transcripts"}
    for token in (stack.issuer.token("owner-2"), other.token):
        for route in filtered:
            there, nothing = [
                await asked(stack.http, route, {}, bearer(token), {"meeting_id": ids["meeting_id"]})
                for ids in (vault.ids, vault.never_was)
            ]
            assert seen(there, vault.ids) == seen(nothing, vault.never_was), route
            assert there.status_code == 403 or there.json()[route.path.rpartition("/")[2]] == []


async def test_c4_the_token_of_a_receipt_does_where_receipts_do_and_nowhere_else(stack: Stack) -> None:
    vault = await made(stack)
    [answer] = stack.backend.answers[vault.ids["meeting_id"]]
    token = stack.app.state.parts.tokens.issue_receipt(vault.ids["meeting_id"], answer.participant_id)
    for route in routes_with_a_token(stack.app.openapi()):
        if (route.method, route.path) in TAKES_A_RECEIPT:
            reply = await asked(stack.http, route, vault.ids, bearer(token))
            assert reply.status_code == 200, (route, reply.text)
    before = kept(stack.backend)
    stack.backend.calls.clear()
    for route in routes_with_a_token(stack.app.openapi()):
        if (route.method, route.path) not in TAKES_A_RECEIPT:
            there, nothing = [
                await asked(stack.http, route, ids, bearer(token)) for ids in (vault.ids, vault.never_was)
            ]
            assert (there.status_code, nothing.status_code) == (403, 403), route
            assert route.method == "HEAD" or there.json()["reason"] in {"RECEIPT_ONLY", "OTHER_MEETING"}
    assert stack.backend.calls == []
    assert kept(stack.backend) == before


async def test_another_persons_receipt_is_like_none(stack: Stack, vault: Vault) -> None:
    """Revisions are numbered through the meeting, so that they can be guessed."""
    late = (await stack.http.post(f"/v1/rooms/{vault.ids['room_name']}/meeting")).json()["participant"]["token"]
    path = f"/v1/meetings/{vault.ids['meeting_id']}/consent/receipt"
    theirs, nothing = [await stack.http.get(path, params={"revision": one}, headers=bearer(late)) for one in ("1", "9")]
    assert (theirs.status_code, theirs.json()["reason"]) == (404, "ANSWER_NOT_FOUND")
    assert seen(theirs, {}) == seen(nothing, {})


def test_each_fault_is_told_in_one_way(stack: Stack) -> None:
    assert {reason for _, reason in forgeries(stack.issuer, "1").values()} == {INVALID, EXPIRED}


@pytest.mark.parametrize("is_good_first", [True, False])
async def test_c4_of_two_tokens_the_good_one_is_not_picked(stack: Stack, vault: Vault, is_good_first: bool) -> None:
    before = kept(stack.backend)
    stack.backend.calls.clear()
    for other in ("nonsense", stack.issuer.token("owner-2"), vault.token, ""):
        said = [f"Bearer {stack.issuer.token('owner-demo')}", f"Bearer {other}".strip()]
        headers = [("Authorization", one) for one in (said if is_good_first else reversed(said))]
        for route in routes_with_a_token(stack.app.openapi()):
            reply = await asked(stack.http, route, vault.ids, headers)
            assert (reply.status_code, reply.headers["www-authenticate"]) == (401, "Bearer"), route
            assert route.method == "HEAD" or reply.json()["reason"] == INVALID
            assert reply.headers["x-request-id"]
    assert stack.backend.calls == []
    assert kept(stack.backend) == before
