"""The room's page: it lets you in, asks, and does not let go of an answer before it is stored."""

import datetime as dt
import json
import re
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Locator, Page, Request, Route, expect

from tests.eventually import eventually
from tests.web.conftest import Site, listen_for_complaints, serve, site_with_room
from tests.web.fake_gateway import OWNER_TOKEN, FakeGateway
from tests.web.test_texts import LANGUAGES
from tests.web.whereby_room import WherebyRoom

YES, NO = "Yes, store the audio", "No, erase the audio"


def question(page: Page) -> Locator:
    return page.get_by_role("dialog", name="May the audio of this meeting be stored?")


async def enter(page: Page, site: Site) -> None:
    await page.goto(site.room_url)
    await expect(question(page)).to_be_visible()


async def stored_answer(page: Page) -> tuple[str, bool | None]:
    """Who this browser is and what the gateway has stored for them, asked as the page would."""
    seen: dict[str, Any] = await page.evaluate(
        """async () => {
            const key = Object.keys(localStorage).find((each) => each.startsWith("assent.participant."));
            const token = localStorage.getItem(key);
            const path = `/v1/meetings/${key.slice("assent.participant.".length)}/consent`;
            const reply = await fetch(path, { headers: { Authorization: `Bearer ${token}` } });
            return { participant: JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"))).sub,
                     ...(await reply.json()) };
        }"""
    )
    return seen["participant"], (seen["answer"] or {}).get("consent_given")


def answers_sent(page: Page) -> list[Request]:
    """Every attempt to send an answer, as it is made."""
    sent: list[Request] = []
    page.on("request", lambda each: sent.append(each) if each.method == "POST" and "/consent" in each.url else None)
    return sent


async def fail_answers(context: BrowserContext, how_often: int, status: int | None = 503) -> None:
    """Answers fail before they reach the gateway: with a status, or (None) as on a dead line."""
    left = how_often

    async def fail(route: Route) -> None:
        nonlocal left
        if route.request.method != "POST" or left == 0:
            await route.continue_()
            return
        left -= 1
        if status is None:
            await route.abort("internetdisconnected")
        else:
            body = json.dumps({"title": "Unavailable", "status": status, "reason": "UNAVAILABLE"})
            await route.fulfill(status=status, body=body, content_type="application/problem+json")

    await context.route("**/v1/meetings/*/consent", fail)


