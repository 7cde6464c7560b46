"""An issuer that is away, hangs, or describes itself wrongly."""

import asyncio
import time
from typing import Any

import httpx
import pytest

from gateway.__main__ import application
from gateway.keys import KeySet
from gateway.provider import Client, Flow, Provider
from gateway.settings import Settings
from tests.eventually import eventually
from tests.gateway.sign_in_issuer import CLIENT_ID, SignInIssuer


async def test_an_issuer_that_is_away_is_said_and_asked_again(pages: Settings, honest: SignInIssuer) -> None:
    async with application(pages) as app:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=pages.gateway_url) as http:
            honest.is_away = True
            assert (await http.get("/v1/sign-in")).headers["location"] == "/?sign-in=unavailable"
            honest.is_away = False

            async def leads_there() -> bool:
                return (await http.get("/v1/sign-in")).headers["location"].startswith(honest.origin)

            await eventually(leads_there)
            honest.is_away = True
            assert (await http.get("/v1/sign-in")).headers["location"].startswith(honest.origin), "as it was described"


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://issuer.example.com"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": "http:/evil"},
        {"authorization_endpoint": 7},
        {"token_endpoint": None},
        {"token_endpoint_auth_methods_supported": 7},
        {"much": "x" * 2_000_000},
    ],
)
async def test_an_issuer_that_describes_somebody_else_is_not_believed(
    pages: Settings, honest: SignInIssuer, metadata: dict[str, Any]
) -> None:
    honest.metadata = metadata
    try:
        async with application(pages) as app:
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url=pages.gateway_url) as http:
                assert (await http.get("/v1/sign-in")).headers["location"] == "/?sign-in=unavailable"
    finally:
        honest.metadata = {}


async def test_people_who_wait_for_an_issuer_that_hangs_wait_no_longer_than_one(
    pages: Settings, honest: SignInIssuer
) -> None:
    honest.hangs.clear()
    try:
        async with application(pages) as app:
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url=pages.gateway_url, timeout=60) as http:
                began = time.monotonic()
                replies = await asyncio.gather(*(http.get("/v1/sign-in") for _ in range(8)))
                waited = time.monotonic() - began
    finally:
        honest.hangs.set()
    assert {reply.headers["location"] for reply in replies} == {"/?sign-in=unavailable"}
    assert waited < 15, "one question of 5 s, not eight of them"


async def test_a_stale_description_serves_while_it_is_asked_for_again(pages: Settings, honest: SignInIssuer) -> None:
    async with httpx.AsyncClient() as http:
        now = 0.0
        client = Client(CLIENT_ID, "", "openid", f"{pages.gateway_url}/v1/sign-in/callback")
        provider = Provider(honest.origin, client, KeySet(http, honest.url), clock=lambda: now)
        await provider.sign_in_url(Flow.begun("/"))
        before = honest.described
        honest.hangs.clear()
        try:
            now = 4000.0
            async with asyncio.timeout(2):
                for _ in range(3):
                    assert (await provider.sign_in_url(Flow.begun("/"))).startswith(honest.origin)
        finally:
            honest.hangs.set()

        async def is_asked_again() -> bool:
            return honest.described == before + 1

        await eventually(is_asked_again)
