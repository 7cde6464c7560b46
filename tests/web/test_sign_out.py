"""After signing out, nothing of whoever was signed in can be seen or done in that browser any more."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import BrowserContext, Page, async_playwright, expect

from deploy.local.browser import chromium
from tests.web.conftest import LAUNCH, Site
from tests.web.fake_gateway import FakeGateway
from tests.web.fake_session import COOKIE
from tests.web.fake_tokens import OWNER, OWNER_TOKEN
from tests.web.question import NO, YES, answers_sent, enter, fail_answers, question
from tests.web.speech import mp3, transcript
from tests.web.visit import hold_token

ID = "transcript-1"


@pytest.fixture(autouse=True)
async def _signed_in(context: BrowserContext, site: Site, fake: FakeGateway) -> None:
    await sign_in(context, site)
    fake.session.is_offered = True
    fake.transcripts[ID] = transcript(ID, "completed", title="Kitchen")
    fake.audio[ID] = mp3()


async def sign_in(context: BrowserContext, site: Site) -> None:
    """By a cookie, as the issuer would have it."""
    await context.add_cookies([{"name": COOKIE, "value": OWNER_TOKEN, "url": site.url, "httpOnly": True}])


async def sign_out(page: Page, site: Site) -> None:
    await page.get_by_role("button", name="Sign out").click()
    await page.wait_for_url(f"{site.url}/")
    await expect(page.get_by_role("link", name="Sign in")).to_be_visible()


async def test_c4_the_next_person_does_not_answer_for_the_one_before(
    page: Page, context: BrowserContext, site: Site, fake: FakeGateway
) -> None:
    await enter(page, site)
    await question(page).get_by_role("button", name=NO).click()
    await expect(page.get_by_text("You said no to storing the audio")).to_be_visible()
    (meeting,) = fake.meetings.values()
    assert meeting.answers.keys() == {OWNER}
    await page.goto(site.url)
    await sign_out(page, site)
    assert await page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]
    await page.goto(f"{site.url}/meetings/{meeting.id}")
    await expect(page.get_by_role("link", name="Sign in")).to_be_visible()
    await enter(page, site)
    await question(page).get_by_role("button", name=YES).click()
    await expect(page.get_by_text("You said yes to storing the audio")).to_be_visible()
    assert meeting.answers[OWNER].consent_given is False
    assert len(meeting.answers) == 2


async def test_c4_an_answer_that_waits_is_sent_by_nobody_else(
    page: Page, context: BrowserContext, site: Site, fake: FakeGateway
) -> None:
    await fail_answers(context, 1, None)
    await enter(page, site)
    await question(page).get_by_role("button", name=NO).click()
    await expect(question(page).get_by_text("Your answer is not stored yet")).to_be_visible()
    await page.goto(site.url)
    await sign_out(page, site)
    sent = answers_sent(page)
    await enter(page, site)
    (meeting,) = fake.meetings.values()
    assert (meeting.answers, sent) == ({}, [])
    await sign_in(context, site)
    await page.goto(site.room_url)
    await expect(page.get_by_text("You said no to storing the audio")).to_be_visible()
    assert meeting.answers.keys() == {OWNER}


@pytest.mark.parametrize("way", ["cookie", "token", "link"])
async def test_other_tabs_stop_showing_what_was_somebodys(
    page: Page, context: BrowserContext, site: Site, way: str
) -> None:
    if way != "cookie":
        await context.clear_cookies()
    other = await context.new_page()
    if way == "token":
        for tab in (page, other):
            await hold_token(tab, site.url, site.owner_token)
    await other.goto(f"{site.url}/transcripts/{ID}" + (f"#token={site.owner_token}" if way == "link" else ""))
    await expect(other.get_by_role("heading", name="Kitchen")).to_be_visible()
    await page.goto(f"{site.url}/transcripts/{ID}" + (f"#token={site.owner_token}" if way == "link" else ""))
    await sign_out(page, site)
    await expect(other.get_by_role("link", name="Sign in")).to_be_visible()
    await expect(other.get_by_role("heading", name="Kitchen")).to_have_count(0)
    assert await other.locator("#segments li").count() == 0


async def test_a_room_in_another_tab_goes_on_as_somebody_new(
    page: Page, context: BrowserContext, site: Site, fake: FakeGateway
) -> None:
    await enter(page, site)
    other = await context.new_page()
    await other.goto(site.url)
    await sign_out(other, site)
    await expect(page.locator("#host-page")).to_be_hidden()
    await expect(page.locator("#signed-in")).to_be_empty()
    await question(page).get_by_role("button", name=NO).click()
    await expect(page.get_by_text("You said no to storing the audio")).to_be_visible()
    (meeting,) = fake.meetings.values()
    assert meeting.answers.keys() == meeting.people - {OWNER}


@pytest.fixture
async def remembering() -> AsyncIterator[Page]:
    """A page of a browser that keeps whole pages to go back to, as it does by default."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=str(chromium()), args=LAUNCH, ignore_default_args=["--disable-back-forward-cache"]
        )
        yield await (await browser.new_context(locale="en-GB")).new_page()
        await browser.close()


async def test_going_back_shows_nothing_again(remembering: Page, site: Site) -> None:
    page = remembering
    await sign_in(page.context, site)
    await page.goto(f"{site.url}/transcripts/{ID}")
    await expect(page.get_by_role("heading", name="Kitchen")).to_be_visible()
    await page.evaluate(
        """addEventListener("pageshow", ({ persisted }) => {
            sessionStorage["was"] = JSON.stringify([persisted, document.body.hidden]);
        })"""
    )
    await sign_out(page, site)
    await page.go_back(wait_until="commit")
    await expect(page.get_by_role("heading", name="Sign in to see this page")).to_be_visible()
    await expect(page.get_by_role("heading", name="Kitchen")).to_have_count(0)
    assert await page.evaluate("sessionStorage['was']") == "[true,true]", "it was never shown, and kept to be shown"
