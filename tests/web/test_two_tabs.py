"""One person in two tabs, whose answers both wait for the line: the last press counts, and both show it."""

import asyncio

import pytest
from playwright.async_api import BrowserContext, Page, Route, expect

from tests.web.conftest import Site
from tests.web.fake_gateway import FakeGateway
from tests.web.fake_meeting import FakeMeeting
from tests.web.question import NO, YES, enter, fail_answers, question, tried_again
from tests.web.test_older_answer import NOT_YET, SAID_NO, answer_shown, press, stored


@pytest.fixture
async def entered(page: Page, site: Site, fake: FakeGateway) -> FakeMeeting:
    """One person is in a room and is asked."""
    await page.clock.install()
    await enter(page, site)
    return next(iter(fake.meetings.values()))


@pytest.fixture
async def other(context: BrowserContext, site: Site, entered: FakeMeeting) -> Page:
    """The same person's second tab, which asks too."""
    other = await context.new_page()
    await other.goto(f"{site.url}/meetings/{entered.id}")
    await expect(question(other)).to_be_visible()
    return other


async def test_c2_of_two_tabs_that_both_wait_only_the_last_press_is_sent(
    page: Page, context: BrowserContext, entered: FakeMeeting, other: Page
) -> None:
    away = True

    async def fail(route: Route) -> None:
        if away:
            await route.fulfill(status=503, body="")
        else:
            await route.fallback()

    await context.route("**/v1/meetings/*/consent", fail)
    for tab, name in ((page, YES), (other, NO)):
        await press(tab, name)
        await expect(question(tab).get_by_text(NOT_YET)).to_be_visible()
    away = False
    for tab in (page, other):
        await tried_again(tab, answer_shown(tab, SAID_NO))
    assert stored(entered) == [False]


async def test_what_one_tab_stored_while_the_other_looked_is_shown_in_both(
    page: Page, context: BrowserContext, entered: FakeMeeting, other: Page
) -> None:
    may_look, looked, is_stored = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def look_early(route: Route) -> None:
        if route.request.method == "POST" or not may_look.is_set():
            await route.fulfill(status=503, body="")
            return
        seen = await route.fetch()
        looked.set()
        await is_stored.wait()
        await route.fulfill(response=seen)

    await page.route("**/v1/meetings/*/consent", look_early)
    await press(page, YES)
    await expect(question(page).get_by_text(NOT_YET)).to_be_visible()
    await fail_answers(context, 100)
    await press(other, NO)
    await expect(question(other).get_by_text(NOT_YET)).to_be_visible()
    may_look.set()
    await press(page, "Try now")
    await looked.wait()
    await context.unroute("**/v1/meetings/*/consent")
    await press(other, "Try now")
    await expect(answer_shown(other, SAID_NO)).to_be_visible()
    is_stored.set()
    await expect(answer_shown(page, SAID_NO)).to_be_visible()
    assert stored(entered) == [False]
