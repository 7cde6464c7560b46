"""Signing in on the pages: the way there and back, what a cookie opens, and how its end is said."""

import pytest
from playwright.async_api import BrowserContext, Page, expect

from tests.eventually import eventually
from tests.web.conftest import Site
from tests.web.fake_gateway import FakeGateway
from tests.web.fake_meeting import FakeMeeting
from tests.web.fake_tokens import participant_token
from tests.web.question import YES, question
from tests.web.speech import WORDS, mp3, transcript

ID = "transcript-1"


@pytest.fixture(autouse=True)
def _offered(fake: FakeGateway) -> None:
    fake.session.is_offered = True


async def sign_in(page: Page) -> None:
    await page.get_by_role("link", name="Sign in").click()


async def test_an_owner_signs_in_sees_their_rooms_and_signs_out(page: Page, site: Site) -> None:
    await page.goto(site.url)
    await sign_in(page)
    await expect(page.get_by_role("link", name="weekly")).to_be_visible()
    assert await page.evaluate("document.cookie") == ""
    assert await page.evaluate("localStorage.length") == 0
    await page.reload()
    await expect(page.get_by_role("link", name="weekly")).to_be_visible()
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("link", name="Sign in")).to_be_visible()
    await expect(page.get_by_role("button", name="Sign out")).to_be_hidden()


async def test_who_signs_in_comes_back_to_the_page_they_wanted(page: Page, site: Site, fake: FakeGateway) -> None:
    fake.transcripts[ID] = transcript(ID, "completed", title="Kitchen")
    fake.audio[ID] = mp3()
    await page.goto(f"{site.url}/transcripts/{ID}?lang=de#s1")
    await page.get_by_role("link", name="Anmelden").click()
    await expect(page.get_by_role("heading", name="Kitchen")).to_be_visible()
    assert page.url == f"{site.url}/transcripts/{ID}?lang=de#s1"


async def test_audio_is_streamed_to_who_is_signed_in_and_followed_live(
    page: Page, site: Site, fake: FakeGateway
) -> None:
    fake.transcripts[ID] = transcript(ID, "completed")
    fake.audio[ID] = mp3()
    await page.goto(f"{site.url}/transcripts/{ID}")
    await sign_in(page)
    await expect(page.locator("audio")).to_have_attribute("src", f"/v1/transcripts/{ID}/audio/mp3")
    await page.get_by_role("button", name="Play from 0:04").click()
    await expect(page.locator("#segments li[aria-current]")).to_contain_text(WORDS[1][2])
    await fake.emit(ID, "AUDIO_DELETED")
    await expect(page.get_by_text("The audio was erased.")).to_be_visible()
    assert await page.locator("audio").count() == 0


async def test_audio_withheld_while_it_is_streamed_is_said(page: Page, site: Site, fake: FakeGateway) -> None:
    fake.transcripts[ID] = transcript(ID, "completed")
    fake.audio[ID] = mp3()
    await page.goto(f"{site.url}/transcripts/{ID}")
    await sign_in(page)
    await expect(page.locator("audio")).to_be_visible()
    fake.withheld[ID] = (410, "AUDIO_DELETED")
    await page.locator("audio").evaluate("audio => audio.load()")  # as it does where its buffer has run out
    await expect(page.get_by_text("The audio was erased.")).to_be_visible()
    assert await page.locator("audio").count() == 0


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        ("refused", "You did not sign in."),
        ("expired", "That took too long"),
        ("failed", "Signing in did not work."),
        ("unavailable", "The sign-in service cannot be reached."),
    ],
)
async def test_a_sign_in_that_comes_to_nothing_says_why(
    page: Page, site: Site, fake: FakeGateway, failure: str, said: str
) -> None:
    fake.session.failure = failure
    await page.goto(site.url)
    await sign_in(page)
    await expect(page.get_by_role("alert").filter(has_text=said)).to_be_visible()
    assert page.url == f"{site.url}/", "a reload must not say it again"
    await expect(page.get_by_role("link", name="Sign in")).to_be_visible()


async def test_a_host_who_is_signed_in_enters_as_the_host_and_answers_too(
    page: Page, site: Site, fake: FakeGateway
) -> None:
    await page.goto(site.url)
    await sign_in(page)
    await page.get_by_role("link", name="weekly").click()
    await question(page).get_by_role("button", name=YES).click()
    await expect(page.get_by_role("link", name="Answers and recordings")).to_be_visible()
    (meeting,) = fake.meetings.values()
    await eventually(lambda: answered(meeting))
    assert [answer.consent_given for answer in meeting.answers.values()] == [True]


async def test_a_token_from_an_address_counts_before_the_cookie(page: Page, site: Site, fake: FakeGateway) -> None:
    fake.meetings["m"] = FakeMeeting("m", "weekly", "", people={"ana"})
    await page.goto(site.url)
    await sign_in(page)
    await expect(page.get_by_role("link", name="weekly")).to_be_visible()
    await page.goto(f"{site.url}/meetings/m#token={participant_token('m', 'ana')}")
    await page.get_by_role("button", name=YES).click()
    await eventually(lambda: answered(fake.meetings["m"]))
    assert fake.meetings["m"].answers.keys() == {"ana"}


async def answered(meeting: FakeMeeting) -> bool:
    return bool(meeting.answers)


async def test_a_token_still_does_where_people_can_sign_in(page: Page, site: Site, context: BrowserContext) -> None:
    await page.goto(site.url)
    await page.get_by_text("Use an access token instead").click()
    await page.get_by_label("Access token").fill(site.owner_token)
    await page.get_by_role("button", name="Continue").click()
    await expect(page.get_by_role("link", name="weekly")).to_be_visible()
    assert await context.cookies() == []
