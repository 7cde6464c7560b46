"""Somebody who opens a page: the browser, and the gateway behind the page, which is arranged beforehand."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from playwright.async_api import Page, Route, expect

from tests.web.fake_gateway import FakeGateway
from tests.web.whereby_room import WherebyRoom

if TYPE_CHECKING:
    from tests.web.conftest import Site  # which makes the visits


@dataclass(frozen=True)
class Visit:
    """A page that is not opened yet, and everything that decides what it will show."""

    page: Page
    site: "Site"
    fake: FakeGateway
    whereby: WherebyRoom

    async def open(self, path: str, token: str | None = None) -> None:
        """Open one of the gateway's pages, by default without a token."""
        if token:
            await hold_token(self.page, self.site.url, token)
        await self.page.goto(f"{self.site.url}{path}")

    async def sees(self, *texts: str) -> None:
        """The page shows these."""
        for text in texts:
            await expect(self.page.get_by_text(text).first).to_be_visible()

    async def press(self, name: str) -> None:
        """Press the button of this name."""
        await self.page.get_by_role("button", name=name).click()

    async def keep_waiting(self, pattern: str, method: str) -> None:
        """Requests of this kind get no answer, as on a line that is up and carries nothing."""

        async def hold(route: Route) -> None:
            if route.request.method != method:
                await route.fallback()

        await self.page.context.route(pattern, hold)

    async def fail(self, pattern: str, status: int, method: str = "GET") -> None:
        """Requests of this kind are answered with this status."""

        async def answer(route: Route) -> None:
            if route.request.method == method:
                await route.fulfill(status=status, body="")
            else:
                await route.fallback()

        await self.page.context.route(pattern, answer)


async def hold_token(page: Page, url: str, token: str) -> None:
    """The browser has this token from now on, as if somebody had typed it in on the gateway's first page."""
    script = """([origin, token]) => {
        if (location.origin !== origin || sessionStorage["held"]) return;
        sessionStorage["held"] = localStorage["assent.token"] = token;
    }"""
    await page.add_init_script(f"({script})({json.dumps([url, token])})")


Arrange = Callable[[Visit], Awaitable[None]]
