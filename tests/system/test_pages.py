"""The pages before the real gateway: two people in two browsers, from the open room to audio that plays and is gone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, Page, expect

from tests.system.world import Json, World
from tests.web.question import NO, YES, question

PLAYED = "audio => audio.currentTime > 0.5 && !audio.error"


@asynccontextmanager
async def person(browser: Browser, address: str) -> AsyncIterator[Page]:
    """A browser of one's own, looking at an address."""
    context = await browser.new_context(locale="en-GB")
    page = await context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if "Content Security Policy" in said.text else None)
    await page.goto(address)
    yield page
    await context.close()
    assert complaints == []


async def test_two_people_are_let_in_at_once_and_asked_and_the_audio_follows_their_answers(
    world: World, browser: Browser
) -> None:
    room = await world.make_room()
    address = f"{world.env['ASSENT_GATEWAY_URL']}/{room}"
    async with person(browser, address) as ana, person(browser, address) as ben:
        for page in (ana, ben):
            await expect(page.locator("iframe")).to_be_visible()
            await expect(question(page)).to_be_visible()
            await question(page).get_by_role("button", name=YES).click()
            await expect(question(page)).to_be_hidden()
        meeting = await _meeting(world, room)
        counts = (await world.get(f"/v1/meetings/{meeting['id']}/consent"))["counts"]
        assert counts == {"present": 2, "granted": 2, "denied": 0, "unanswered": 0, "dial_in": 0, "unidentified": 0}
        ended = await world.whereby.post(f"/control/rooms{meeting['room_name']}/end", json={})
        assert ended.json()["recording"]
        kept = await world.recording_of(meeting["id"], "kept")

        transcript = f"{world.env['ASSENT_GATEWAY_URL']}/transcripts/{kept['transcript_id']}"
        async with person(browser, transcript) as host:
            await _signs_in(host, world)
            assert host.url == transcript
            await expect(host.get_by_text("Nobody refused, so the audio was kept.")).to_be_visible()
            player = host.locator("audio")
            await player.evaluate("audio => audio.play()")
            await host.wait_for_function(f"() => ({PLAYED})(document.querySelector('audio'))")
            assert await player.get_attribute("src") == f"/v1/transcripts/{kept['transcript_id']}/audio/mp3"
            await _corrects_and_finds(host, world.env["ASSENT_GATEWAY_URL"])

            await ben.get_by_role("button", name="Change my answer").click()
            await question(ben).get_by_role("button", name=NO).click()
            await expect(question(ben)).to_be_hidden()
            await world.recording_of(meeting["id"], "erased")
            await expect(player).to_have_count(0)
            await expect(host.get_by_role("button", name="certificate")).to_be_visible()


async def _signs_in(page: Page, world: World) -> None:
    """At the issuer and back, as the owner of every room here."""
    await page.get_by_role("link", name="Sign in").click()
    await page.wait_for_url(f"{world.env['ASSENT_OIDC_ISSUER']}/authorize?**")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("button", name="Sign out")).to_be_visible()


async def _corrects_and_finds(host: Page, gateway: str) -> None:
    """The owner writes what was meant into the first segment, and finds it again from the first page."""
    await host.locator("#segments .edit").first.click()
    await host.get_by_role("textbox").fill("Two rhododendrons & a <hedge>")
    await host.keyboard.press("Enter")
    await expect(host.locator("#segments li p").first).to_have_text("Two rhododendrons & a <hedge>")
    first = await host.context.new_page()
    await first.goto(f"{gateway}/?query=rhododendron")
    await expect(first.locator("mark")).to_have_text("rhododendrons")
    await first.get_by_role("link", name="Two rhododendrons & a <hedge>").click()
    await expect(first.locator("#segments li").first).to_be_focused()


async def _meeting(world: World, room: str) -> Json:
    [meeting] = (await world.get(f"/v1/rooms/{room}/meetings"))["meetings"]
    return dict(meeting)
