"""Pictures of every page in every state, light and dark, wide and narrow, in build/web, for somebody to look at.

`.venv/bin/python -m tests.web.screenshots [part of a state's name …]`
"""

import asyncio
import sys
from pathlib import Path
from typing import Literal

from playwright.async_api import Browser, async_playwright

from deploy.local.browser import chromium
from tests.web.conftest import LAUNCH, WHEREBY, Site, serve
from tests.web.fake_gateway import FakeGateway
from tests.web.fake_tokens import OWNER_TOKEN
from tests.web.states import STATES
from tests.web.visit import Visit
from tests.web.whereby_room import WherebyRoom

FOLDER = Path(__file__).resolve().parents[2] / "build" / "web"
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
SIZES = ((1280, 800), (360, 740))


async def main(wanted: list[str]) -> None:
    """Take them one after the other, each from a gateway of its own."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(chromium()), args=LAUNCH)
        for state in STATES:
            if not wanted or any(part in state for part in wanted):
                for width, height in SIZES:
                    await take(browser, state, width, height)
        await browser.close()


async def take(browser: Browser, state: str, width: int, height: int) -> None:
    """Both pictures of a state in a window of this size, in CSS pixels."""
    fake, whereby = FakeGateway(WHEREBY), WherebyRoom(WHEREBY)
    fake.rooms.append("weekly")
    options = {"locale": "en-GB", "reduced_motion": "reduce", "viewport": {"width": width, "height": height}}
    async with serve(fake) as url, await browser.new_context(**options) as context:  # type: ignore[arg-type]  # as named
        await whereby.answer_for(context)
        page = await context.new_page()
        await STATES[state](Visit(page, Site(url, OWNER_TOKEN, "weekly"), fake, whereby))
        for scheme in SCHEMES:
            await page.emulate_media(color_scheme=scheme)
            whole = not state.startswith("room-")
            await page.screenshot(path=FOLDER / f"{state}-{scheme}-{width}.png", full_page=whole)
        # What is kept waiting on purpose is not waited for.
        await context.unroute_all(behavior="ignoreErrors")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
