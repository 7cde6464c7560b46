"""The question about the audio: asked of everybody, in nobody's way, and not let go of before the answer is stored."""

import datetime as dt
import json

import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.eventually import eventually
from tests.web.conftest import Site
from tests.web.fake_meeting import VERSION
from tests.web.question import NO, YES, answers_sent, enter, fail_answers, question, stored_answer, tried_again
from tests.web.test_texts import LANGUAGES, texts
from tests.web.whereby_room import WherebyRoom


async def test_the_dialog_leaves_the_calls_own_controls_free(page: Page, any_site: Site) -> None:
    for width, height in ((1280, 800), (360, 740), (640, 400)):
        await page.set_viewport_size({"width": width, "height": height})
        await enter(page, any_site)
        call = page.frame_locator("whereby-embed iframe")
        for control in ("#top button", "#toolbar button >> nth=0", "#leave"):
            await call.locator(control).click(timeout=2000)
        assert await page.locator("whereby-embed iframe").evaluate("frame => frame.inert") is False
        assert await question(page).get_attribute("aria-modal") != "true"
        for answer in (YES, NO):
            await expect(question(page).get_by_role("button", name=answer)).to_be_in_viewport(ratio=1)


async def test_it_fits_on_a_phone_in_every_language(page: Page, any_site: Site, whereby: WherebyRoom) -> None:
    await page.set_viewport_size({"width": 360, "height": 740})
    for language in LANGUAGES:
        await page.goto(f"{any_site.room_url}?lang={language}")
        await expect(page.get_by_role("dialog")).to_be_visible()
        await whereby.say(page, "recording_status_change", {"status": "started"})
        await page.keyboard.press("Escape")
        quiet = page.locator("recording-consent").get_by_role("button")
        await expect(quiet).to_be_in_viewport(ratio=1)
        assert await page.evaluate("document.documentElement.scrollWidth") == 360
        said = texts(language)
        assert await page.locator("#recording").inner_text() == said["room"]["recording"]
        await expect(page.locator("#recording")).to_have_attribute("title", said["room"]["recording"])
        await expect(page.locator("#recording")).not_to_have_css("font-size", "0px")
        await quiet.click()
        await page.get_by_role("dialog").get_by_role("button").nth(1).click()
        await expect(page.get_by_role("dialog")).to_be_hidden()
        await expect(page.locator("recording-consent").get_by_role("link")).to_be_in_viewport(ratio=1)
        await expect(page.get_by_text(said["consent"]["denied_short"], exact=True)).to_be_in_viewport(ratio=1)
        await expect(page.get_by_role("button", name=said["consent"]["change"])).to_be_in_viewport(ratio=1)
        await expect(quiet).to_be_in_viewport(ratio=1)
        assert await page.evaluate("document.documentElement.scrollWidth") == 360
        await page.evaluate("localStorage.clear()")


async def test_two_equal_buttons_neither_focused_in_advance(page: Page, any_site: Site) -> None:
    await enter(page, any_site)
    looks = [
        await question(page)
        .get_by_role("button", name=name)
        .evaluate(
            """button => { const look = getComputedStyle(button), box = button.getBoundingClientRect();
               return [look.color, look.backgroundColor, look.borderColor, look.fontWeight, box.width, box.height] }"""
        )
        for name in (YES, NO)
    ]
    assert looks[0] == looks[1]
    assert await page.evaluate("document.activeElement === document.body")


@pytest.mark.parametrize(("button", "given"), [(YES, True), (NO, False)])
async def test_an_answer_arrives(page: Page, any_site: Site, button: str, given: bool) -> None:
    await enter(page, any_site)
    sent = answers_sent(page)
    await question(page).get_by_role("button", name=button).click()
    await expect(question(page)).to_be_hidden()
    assert (await stored_answer(page))[1] is given
    assert len(sent) == 1
    said = json.loads(sent[0].post_data or "")
    said.pop("fingerprint", None)  # tests/web/test_fingerprint.py
    assert said == {"consent_given": given, "notice_version": VERSION, "language": "en"}


@pytest.mark.parametrize("way", ["Escape", "Later"])
async def test_it_can_be_left_unanswered_and_come_back_to(page: Page, any_site: Site, way: str) -> None:
    await enter(page, any_site)
    if way == "Escape":
        await page.keyboard.press("Escape")
    else:
        await question(page).get_by_role("button", name="Later").click()
    await expect(question(page)).to_be_hidden()
    assert (await stored_answer(page))[1] is None
    await page.get_by_role("button", name="Answer: store the audio?").click()
    await expect(question(page)).to_be_visible()
    await expect(question(page).get_by_role("heading")).to_be_focused()


async def test_it_asks_again_on_the_next_visit(page: Page, any_site: Site) -> None:
    await enter(page, any_site)
    await page.keyboard.press("Escape")
    await enter(page, any_site)


async def test_an_answer_that_fails_is_sent_again_under_the_same_key(
    page: Page, context: BrowserContext, any_site: Site
) -> None:
    await fail_answers(context, 2)
    sent = answers_sent(page)
    await page.clock.install()
    await enter(page, any_site)
    await question(page).get_by_role("button", name=NO).click()
    await expect(question(page).get_by_text("Your answer is not stored yet")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(question(page)).to_be_visible()
    await tried_again(page, page.get_by_text("You said no to storing the audio"))
    await expect(question(page)).to_be_hidden()
    assert (await stored_answer(page))[1] is False
    assert len(sent) == 3
    assert len({request.headers["idempotency-key"] for request in sent}) == 1


async def test_an_answer_given_offline_is_stored_when_the_line_is_back(
    page: Page, context: BrowserContext, any_site: Site
) -> None:
    await page.clock.install()
    await enter(page, any_site)
    sent = answers_sent(page)
    # No timer fires from here on: it must be the line's return that brings the answer through.
    await page.clock.pause_at(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=5))
    await context.set_offline(True)
    await question(page).get_by_role("button", name=YES).click()
    await expect(question(page).get_by_text("Your answer is not stored yet")).to_be_visible()
    await context.set_offline(False)
    await expect(question(page)).to_be_hidden(timeout=10_000)
    assert (await stored_answer(page))[1] is True
    assert len({request.headers["idempotency-key"] for request in sent}) == 1


