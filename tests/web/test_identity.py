"""As whom a browser acts: as whoever signed in there, said on each page, and never as whom a link makes of them."""

import pytest
from playwright.async_api import BrowserContext, Page, expect

from tests.eventually import eventually
from tests.web.conftest import Site
from tests.web.fake_gateway import FakeGateway
from tests.web.fake_meeting import FakeMeeting
from tests.web.fake_session import COOKIE
from tests.web.fake_tokens import OWNER, OWNER_TOKEN, participant_token, signed_in_token
from tests.web.question import NO, YES, enter, question
from tests.web.speech import mp3, transcript
from tests.web.visit import hold_token
from tests.web.whereby_room import WherebyRoom

MULE = signed_in_token("mule")
ID = "transcript-1"


async def sign_in(context: BrowserContext, site: Site) -> None:
    """By a cookie, as the issuer would have it."""
    await context.add_cookies([{"name": COOKIE, "value": OWNER_TOKEN, "url": site.url, "httpOnly": True}])


def presented(page: Page) -> set[str]:
    """The tokens that the page sends, as it sends them."""
    tokens: set[str] = set()
    page.on("request", lambda each: tokens.add(each.headers.get("authorization", "")))
    return tokens


async def kept(page: Page) -> str:
    return str(await page.evaluate("JSON.stringify([localStorage, sessionStorage])"))


async def test_c4_a_link_into_a_room_makes_nobody_answer_as_somebody_else(
    page: Page, site: Site, fake: FakeGateway
) -> None:
    await page.goto(f"{site.room_url}#token={MULE}")
    await question(page).get_by_role("button", name=NO).click()
    await expect(question(page)).to_be_hidden()
    (meeting,) = fake.meetings.values()
    assert len(meeting.answers) == 1
    assert "mule" not in meeting.people
    assert page.url == site.room_url
    assert MULE not in await kept(page)


async def test_c4_nor_does_one_that_a_page_before_took(page: Page, site: Site, fake: FakeGateway) -> None:
    fake.transcripts[ID] = transcript(ID, "completed")
    fake.audio[ID] = mp3()
    await page.goto(f"{site.url}/transcripts/{ID}#token={MULE}")
    await expect(page.get_by_text("Signed in as mule")).to_be_visible()
    await enter(page, site)
    (meeting,) = fake.meetings.values()
    assert "mule" not in meeting.people
    await page.goto(site.url)
    await expect(page.get_by_label("Access token")).to_be_visible()


async def test_a_link_to_the_first_page_makes_nobody_somebody_else(
    page: Page, context: BrowserContext, site: Site, fake: FakeGateway
) -> None:
    fake.session.name = "Olga Owner"
    await sign_in(context, site)
    tokens = presented(page)
    await page.goto(f"{site.url}/#token={MULE}")
    await expect(page.get_by_role("link", name="weekly")).to_be_visible()
    await expect(page.get_by_text("Signed in as Olga Owner")).to_be_visible()
    assert page.url == f"{site.url}/"
    assert tokens == {""}
    assert MULE not in await kept(page)


async def test_a_link_to_a_transcript_is_for_its_tab_alone(
    page: Page, context: BrowserContext, site: Site, fake: FakeGateway
) -> None:
    fake.transcripts[ID] = transcript(ID, "completed", title="Kitchen")
    fake.audio[ID] = mp3()
    await page.goto(f"{site.url}/transcripts/{ID}#token={site.owner_token}")
    await expect(page.get_by_role("heading", name="Kitchen")).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("heading", name="Kitchen")).to_be_visible()
    assert await page.evaluate("localStorage.length") == 0
    other = await context.new_page()
    await other.goto(page.url)
    await expect(other.get_by_label("Access token")).to_be_visible()


@pytest.mark.parametrize("path", ["/", "/transcripts/transcript-1"])
async def test_a_token_that_is_refused_is_dropped_where_somebody_is_signed_in(
    page: Page, context: BrowserContext, site: Site, fake: FakeGateway, path: str
) -> None:
    fake.transcripts[ID] = transcript(ID, "completed", title="Kitchen")
    fake.audio[ID] = mp3()
    await sign_in(context, site)
    await hold_token(page, site.url, "AAA")
    await page.goto(f"{site.url}{path}#token=BBB")
    await expect(page.get_by_text("Kitchen").first).to_be_visible()
    await expect(page.get_by_text(f"Signed in as {OWNER}")).to_be_visible()
    assert await page.evaluate("[localStorage['assent.token'], sessionStorage['assent.token']]") == [None, None]


async def test_it_keeps_no_host_out_of_their_own_room(
    page: Page, context: BrowserContext, site: Site, whereby: WherebyRoom
) -> None:
    await sign_in(context, site)
    await hold_token(page, site.url, "AAA")
    await enter(page, site)
    assert "roomKey" in whereby.visits[0]
    await expect(page.get_by_text(f"Signed in as {OWNER}")).to_be_visible()


async def test_c4_ones_own_answer_comes_before_a_links(page: Page, site: Site, fake: FakeGateway) -> None:
    await enter(page, site)
    (meeting,) = fake.meetings.values()
    (own,) = meeting.people
    await page.goto(f"{site.url}/meetings/{meeting.id}#token={participant_token(meeting.id, 'ben')}")
    await question(page).get_by_role("button", name=YES).click()

    async def answered() -> bool:
        return bool(meeting.answers)

    await eventually(answered)
    assert meeting.answers.keys() == {own}


async def test_a_token_that_was_typed_in_says_whose_it_is(page: Page, site: Site, fake: FakeGateway) -> None:
    await hold_token(page, site.url, signed_in_token("x-1", name="Zoë <b>Ünal</b>"))
    await page.goto(site.url)
    await expect(page.locator("#signed-in")).to_have_text("Signed in as Zoë <b>Ünal</b>")


async def test_nobody_is_named_where_nobody_is_signed_in(page: Page, site: Site, fake: FakeGateway) -> None:
    fake.meetings["m"] = FakeMeeting("m", "weekly", f"{fake.whereby_origin}/weekly", people={"ana"})
    await page.goto(f"{site.url}/meetings/m#token={participant_token('m', 'ana')}")
    await expect(question(page)).to_be_visible()
    await expect(page.locator("#signed-in")).to_be_empty()
    await enter(page, site)
    await expect(page.locator("#signed-in")).to_be_empty()


@pytest.mark.parametrize("path", ["/", "/weekly"])
async def test_a_long_name_is_cut_on_a_phone(
    page: Page, context: BrowserContext, site: Site, fake: FakeGateway, path: str
) -> None:
    fake.session.name = "Wolfeschlegelsteinhausenbergerdorff " * 3
    await sign_in(context, site)
    await page.set_viewport_size({"width": 360, "height": 740})
    await page.goto(f"{site.url}{path}")
    label = page.locator("#signed-in")
    await expect(label).to_contain_text("Signed in as Wolfe")
    assert await page.evaluate("document.documentElement.scrollWidth") == 360
    assert await label.evaluate("label => label.scrollWidth > label.clientWidth && label.clientWidth > 60")
    assert await label.evaluate("label => label.clientHeight") < 40
