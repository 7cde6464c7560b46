"""The page behind a receipt's link: it shows and changes one answer, and keeps its address secret."""

import asyncio
import json
import re
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Locator, Page, Request, Route, expect

from tests.web.conftest import Site
from tests.web.fake_gateway import FakeGateway
from tests.web.fake_meeting import VERSION, Answered, FakeMeeting
from tests.web.fake_tokens import participant_token, receipt_token
from tests.web.question import NO, YES, answers_sent, enter, fail_answers, question
from tests.web.speech import transcript
from tests.web.test_texts import LANGUAGES

ID = "meeting-1"


@pytest.fixture
def meeting(fake: FakeGateway) -> FakeMeeting:
    """Ana has answered yes, ben has not answered."""
    fake.meetings[ID] = FakeMeeting(ID, "weekly", f"{fake.whereby_origin}/weekly", people={"ana", "ben"})
    fake.meetings[ID].answers["ana"] = Answered(True, 1, VERSION, "en")
    return fake.meetings[ID]


def link(site: Site, participant: str = "ana") -> str:
    return f"{site.url}/consent/{receipt_token(ID, participant)}"


def asked(page: Page) -> Locator:
    return page.get_by_role("group", name="May the audio of this meeting be stored?")


async def downloaded(page: Page) -> str:
    async with page.expect_download() as downloading:
        await page.get_by_role("button", name="Download the receipt").click()
    download = await downloading.value
    assert re.fullmatch(r"receipt-weekly-2026-11-22-1000-\d+\.jws", download.suggested_filename)
    return await asyncio.to_thread(Path(await download.path()).read_text)


async def test_it_shows_what_was_asked_and_answered_and_when(page: Page, site: Site, meeting: FakeMeeting) -> None:
    await page.goto(link(site))
    await expect(page.get_by_role("heading", name="Your answer about the audio")).to_be_visible()
    await expect(page.get_by_text("You said yes to storing the audio")).to_be_visible()
    facts = "Meeting in weekly · Began 22 Nov 2026, 10:00 · Answered 22 Nov 2026, 10:04"
    await expect(page.get_by_text(facts)).to_be_visible()
    await expect(page.get_by_text(f"Exactly the question above: version {VERSION}, English.")).to_be_visible()
    await expect(asked(page)).to_contain_text("Erased audio cannot be restored.")
    for said in ("Example Ltd", "To listen to the meeting again", "In this room: 30 days"):
        await expect(page.locator("#terms")).to_contain_text(said)
    assert await downloaded(page) == "header.receipt-1.signature"


async def test_the_words_of_then_are_shown_in_the_language_of_then(
    page: Page, site: Site, meeting: FakeMeeting
) -> None:
    meeting.answers["ana"] = Answered(False, 1, VERSION, "de")
    await page.goto(link(site))
    await expect(page.get_by_text(f"The exact words that you were shown: version {VERSION}, German.")).to_be_visible()
    words = page.locator("blockquote")
    assert await words.get_attribute("lang") == "de"
    for part in ("Darf der Ton dieser Besprechung gespeichert werden?", "Ja, Ton speichern", "Nein, Ton löschen"):
        await expect(words).to_contain_text(part)


async def test_words_that_nobody_recorded_are_not_made_up(page: Page, site: Site, meeting: FakeMeeting) -> None:
    meeting.answers["ana"] = Answered(False, 1, "", "")
    await page.goto(link(site))
    await expect(page.get_by_text("Which words you were shown was not recorded")).to_be_visible()
    await expect(page.locator("blockquote")).to_be_hidden()


async def test_withdrawing_is_one_press_and_gives_a_new_receipt(
    page: Page, context: BrowserContext, site: Site, meeting: FakeMeeting
) -> None:
    await fail_answers(context, 1)
    sent = answers_sent(page)
    await page.goto(link(site))
    await asked(page).get_by_role("button", name=NO).click()
    await expect(asked(page).get_by_text("Your answer is not stored yet")).to_be_visible()
    await expect(page.get_by_text("You said yes to storing the audio")).to_be_visible()
    await expect(asked(page).get_by_text("Your answer is stored.")).to_be_visible(timeout=10_000)
    await expect(page.get_by_text("You said no to storing the audio")).to_be_visible()
    assert meeting.answers["ana"].consent_given is False
    assert len(sent) == 2
    assert len({request.headers["idempotency-key"] for request in sent}) == 1
    await expect(page.locator("#content")).to_contain_text('"denied"')
    assert await downloaded(page) == f"header.receipt-{meeting.answers['ana'].revision}.signature"
    await asked(page).get_by_role("button", name=YES).click()
    await expect(page.get_by_text("You said yes to storing the audio")).to_be_visible()


async def test_an_answer_can_be_changed_while_receipts_cannot_be_had(
    page: Page, context: BrowserContext, site: Site, meeting: FakeMeeting
) -> None:
    away = True

    async def answer(route: Route) -> None:
        if away:
            await route.fulfill(status=503, body="")
        else:
            await route.fallback()

    await context.route("**/consent/receipt*", answer)
    await page.goto(link(site))
    await asked(page).get_by_role("button", name=NO).click()
    await expect(page.get_by_text("You said no to storing the audio")).to_be_visible()
    await expect(page.locator("#proof")).to_be_hidden()
    away = False
    await expect(page.locator("#proof")).to_be_visible(timeout=10_000)
    assert await downloaded(page) == f"header.receipt-{meeting.answers['ana'].revision}.signature"