async def test_an_answer_interrupted_by_a_reload_is_taken_up_under_the_same_key(
    page: Page, context: BrowserContext, any_site: Site
) -> None:
    await fail_answers(context, 1, None)
    sent = answers_sent(page)
    await enter(page, any_site)
    await question(page).get_by_role("button", name=NO).click()
    await expect(question(page).get_by_text("Your answer is not stored yet")).to_be_visible()
    await page.reload()
    await expect(page.get_by_text("You said no to storing the audio")).to_be_visible()
    assert (await stored_answer(page))[1] is False
    assert len({request.headers["idempotency-key"] for request in sent}) == 1


async def test_the_last_of_two_answers_counts_when_the_first_could_not_be_stored(
    page: Page, context: BrowserContext, any_site: Site
) -> None:
    await fail_answers(context, 1)
    sent = answers_sent(page)
    await enter(page, any_site)
    await question(page).get_by_role("button", name=YES).click()
    await expect(question(page).get_by_text("Your answer is not stored yet")).to_be_visible()
    await question(page).get_by_role("button", name=NO).click()
    await expect(question(page)).to_be_hidden(timeout=10_000)
    assert (await stored_answer(page))[1] is False
    assert [json.loads(request.post_data or "")["consent_given"] for request in sent] == [True, False]


async def test_a_refused_answer_is_not_repeated_and_said_without_what_is_for_programmers(
    page: Page, context: BrowserContext, any_site: Site
) -> None:
    refusals = {"refused_token": (403, "OTHER_MEETING"), "refused_unknown": (404, "MEETING_NOT_FOUND")}
    sent = answers_sent(page)
    await page.goto(f"{any_site.room_url}?lang=de")
    for key, (status, reason) in (refusals | {"refused": (409, "REQUEST_ID_REUSED")}).items():
        await fail_answers(context, 1, status, reason)
        await page.get_by_role("dialog").get_by_role("button", name="Ja, Ton speichern").click()
        said = page.get_by_role("dialog").get_by_role("status")
        await expect(said).to_have_text(texts("de")["consent"][key])
    assert len(sent) == 3


async def test_a_reload_is_the_same_person_with_the_same_answer(page: Page, any_site: Site) -> None:
    await enter(page, any_site)
    before, _ = await stored_answer(page)
    await question(page).get_by_role("button", name=YES).click()
    await expect(question(page)).to_be_hidden()
    await page.reload()
    await expect(page.get_by_text("You said yes to storing the audio")).to_be_visible()
    await expect(question(page)).to_be_hidden()
    assert await stored_answer(page) == (before, True)


async def test_an_answer_can_be_changed(page: Page, any_site: Site) -> None:
    await enter(page, any_site)
    await question(page).get_by_role("button", name=YES).click()
    await page.get_by_role("button", name="Change my answer").click()
    await expect(question(page).get_by_text("Your answer so far: yes")).to_be_visible()
    await question(page).get_by_role("button", name="Keep my answer").click()
    assert (await stored_answer(page))[1] is True
    await page.get_by_role("button", name="Change my answer").click()
    await question(page).get_by_role("button", name=NO).click()
    await expect(page.get_by_text("You said no to storing the audio")).to_be_visible()
    assert (await stored_answer(page))[1] is False


async def test_it_works_by_keyboard_alone(page: Page, any_site: Site) -> None:
    await enter(page, any_site)
    for name in (YES, NO, "Later"):
        await page.keyboard.press("Tab")
        await expect(question(page).get_by_role("button", name=name)).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="Answer: store the audio?")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(question(page).get_by_role("heading")).to_be_focused()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Space")
    await expect(page.get_by_role("button", name="Change my answer")).to_be_focused()
    assert (await stored_answer(page))[1] is False


@pytest.mark.parametrize(
    ("locale", "title"),
    [
        ("de-AT", "Darf der Ton dieser Besprechung gespeichert werden?"),
        ("fr-FR", "audio de cette réunion peut-il être conservé"),
        ("es-MX", "¿Se puede guardar el audio de esta reunión?"),
        ("nl-NL", "Mag het geluid van deze vergadering worden bewaard?"),
        ("nn-NO", "Kan lyden fra dette møtet lagres?"),
        ("ja-JP", "May the audio of this meeting be stored?"),
    ],
)
async def test_it_asks_in_the_browsers_language(
    browser: Browser, any_site: Site, whereby: WherebyRoom, locale: str, title: str
) -> None:
    async with await browser.new_context(locale=locale) as context:
        await whereby.answer_for(context)
        page = await context.new_page()
        sent = answers_sent(page)
        await page.goto(any_site.room_url)
        await expect(page.get_by_role("dialog", name=title)).to_be_visible()
        await page.get_by_role("dialog").get_by_role("button").first.click()
        await eventually(lambda: settled(page))
        shown = await page.locator("html").get_attribute("lang")
        assert json.loads(sent[0].post_data or "")["language"] == shown


async def settled(page: Page) -> bool:
    return await page.get_by_role("dialog").count() == 0
