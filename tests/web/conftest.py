"""A browser, a gateway to visit, and Whereby's side of the call."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest
import uvicorn
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from deploy.local.browser import chromium
from tests.web.fake_gateway import FakeGateway
from tests.web.fake_tokens import OWNER_TOKEN
from tests.web.visit import Visit
from tests.web.whereby_room import WherebyRoom

# What Playwright switches off, as far as it concerns Chromium.
PLAYWRIGHTS = (
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsUpgrades",
    "HttpsFirstBalancedModeAutoEnable",
    "LensOverlay",
    "MediaRouter",
    "PaintHolding",
    "ThirdPartyStoragePartitioning",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "TcpPortRandomizationWin",
    "OptimizationHints",
    "NetworkTimeServiceQuerying",
    "AimEnabled",
    "PreconnectToSearch",
)
# Each page gets a window, whose address bar loads two pages of its own, and a process in reserve: more than half of
# the processor time of a visit, for what no test sees.
COSTLY = ("WebUIOmniboxPopup", "WebUIOmniboxAimPopup", "WebUIOmniboxFullPopup", "SpareRendererForSitePerProcess")
LAUNCH = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    # The last of these switches counts alone, so Playwright's own list is in it.
    f"--disable-features={','.join((*PLAYWRIGHTS, *COSTLY))}",
)
WHEREBY = "https://assent.whereby.com"
REAL = {"ASSENT_GATEWAY_URL", "ASSENT_OWNER_TOKEN"} <= os.environ.keys()


@dataclass(frozen=True)
class Site:
    """A gateway with one room in it, fake or real."""

    url: str
    owner_token: str
    room: str

    @property
    def room_url(self) -> str:
        return f"{self.url}/{self.room}"


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(chromium()), args=LAUNCH)
        yield browser
        await browser.close()


@pytest.fixture
async def fake() -> FakeGateway:
    """A fake gateway for tests that arrange what the services would have done."""
    return FakeGateway(WHEREBY)


@pytest.fixture
async def site(fake: FakeGateway) -> AsyncIterator[Site]:
    """The fake gateway, served."""
    async with serve(fake) as url:
        fake.rooms.append("weekly")
        yield Site(url, OWNER_TOKEN, "weekly")


@pytest.fixture(params=["fake", *(["real"] if REAL else [])])
async def any_site(request: pytest.FixtureRequest, fake: FakeGateway) -> AsyncIterator[Site]:
    """A room in the fake gateway and, where the stack's variables are set, one in the real one: the same cases."""
    if request.param == "fake":
        async with serve(fake) as url:
            yield await site_with_room(url, OWNER_TOKEN)
    else:
        yield await site_with_room(os.environ["ASSENT_GATEWAY_URL"], os.environ["ASSENT_OWNER_TOKEN"])


async def site_with_room(url: str, owner_token: str) -> Site:
    """Create a room of its own for one test."""
    room = f"web-{os.urandom(6).hex()}"
    async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {owner_token}"}) as client:
        (await client.post("/v1/rooms", json={"name": room})).raise_for_status()
    return Site(url, owner_token, room)


@asynccontextmanager
async def serve(fake: FakeGateway) -> AsyncIterator[str]:
    """The fake on a free port of this machine, in this process."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(fake.application(), log_level="warning", ws="websockets-sansio", lifespan="off")
        config.timeout_graceful_shutdown = 1
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await serving


@pytest.fixture
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    async with await browser.new_context(locale="en-GB", viewport={"width": 1280, "height": 800}) as context:
        yield context


@pytest.fixture
async def whereby(context: BrowserContext) -> WherebyRoom:
    """Whereby's origin, answered by us, wherever the gateway says the room is."""
    room = WherebyRoom(WHEREBY)
    await room.answer_for(context)
    return room


@pytest.fixture
async def page(context: BrowserContext, whereby: WherebyRoom) -> AsyncIterator[Page]:
    """A page that must end without a violation of the policy, an uncaught error or a missing file."""
    page = await context.new_page()
    complaints = listen_for_complaints(page)
    yield page
    assert complaints == []


@pytest.fixture
async def visit(page: Page, site: Site, fake: FakeGateway, whereby: WherebyRoom) -> Visit:
    """A page to be opened, with what decides what it shows."""
    return Visit(page, site, fake, whereby)


def listen_for_complaints(page: Page) -> list[str]:
    """What the browser finds wrong. Refused API calls are some tests' subject, so they do not count."""
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(f"uncaught: {error}"))
    page.on("console", lambda message: complaints.extend(_complaint(message.type, message.text)))
    page.on(
        "response",
        lambda response: complaints.extend(
            [f"{response.status} {response.url}"] if response.status >= 400 and "/static/" in response.url else []
        ),
    )
    return complaints


def _complaint(kind: str, text: str) -> Iterable[str]:
    if "Content Security Policy" in text or (kind == "error" and "Failed to load resource" not in text):
        yield text
