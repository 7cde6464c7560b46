"""Several browsers in one meeting: each keeps its own answer, and whoever counts them sees them come."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.eventually import eventually
from tests.web.conftest import Site, listen_for_complaints
from tests.web.fake_gateway import FakeGateway
from tests.web.question import NO, YES, enter, question, stored_answer
from tests.web.whereby_room import WherebyRoom

OpenBrowser = Callable[[], Awaitable[Page]]


@pytest.fixture
async def another(browser: Browser, whereby: WherebyRoom) -> AsyncIterator[OpenBrowser]:
    """Another person's browser: nothing is shared with the others."""
    complaints: list[list[str]] = []

    async with AsyncExitStack() as open_browsers:

        async def open_browser() -> Page:
            context: BrowserContext = await open_browsers.enter_async_context(await browser.new_context(locale="en-GB"))
            await whereby.answer_for(context)
            page = await context.new_page()
            complaints.append(listen_for_complaints(page))
            return page

        yield open_browser
    assert [each for of_one in complaints for each in of_one] == []


async def sees(page: Page, granted: int, denied: int) -> None:
    """The counts come to this by themselves."""
    await expect(page.locator("[data-count=granted]")).to_have_text(str(granted), timeout=30_000)
    await expect(page.locator("[data-count=denied]")).to_have_text(str(denied), timeout=30_000)


async def meeting_of(page: Page) -> str:
    """The address of the meeting's page, as the room's page leads to it."""
    link = page.locator("#host-page")
    await expect(link).to_have_attribute("href", re.compile("^/meetings/.+"))
    return str(await link.get_attribute("href"))


async def test_each_keeps_its_own_answer_and_all_see_the_counts_change(any_site: Site, another: OpenBrowser) -> None:
    ana, ben, host = await another(), await another(), await another()
    await enter(ana, any_site)
    await enter(ben, any_site)
    path = await meeting_of(ana)
    assert await meeting_of(ben) == path
    await host.goto(f"{any_site.url}{path}#token={any_site.owner_token}")
    await sees(host, granted=0, denied=0)

    await question(ana).get_by_role("button", name=YES).click()
    await expect(ana.get_by_text("You said yes to storing the audio")).to_be_visible()
    await sees(host, granted=1, denied=0)
    await expect(question(ben)).to_be_visible()

    bens_counts = await ben.context.new_page()
    await bens_counts.goto(f"{any_site.url}{path}")
    await sees(bens_counts, granted=1, denied=0)
    await question(ben).get_by_role("button", name=NO).click()
    await expect(ben.get_by_text("You said no to storing the audio")).to_be_visible()
    for page in (host, bens_counts):
        await sees(page, granted=1, denied=1)

    await ana.get_by_role("button", name="Change my answer").click()
    await question(ana).get_by_role("button", name=NO).click()
    await sees(host, granted=0, denied=2)
    await ana.get_by_role("button", name="Change my answer").click()
    await question(ana).get_by_role("button", name=YES).click()
    await sees(host, granted=1, denied=1)
    for page in (ana, ben):
        await page.reload()
    await expect(ana.get_by_text("You said yes to storing the audio")).to_be_visible()
    await expect(ben.get_by_text("You said no to storing the audio")).to_be_visible()
    (ana_is, ana_said), (ben_is, ben_said) = await stored_answer(ana), await stored_answer(ben)
    assert (ana_said, ben_said) == (True, False)
    assert ana_is != ben_is
    for page in (host, bens_counts):
        shown = await page.locator("body").inner_text()
        assert ana_is not in shown
        assert ben_is not in shown


async def test_who_answers_in_two_windows_answers_once(any_site: Site, another: OpenBrowser) -> None:
    first = await another()
    await enter(first, any_site)
    second = await first.context.new_page()
    await enter(second, any_site)
    await question(first).get_by_role("button", name=YES).click()
    await expect(question(first)).to_be_hidden()
    # Answered there is answered here: it is changed, not answered once more.
    await second.get_by_role("button", name="Change my answer").click()
    await question(second).get_by_role("button", name=NO).click()
    await expect(question(second)).to_be_hidden()
    assert await stored_answer(first) == await stored_answer(second)
    assert (await stored_answer(first))[1] is False


async def test_counts_that_changed_while_the_line_was_broken_are_made_up_for(
    site: Site, fake: FakeGateway, another: OpenBrowser
) -> None:
    ana, host = await another(), await another()
    await enter(ana, site)
    path = await meeting_of(ana)
    await host.goto(f"{site.url}{path}#token={site.owner_token}")
    (meeting_id,) = fake.meetings
    await eventually(lambda: followed(fake, meeting_id))
    await fake.drop_connections(meeting_id)
    await question(ana).get_by_role("button", name=NO).click()
    await sees(host, granted=0, denied=1)


async def followed(fake: FakeGateway, meeting_id: str) -> bool:
    return bool(fake.sockets[meeting_id])