async def test_the_page_lets_you_in_before_you_answer(page: Page, any_site: Site, whereby: WherebyRoom) -> None:
    await page.goto(any_site.room_url)
    await expect(page.frame_locator("whereby-embed iframe").locator("#toolbar")).to_be_visible()
    await expect(question(page)).to_be_visible()
    participant, answer = await stored_answer(page)
    assert answer is None
    assert [visit["externalId"] for visit in whereby.visits] == [participant]


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
        await quiet.click()
        await page.get_by_role("dialog").get_by_role("button").nth(1).click()
        await expect(page.get_by_role("dialog")).to_be_hidden()
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
    assert json.loads(sent[0].post_data or "") == {
        "consent_given": given,
        "notice_version": "2026-11-22",
        "language": "en",
    }


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
    await enter(page, any_site)
    await question(page).get_by_role("button", name=NO).click()
    await expect(question(page).get_by_text("Your answer is not stored yet")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(question(page)).to_be_visible()
    await expect(question(page)).to_be_hidden(timeout=10_000)
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


async def test_a_refused_answer_is_not_repeated_and_said(page: Page, context: BrowserContext, any_site: Site) -> None:
    await fail_answers(context, 1, 403)
    sent = answers_sent(page)
    await enter(page, any_site)
    await question(page).get_by_role("button", name=YES).click()
    await expect(question(page).get_by_text("Your answer could not be stored")).to_be_visible()
    await expect(question(page)).to_be_visible()
    assert len(sent) == 1


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


async def test_the_vendored_embed_is_driven_and_the_page_reacts(
    page: Page, any_site: Site, whereby: WherebyRoom
) -> None:
    await enter(page, any_site)
    recording = page.get_by_role("status").filter(has_text=re.compile("^Recording$"))
    await expect(recording).to_be_hidden()
    await whereby.say(page, "recording_status_change", {"status": "started"})
    await expect(recording).to_be_visible()
    await whereby.say(page, "recording_status_change", {"status": "stopped"})
    await expect(recording).to_be_hidden()
    await whereby.say(page, "leave", {"removed": False})
    await expect(page.get_by_role("heading", name="You have left the call")).to_be_visible()
    await expect(question(page)).to_be_visible()
    await page.get_by_role("button", name="Join again").click()
    await expect(page.frame_locator("whereby-embed iframe").locator("#toolbar")).to_be_visible()
    assert len({visit["externalId"] for visit in whereby.visits}) == 1
    assert len(whereby.visits) == 2


async def test_messages_of_another_origin_change_nothing(page: Page, any_site: Site) -> None:
    await enter(page, any_site)
    await say_from_the_page_itself(page, "leave")
    await expect(page.locator("whereby-embed iframe")).to_be_visible()


async def say_from_the_page_itself(page: Page, kind: str) -> None:
    """Returns when every listener has had the message."""
    await page.evaluate("kind => postMessage({ type: kind, payload: {} }, '*')", kind)
    await page.evaluate("new Promise((heard) => { addEventListener('message', heard); postMessage('last', '*') })")


async def test_a_room_elsewhere_is_a_plain_frame_with_the_same_events(context: BrowserContext) -> None:
    """The local stand-in is not at whereby.com, where the vendored element refuses it."""
    elsewhere = WherebyRoom("https://calls.example")
    await elsewhere.answer_for(context)
    async with serve(FakeGateway("https://calls.example")) as url:
        site = await site_with_room(url, OWNER_TOKEN)
        page = await context.new_page()
        complaints = listen_for_complaints(page)
        await page.goto(f"{site.room_url}?displayName=Ana")
        await expect(page.frame_locator("call-frame > iframe").locator("#toolbar")).to_be_visible()
        await elsewhere.say(page, "recording_status_change", {"status": "started"})
        await expect(page.get_by_role("status").filter(has_text=re.compile("^Recording$"))).to_be_visible()
        await expect(question(page)).to_be_visible()
        await say_from_the_page_itself(page, "leave")
        await expect(page.locator("call-frame > iframe")).to_be_visible()
        participant, _ = await stored_answer(page)
        assert elsewhere.visits == [
            {"externalId": participant, "lang": "en", "displayName": "Ana", "embed": "", "jsApi": "true"}
        ]
        assert complaints == []


async def test_a_name_is_handed_to_the_call_as_it_is_and_shown_as_text(
    page: Page, any_site: Site, whereby: WherebyRoom
) -> None:
    markup = "<img src=x onerror=document.title='run'>"
    await page.goto(f"{any_site.room_url}?displayName={markup.replace(' ', '%20')}")
    await expect(question(page)).to_be_visible()
    assert whereby.visits[0]["displayName"] == markup
    assert await page.locator("img[onerror]").count() == 0
    assert await page.title() == any_site.room


async def test_an_unknown_room_is_explained(page: Page, any_site: Site) -> None:
    await page.goto(f"{any_site.url}/nobody-made-this")
    await expect(page.get_by_role("alert")).to_contain_text("There is no room “nobody-made-this”")
    await expect(page.get_by_role("alert")).to_contain_text("ask the person who invited you")


async def test_a_service_that_is_away_is_tried_again(page: Page, context: BrowserContext, any_site: Site) -> None:
    tries = 0

    async def fail_twice(route: Route) -> None:
        nonlocal tries
        tries += 1
        if tries <= 2:
            await route.fulfill(status=503, headers={"Retry-After": "1"}, body="")
        else:
            await route.fallback()

    await context.route("**/v1/rooms/*/meeting", fail_twice)
    await page.goto(any_site.room_url)
    await expect(page.get_by_role("alert")).to_contain_text("The room cannot be opened right now")
    await expect(question(page)).to_be_visible(timeout=15_000)
    assert tries == 3


async def test_what_the_service_says_is_shown_as_text(page: Page, context: BrowserContext, any_site: Site) -> None:
    markup = "<img src=x onerror=document.title='run'>"
    body = json.dumps({"title": "Refused", "status": 418, "reason": "REFUSED", "detail": markup})
    await context.route(
        "**/v1/rooms/*/meeting",
        lambda route: route.fulfill(status=418, body=body, content_type="application/problem+json"),
    )
    await page.goto(any_site.room_url)
    await expect(page.get_by_role("alert")).to_contain_text(markup)
    assert await page.title() == any_site.room


async def test_an_old_token_keeps_nobody_out(page: Page, any_site: Site) -> None:
    await page.goto(f"{any_site.url}/nobody-made-this")
    await page.evaluate("localStorage.setItem('assent.token', 'not.a.token')")
    await enter(page, any_site)


async def test_the_owner_comes_in_as_the_host(page: Page, any_site: Site, whereby: WherebyRoom) -> None:
    await page.goto(f"{any_site.room_url}#token={any_site.owner_token}")
    await expect(question(page)).to_be_visible()
    assert page.url == any_site.room_url
    assert "roomKey" in whereby.visits[0]
    await expect(page.get_by_role("link", name="Answers and recordings")).to_be_visible()


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
