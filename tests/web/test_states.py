"""Pages in their states, each opened once and looked at in every way: by axe-core, on small screens, zoomed, in large
letters, with the keyboard alone. Nothing is lost, nothing covers the call, everything is reached.
"""

from collections.abc import AsyncIterator
from typing import Literal

import pytest
from playwright.async_api import Browser, Page

from tests.web.axe import violations
from tests.web.conftest import WHEREBY, Site, listen_for_complaints, serve
from tests.web.fake_gateway import FakeGateway
from tests.web.fake_tokens import OWNER_TOKEN
from tests.web.keys import walk
from tests.web.layout import CONTROLS, SIZES, covered, enlarge_text, misfits, next_frame
from tests.web.states import STATES
from tests.web.visit import Visit
from tests.web.whereby_room import WherebyRoom

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
ASKING = ("room-asking", "room-hosting", "room-storing", "room-delayed", "room-refused", "room-changing")
WALKED = (
    "home-signed-out",
    "home-rooms",
    "home-found",
    "room-asking",
    "room-delayed",
    "room-hosting-answered",
    "room-left",
    "meeting-erased",
    "meeting-asked",
    "meeting-answered",
    "transcript-kept",
    "transcript-erased",
    "transcript-editing",
    "transcript-locked",
    "receipt-answered",
    "receipt-changed",
)


@pytest.fixture(scope="module")
async def opened(request: pytest.FixtureRequest, browser: Browser) -> AsyncIterator[Page]:
    """A page in the state that is named by the parameter, for all tests of this module that look at it."""
    fake, whereby = FakeGateway(WHEREBY), WherebyRoom(WHEREBY)
    fake.rooms.append("weekly")
    async with serve(fake) as url, await browser.new_context(locale="en-GB", reduced_motion="reduce") as context:
        await whereby.answer_for(context)
        page = await context.new_page()
        complaints = listen_for_complaints(page)
        await resize(page, 1280, 800)
        await STATES[request.param](Visit(page, Site(url, OWNER_TOKEN, "weekly"), fake, whereby))
        yield page
        assert complaints == []


@pytest.fixture
async def shown(opened: Page) -> AsyncIterator[Page]:
    """The page, which the next test finds in the same light, size and letters."""
    yield opened
    await opened.emulate_media(color_scheme="light")
    await enlarge_text(opened, 100)
    await resize(opened, 1280, 800)


async def resize(page: Page, width: int, height: int) -> None:
    """The window's inside, in CSS pixels; the page has taken notice of it."""
    await page.set_viewport_size({"width": width, "height": height})
    await next_frame(page)


@pytest.mark.parametrize("opened", STATES, indirect=True)
async def test_nothing_stands_in_anybodys_way(shown: Page) -> None:
    for scheme in SCHEMES:
        await shown.emulate_media(color_scheme=scheme)
        assert await violations(shown) == []


@pytest.mark.parametrize("opened", STATES, indirect=True)
async def test_nothing_is_lost_on_small_screens_zoomed_or_in_large_letters(shown: Page) -> None:
    for name, (width, height) in SIZES.items():
        await resize(shown, width, height)
        assert (name, await misfits(shown)) == (name, [])
        if name == "a phone":
            assert await violations(shown) == []
    await enlarge_text(shown, 200)
    assert await shown.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize)") == 32
    for width, height in ((360, 740), (1280, 800)):
        await resize(shown, width, height)
        assert (f"{width} in large letters", await misfits(shown)) == (f"{width} in large letters", [])


@pytest.mark.parametrize("opened", ASKING, indirect=True)
async def test_the_question_never_covers_the_calls_own_controls(shown: Page) -> None:
    for width, height in ((1280, 800), (1280, 640), (768, 1024), (360, 740), (320, 568)):
        await resize(shown, width, height)
        assert await covered(shown) == []
    # So low that the call's two bars leave nothing between them: its lower one, with what ends the call, stays free.
    for width, height in ((640, 400), (740, 360), (320, 256)):
        await resize(shown, width, height)
        assert [control for control in await covered(shown) if control != CONTROLS[0]] == []


@pytest.mark.parametrize("opened", WALKED, indirect=True)
async def test_everything_is_reached_and_seen_to_be(shown: Page) -> None:
    for width, height in ((1280, 800), (360, 740)):
        await resize(shown, width, height)
        stops = await walk(shown)
        assert [stop for stop in stops if stop.outline < 2 and not stop.name.startswith("iframe")] == []
        assert [stop for stop in stops if not stop.is_uncovered and not stop.name.startswith("iframe")] == []