async def test_who_has_not_answered_is_asked(page: Page, site: Site, meeting: FakeMeeting) -> None:
    await page.goto(link(site, "ben"))
    await expect(page.get_by_text("You have not answered yet")).to_be_visible()
    await expect(page.locator("#proof")).to_be_hidden()
    await expect(asked(page)).to_be_visible()
    await page.keyboard.press("Escape")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    await expect(asked(page).get_by_role("button", name=YES)).to_be_focused()
    await page.keyboard.press("Tab")
    await expect(asked(page).get_by_role("button", name=NO)).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("You said no to storing the audio")).to_be_visible()
    await expect(page.get_by_role("button", name="Download the receipt")).to_be_enabled()
    assert meeting.answers["ben"].consent_given is False


@pytest.mark.parametrize("kind", ["no token", "cut", "a participant's", "of a meeting that is not there"])
async def test_a_wrong_link_is_explained(page: Page, site: Site, meeting: FakeMeeting, kind: str) -> None:
    token = {
        "no token": "nonsense",
        "cut": receipt_token(ID, "ana")[:-4],
        "a participant's": participant_token(ID, "ana"),
        "of a meeting that is not there": receipt_token("another", "ana"),
    }[kind]
    await page.goto(f"{site.url}/consent/{token}")
    await expect(page.get_by_role("alert")).to_contain_text("This link does not work")
    await expect(page.get_by_label("Access token")).to_have_count(0)
    await expect(page.locator("#receipt")).to_be_hidden()


async def test_the_address_is_told_to_nobody(page: Page, site: Site, meeting: FakeMeeting) -> None:
    asked_for: list[Request] = []
    page.on("request", lambda request: asked_for.append(request))
    await page.goto(link(site))
    await downloaded(page)
    token = receipt_token(ID, "ana")
    assert len(asked_for) > 8
    for request in asked_for[1:]:
        assert request.url.startswith((site.url, f"blob:{site.url}"))
        assert token not in request.url
        assert "referer" not in await request.all_headers()
    assert await page.locator("meta[name=robots]").get_attribute("content") == "noindex"
    assert token not in json.dumps(await page.evaluate("({ ...localStorage, ...sessionStorage })"))


async def test_c4_an_answer_that_somebody_else_could_not_send_is_not_sent_as_this_one(
    page: Page, context: BrowserContext, site: Site, meeting: FakeMeeting
) -> None:
    await fail_answers(context, 1, None)
    await page.goto(link(site, "ben"))
    await asked(page).get_by_role("button", name=NO).click()
    await expect(asked(page).get_by_text("Your answer is not stored yet")).to_be_visible()
    await page.goto(link(site))
    await expect(page.get_by_role("button", name="Download the receipt")).to_be_enabled()
    assert meeting.answers["ana"].consent_given is True
    assert "ben" not in meeting.answers
    await page.goto(link(site, "ben"))
    await expect(page.get_by_text("You said no to storing the audio")).to_be_visible()


async def test_who_took_part_in_this_browser_is_told_what_became_of_the_audio(
    page: Page, site: Site, fake: FakeGateway, meeting: FakeMeeting
) -> None:
    await page.goto(link(site))
    await expect(page.locator("#proof")).to_be_visible()
    led = page.get_by_role("link", name="What became of the recordings")
    await expect(led).to_be_hidden()
    key, token = f"assent.participant.{ID}", participant_token(ID, "ana")
    await page.evaluate("([key, token]) => localStorage.setItem(key, token)", [key, token])
    fake.transcripts["first"] = transcript("first", "completed", audio_deleted=True)
    fake.transcripts["second"] = transcript("second", "queued")
    await page.reload()
    await expect(led).to_have_attribute("href", f"/meetings/{ID}")
    await expect(page.get_by_text("has been erased")).to_be_hidden()
    fake.transcripts["second"]["audio_deleted"] = True
    await page.reload()
    await expect(page.get_by_text("The audio that was recorded has been erased.")).to_be_visible()


async def test_the_room_leads_to_it_once_there_is_an_answer(page: Page, any_site: Site) -> None:
    await enter(page, any_site)
    await expect(page.get_by_role("link", name="Your receipt")).to_have_count(0)
    await question(page).get_by_role("button", name=NO).click()
    async with page.expect_popup() as opening:
        await page.get_by_role("link", name="Your receipt").click()
    receipt = await opening.value
    await expect(receipt.get_by_text("You said no to storing the audio")).to_be_visible()
    await asked(receipt).get_by_role("button", name=YES).click()
    await expect(receipt.get_by_text("You said yes to storing the audio")).to_be_visible()
    await expect(receipt.get_by_role("button", name="Download the receipt")).to_be_enabled()
    await page.reload()
    await expect(page.get_by_text("You said yes to storing the audio")).to_be_visible()


async def test_the_meetings_page_leads_a_participant_to_it(page: Page, site: Site, meeting: FakeMeeting) -> None:
    await page.goto(f"{site.url}/meetings/{ID}#token={participant_token(ID, 'ana')}")
    await expect(page.get_by_role("link", name="Your receipt")).to_have_attribute("href", link(site))


async def test_it_fits_on_a_phone_in_every_language(page: Page, site: Site, meeting: FakeMeeting) -> None:
    await page.set_viewport_size({"width": 360, "height": 740})
    for language in LANGUAGES:
        await page.goto(f"{link(site)}?lang={language}")
        await expect(page.locator("#proof")).to_be_visible()
        for details in await page.locator("summary").all():
            await details.click()
        assert await page.evaluate("document.documentElement.scrollWidth") == 360
        await expect(page.locator("recording-consent").get_by_role("button")).to_have_count(2)
