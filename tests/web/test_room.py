"""The room's page: it lets you in, drives the call, and says what is wrong."""

import json
import re
from urllib.parse import quote

import pytest
from playwright.async_api import BrowserContext, Page, Route, expect

from tests.web.conftest import Site, listen_for_complaints, serve, site_with_room
from tests.web.fake_gateway import FakeGateway
from tests.web.fake_tokens import OWNER_TOKEN
from tests.web.question import enter, question, stored_answer, tried_again
from tests.web.visit import hold_token
from tests.web.whereby_room import WherebyRoom


async def test_the_page_lets_you_in_before_you_answer(page: Page, any_site: Site, whereby: WherebyRoom) -> None:
    await page.goto(any_site.room_url)
    await expect(page.frame_locator("whereby-embed iframe").locator("#toolbar")).to_be_visible()
    await expect(question(page)).to_be_visible()
    participant, answer = await stored_answer(page)
    assert answer is None
    assert [visit["externalId"] for visit in whereby.visits] == [participant]


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
    await expect(page.locator("#recording")).to_be_empty()
    await expect(page.get_by_role("link", name="Answers and recordings")).to_have_attribute(
        "href", re.compile("^/meetings/.+")
    )
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


HOSTILE_NAMES = (
    "<img src=x onerror=document.title='run'>",
    "</script><script>document.title='run'</script>",
    "\"><svg onload=document.title='run'>",
    "javascript:document.title='run'",
    "{room} ${document.title='run'} {{7*7}}",
    "Ana\u202e&lang=de&externalId=somebody-else#token=x \U0001f600",
)


@pytest.mark.parametrize("name", HOSTILE_NAMES)
async def test_a_name_is_handed_to_the_call_as_it_is_and_shown_as_text(
    page: Page, any_site: Site, whereby: WherebyRoom, name: str
) -> None:
    await page.goto(f"{any_site.room_url}?displayName={quote(name)}")
    await expect(question(page)).to_be_visible()
    participant, _ = await stored_answer(page)
    assert (whereby.visits[0]["displayName"], whereby.visits[0]["externalId"]) == (name, participant)
    assert await page.locator("img[onerror], svg[onload], header script, main script").count() == 0
    assert await page.title() == any_site.room
    assert name not in await page.locator("body").inner_text()


@pytest.mark.parametrize("name", HOSTILE_NAMES)
async def test_a_name_is_text_in_a_plain_frame_too(context: BrowserContext, name: str) -> None:
    elsewhere = WherebyRoom("https://calls.example")
    await elsewhere.answer_for(context)
    async with serve(FakeGateway("https://calls.example")) as url:
        site = await site_with_room(url, OWNER_TOKEN)
        page = await context.new_page()
        complaints = listen_for_complaints(page)
        await page.goto(f"{site.room_url}?displayName={quote(name)}")
        await expect(question(page)).to_be_visible()
        assert elsewhere.visits[0]["displayName"] == name
        assert await page.title() == site.room
        assert complaints == []


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
    await page.clock.install()
    await page.goto(any_site.room_url)
    await expect(page.get_by_role("alert")).to_contain_text("The room cannot be opened right now")
    await tried_again(page, question(page))
    assert tries == 3


async def test_what_the_service_tells_programmers_is_not_shown_to_people(
    page: Page, context: BrowserContext, any_site: Site
) -> None:
    markup = "<img src=x onerror=document.title='run'>"
    body = json.dumps({"title": "Refused", "status": 418, "reason": "REFUSED", "detail": markup})
    await context.route(
        "**/v1/rooms/*/meeting",
        lambda route: route.fulfill(status=418, body=body, content_type="application/problem+json"),
    )
    async with page.expect_console_message(lambda message: markup in message.text):
        await page.goto(any_site.room_url)
    await expect(page.get_by_role("alert")).to_contain_text("This did not work.")
    assert markup not in await page.locator("body").inner_text()
    assert await page.title() == any_site.room


async def test_an_old_token_keeps_nobody_out(page: Page, any_site: Site) -> None:
    await page.goto(f"{any_site.url}/nobody-made-this")
    await page.evaluate("localStorage.setItem('assent.token', 'not.a.token')")
    await enter(page, any_site)


async def test_the_owner_comes_in_as_the_host(page: Page, any_site: Site, whereby: WherebyRoom) -> None:
    await hold_token(page, any_site.url, any_site.owner_token)
    await page.goto(any_site.room_url)
    await expect(question(page)).to_be_visible()
    assert page.url == any_site.room_url
    assert "roomKey" in whereby.visits[0]
    await expect(page.get_by_role("link", name="Answers and recordings")).to_be_visible()
