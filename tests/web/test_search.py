"""The first page: transcripts are found by what was said in them."""

from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from tests.web.conftest import Site
from tests.web.fake_gateway import FakeGateway
from tests.web.speech import WORDS, transcript
from tests.web.visit import hold_token


@pytest.fixture
async def home(page: Page, site: Site, fake: FakeGateway) -> Page:
    """The owner's first page, with one transcript about a kitchen and one about an odd garden."""
    garden: list[dict[str, Any]] = [
        {"index": 0, "start_ms": 61_000, "end_ms": 62_000, "text": "the 😀 garden <b>blooms</b>", "speaker": "2"}
    ]
    fake.transcripts["kitchen"] = transcript("kitchen", "completed", title="Kitchen", audio_deleted=True)
    fake.transcripts["garden"] = transcript("garden", "completed", title="Garden", segments=garden)
    await hold_token(page, site.url, site.owner_token)
    await page.goto(site.url)
    await expect(titles(page)).to_have_text(["Kitchen", "Garden"])
    return page


def titles(page: Page) -> Locator:
    return page.locator("#transcripts > li > a")


async def search(page: Page, query: str) -> None:
    await page.get_by_label("Search in what was said").fill(query)
    await page.get_by_label("Search in what was said").press("Enter")


async def test_what_was_said_is_found_and_leads_to_its_place(home: Page) -> None:
    await search(home, "plants")
    await expect(home.get_by_role("heading", name="Search results")).to_be_visible()
    await expect(titles(home)).to_have_text(["Kitchen"])
    await expect(home.get_by_role("status").filter(has_text="Passages with “plants”")).to_be_visible()
    await expect(home.locator("mark")).to_have_text(["plants", "plants"])
    await home.get_by_role("link", name=WORDS[2][2]).click()
    await expect(home.locator("#segments li").nth(2)).to_be_focused()
    await home.go_back()
    await expect(home.get_by_label("Search in what was said")).to_have_value("plants")
    await expect(titles(home)).to_have_text(["Kitchen"])


async def test_marks_fit_the_words_whatever_stands_before_them(home: Page) -> None:
    await search(home, "GARDEN blooms")
    await expect(home.locator("mark")).to_have_text(["garden", "blooms"])
    await expect(home.locator(".matches a")).to_contain_text("Voice 2the 😀 garden <b>blooms</b>")


async def test_nothing_found_is_said_and_the_way_back_is_there(home: Page) -> None:
    await search(home, "<i>{query}")
    await expect(home.get_by_text("Nothing was found for “<i>{query}”.")).to_be_visible()
    assert await titles(home).count() == 0
    await home.get_by_role("button", name="Back to recent transcripts").click()
    await expect(titles(home)).to_have_text(["Kitchen", "Garden"])
    await expect(home.get_by_role("heading", name="Recent transcripts")).to_be_visible()
    await expect(home.get_by_label("Search in what was said")).to_be_focused()
    assert "query" not in home.url


async def test_curled_quotes_make_a_phrase_too(home: Page, fake: FakeGateway) -> None:
    await search(home, "„the plants“ «new kitchen»")
    await expect(home.get_by_role("heading", name="Search results")).to_be_visible()
    assert fake.queries[-1] == '"the plants" "new kitchen"'


async def test_more_pages_are_shown_one_by_one(page: Page, site: Site, fake: FakeGateway) -> None:
    fake.page_size = 2
    for number in range(5):
        fake.transcripts[f"t{number}"] = transcript(f"t{number}", "completed", title=f"Title {number}")
    await hold_token(page, site.url, site.owner_token)
    await page.goto(f"{site.url}/?query=plants")
    await expect(titles(page)).to_have_count(2)
    await page.get_by_role("button", name="Show more").click()
    await expect(titles(page)).to_have_count(4)
    await expect(titles(page).nth(2)).to_be_focused()
    await page.get_by_role("button", name="Show more").click()
    await expect(titles(page)).to_have_text([f"Title {number}" for number in range(5)])
    await expect(page.get_by_role("button", name="Show more")).to_be_hidden()


async def test_without_transcripts_there_is_nothing_to_search(page: Page, site: Site) -> None:
    await hold_token(page, site.url, site.owner_token)
    await page.goto(site.url)
    await expect(page.get_by_text("Transcripts appear here")).to_be_visible()
    await expect(page.get_by_label("Search in what was said")).to_be_hidden()


async def test_a_search_that_fails_leaves_what_was_there(home: Page) -> None:
    await home.route("**/v1/transcripts?*", lambda route: route.abort())
    await search(home, "plants")
    await expect(home.get_by_text("The service cannot be reached right now. Search again in a moment.")).to_be_visible()
    await expect(titles(home)).to_have_text(["Kitchen", "Garden"])
