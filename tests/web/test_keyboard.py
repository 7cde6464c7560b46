"""The pages with the keyboard alone: what can be done with the mouse is done with it (test_states.py walks all)."""

from playwright.async_api import Page, expect

from tests.eventually import eventually
from tests.web.keys import go_to
from tests.web.question import NO, question
from tests.web.speech import WORDS
from tests.web.states import STATES
from tests.web.visit import Visit


async def test_a_room_is_entered(visit: Visit) -> None:
    page = visit.page
    await STATES["home-signed-out"](visit)
    await go_to(page, page.get_by_label("Room name"))
    await page.keyboard.type("weekly")
    await page.keyboard.press("Enter")
    await expect(question(page)).to_be_visible()


async def test_a_room_is_created_and_entered(visit: Visit) -> None:
    page = visit.page
    await STATES["home-rooms"](visit)
    await go_to(page, page.get_by_label("New room"))
    await page.keyboard.type("monthly")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Space")
    await expect(page.get_by_role("link", name="monthly")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(question(page)).to_be_visible()


async def test_a_rooms_meetings_are_opened_and_one_is_gone_to(visit: Visit) -> None:
    page = visit.page
    await STATES["home-rooms"](visit)
    summary = page.locator("summary").first
    assert await summary.get_attribute("aria-label") == "Meetings in weekly"
    await go_to(page, summary)
    await page.keyboard.press("Enter")
    await expect(page.locator(".meetings").first).to_be_hidden()
    await page.keyboard.press("Space")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Meeting in weekly")).to_be_visible()


async def test_what_was_said_is_searched_and_gone_to(visit: Visit) -> None:
    page = visit.page
    await STATES["home-rooms"](visit)
    await go_to(page, page.get_by_label("Search in what was said"))
    await page.keyboard.type("everybody")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Search results")).to_be_visible()
    await go_to(page, page.get_by_role("link", name=WORDS[0][2]))
    await page.keyboard.press("Enter")
    await expect(page.locator("#segments li").first).to_be_focused()


async def test_a_certificate_is_downloaded(visit: Visit) -> None:
    page = visit.page
    await STATES["meeting-erased"](visit)
    await downloaded_by(page, "Download the certificate", "certificate-recording-1.jws")


async def test_an_answer_is_changed_on_the_meetings_page(visit: Visit) -> None:
    page = visit.page
    await STATES["meeting-answered"](visit)
    await go_to(page, page.get_by_role("button", name="Change my answer"))
    await page.keyboard.press("Enter")
    await expect(question(page).get_by_role("heading")).to_be_focused()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("You said yes to storing the audio")).to_be_visible()
    await expect(page.get_by_role("button", name="Change my answer")).to_be_focused()


async def test_a_transcript_is_played_and_saved(visit: Visit) -> None:
    page = visit.page
    await STATES["transcript-kept"](visit)
    await go_to(page, page.get_by_role("button", name="Play from 0:09"))
    await page.keyboard.press("Enter")

    async def is_played() -> bool:
        return bool(await page.locator("audio").evaluate("audio => audio.currentTime >= 9.1 && !audio.paused"))

    await eventually(is_played)
    await expect(page.locator("#segments li[aria-current]")).to_contain_text(WORDS[2][2])
    await page.reload()
    await downloaded_by(page, "VTT", "transcript-transcript-1.vtt")


async def test_an_answer_is_changed_by_its_receipt_and_the_new_one_saved(visit: Visit) -> None:
    page = visit.page
    await STATES["receipt-answered"](visit)
    await page.reload()
    await go_to(page, page.get_by_role("button", name=NO))
    await page.keyboard.press("Space")
    await expect(page.get_by_text("You said no to storing the audio")).to_be_visible()
    await expect(page.get_by_role("button", name=NO)).to_be_focused()
    await expect(page.get_by_role("button", name="Download the receipt")).to_be_enabled()
    await downloaded_by(page, "Download the receipt", "receipt-weekly-2026-11-22-1000-1.jws")


async def test_the_call_is_joined_again(visit: Visit) -> None:
    page = visit.page
    await STATES["room-left"](visit)
    await go_to(page, page.get_by_role("button", name="Join again"))
    await page.keyboard.press("Enter")
    await expect(page.frame_locator("whereby-embed iframe").locator("#toolbar")).to_be_visible()


async def downloaded_by(page: Page, name: str, file: str) -> None:
    """Go to the button and press it: this file comes."""
    button = page.get_by_role("button", name=name, exact=True)
    await expect(button).to_be_visible()
    await go_to(page, button)
    async with page.expect_download() as downloading:
        await page.keyboard.press("Enter")
    assert (await downloading.value).suggested_filename == file
