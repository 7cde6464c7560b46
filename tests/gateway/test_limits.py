"""How often somebody may ask."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, nullcontext
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from gateway.__main__ import application
from gateway.limits import AddressLimit, Limit, TooManyRequests
from gateway.server import HttpServer
from gateway.settings import Settings
from tests.gateway.conftest import Stack, bearer


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_minutes_worth_may_come_at_once_and_then_as_many_as_the_time_brings() -> None:
    clock = Clock()
    limit = Limit(6, clock)
    for _ in range(6):
        limit.take("ana")
    with pytest.raises(TooManyRequests) as refused:
        limit.take("ana")
    assert refused.value.seconds == 10
    clock.now += 9.5
    with pytest.raises(TooManyRequests) as refused:
        limit.take("ana")
    assert refused.value.seconds == 1, "asking too early costs nothing"
    clock.now += 0.5
    limit.take("ana")
    with pytest.raises(TooManyRequests):
        limit.take("ana")
    clock.now += 3600
    for _ in range(6):
        limit.take("ana")


def test_nobody_pays_for_another() -> None:
    limit = Limit(1, Clock())
    limit.take("ana")
    limit.take("ben")
    with pytest.raises(TooManyRequests):
        limit.take("ana")


def test_none_is_no_limit() -> None:
    limit = Limit(0)
    for _ in range(10_000):
        limit.take("ana")


def test_what_is_kept_is_bounded_and_a_minute_old_at_most() -> None:
    clock = Clock()
    limit = Limit(1, clock, most_kept=3)
    for number in range(10):
        limit.take(str(number))
    with pytest.raises(TooManyRequests):
        limit.take("9")
    limit.take("0")
    assert len(limit._buckets) == 3
    clock.now += 61
    limit.take("ana")
    assert list(limit._buckets) == ["ana"]


@pytest.mark.parametrize(
    ("one", "other", "are_one"),
    [
        ("93.184.216.34", "93.184.216.34", True),
        ("93.184.216.34", "::ffff:93.184.216.34", True),
        ("93.184.216.34", "93.184.216.35", False),
        ("2606:2800:220:1:248:1893:25c8:1946", "2606:2800:220:1:ffff::1", True),
        ("2606:2800:220:1::1", "2606:2800:220:2::1", False),
        *((one, one, False) for one in ("127.0.0.1", "10.1.2.3", "192.168.0.1", "fd00::1", "::1", "unix:", "", None)),
    ],
)
def test_an_address_tells_whose_it_is_or_nothing(one: str | None, other: str | None, are_one: bool) -> None:
    limit = AddressLimit(1, Clock())
    limit.take(one)
    with pytest.raises(TooManyRequests) if are_one else nullcontext():
        limit.take(other)


def test_whoever_has_thousands_of_networks_may_not_ask_thousands_of_times_as_often() -> None:
    limit = AddressLimit(2, Clock())
    for number in range(32):
        limit.take(f"2606:2800:220:{number:x}::1")
    with pytest.raises(TooManyRequests):
        limit.take("2606:2800:220:ffff::1")
    limit.take("2606:2800:221::1")


def test_who_is_refused_takes_nothing_from_their_neighbours() -> None:
    limit = AddressLimit(1, Clock())
    limit.take("2606:2800:220:1::1")
    for _ in range(100):
        with pytest.raises(TooManyRequests):
            limit.take("2606:2800:220:1::1")
    for number in range(2, 17):
        limit.take(f"2606:2800:220:{number:x}::1")


@pytest.fixture
async def strict(stack: Stack) -> Any:
    """A second gateway that allows two of each a minute, and believes whoever stands before it."""
    limits = {"openings_per_minute": 2, "answers_per_minute": 2, "trusted_proxies": "127.0.0.1"}
    settings = stack.settings.model_copy(update=limits)
    async with AsyncExitStack() as opened:
        app = await opened.enter_async_context(application(settings))
        server = await opened.enter_async_context(HttpServer(app, "127.0.0.1:0", settings.trusted_proxies))
        url = f"http://127.0.0.1:{server.port}"
        http = await opened.enter_async_context(httpx.AsyncClient(base_url=url, timeout=20))
        yield Stack(url, http, stack.backend, stack.bus, settings, stack.issuer, app, stack.services)


async def test_one_address_may_open_only_so_many_meetings(stack: Stack, strict: Stack) -> None:
    await stack.opened("crowded")

    def open_from(address: str) -> Awaitable[httpx.Response]:
        return strict.http.post("/v1/rooms/crowded/meeting", headers={"X-Forwarded-For": address})

    for _ in range(2):
        assert (await open_from("93.184.216.34")).status_code == 200
    refused = await open_from("93.184.216.34")
    assert (refused.status_code, refused.json()["reason"]) == (429, "TOO_MANY_REQUESTS")
    assert 0 < int(refused.headers["retry-after"]) <= 30
    assert (await open_from("93.184.216.35")).status_code == 200
    # From the cluster's own network, where nobody can be told from another, everybody is let in.
    for _ in range(5):
        assert (await open_from("10.0.0.7")).status_code == 200


async def test_one_person_may_answer_only_so_often_and_nobody_else_is_held_up(stack: Stack, strict: Stack) -> None:
    people = [(await stack.opened("undecided")) for _ in range(2)]

    def answer(who: dict[str, Any]) -> Callable[[], Awaitable[httpx.Response]]:
        path = f"/v1/meetings/{who['meeting']['id']}/consent"
        return lambda: strict.http.post(
            path, json={"consent_given": False}, headers=bearer(who["participant"]["token"])
        )

    first, second = map(answer, people)
    assert [(await first()).status_code for _ in range(3)] == [200, 200, 429]
    refused = await first()  # the short way says the same
    assert (refused.status_code, refused.json()["reason"]) == (429, "TOO_MANY_REQUESTS")
    assert 0 < int(refused.headers["retry-after"]) <= 30
    assert [(await second()).status_code for _ in range(2)] == [200, 200]


@pytest.mark.parametrize("proxies", ["everybody", "10.0.0.0/33", "*"])
def test_what_is_no_network_stops_the_start(stack: Stack, proxies: str) -> None:
    with pytest.raises(ValidationError, match="trusted_proxies"):
        Settings(**{**stack.settings.model_dump(), "trusted_proxies": proxies})


async def test_whoever_is_no_trusted_proxy_cannot_say_for_whom_they_ask(stack: Stack) -> None:
    await stack.opened("free")
    for _ in range(3):
        reply = await stack.http.post("/v1/rooms/free/meeting", headers={"X-Forwarded-For": "93.184.216.36"})
        assert reply.status_code == 200
    assert not stack.app.state.parts.limits.openings._households._buckets
