"""The first page: a way into a room for everybody; the owner's rooms, their meetings, and new ones."""

from playwright.async_api import Locator, Page, expect

from tests.web.conftest import Site
from tests.web.fake_gateway import FakeGateway
from tests.web.fake_meeting import FakeMeeting
from tests.web.recordings import listed
from tests.web.speech import transcript
from tests.web.visit import hold_token


async def test_the_first_page_leads_into_a_room(page: Page, site: Site) -> None:
    await page.goto(site.url)
    name = page.get_by_label("Room name")
    await name.fill("Team Sync")
    await page.get_by_role("button", name="Enter").click()
    assert "lower-case letters" in await name.evaluate("name => name.validationMessage")
    await name.fill("weekly")
    await page.get_by_role("button", name="Enter").click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    assert page.url == site.room_url


async def test_an_address_that_leads_nowhere_leads_to_the_first_page(page: Page, site: Site) -> None:
    await page.goto(f"{site.url}/a/b/c?lang=de")
    await expect(page.get_by_role("heading", name="Diese Seite gibt es nicht")).to_be_visible()
    await page.get_by_role("link", name="Zur ersten Seite").click()
    await page.wait_for_url(f"{site.url}/")


async def test_an_owner_sees_rooms_and_transcripts_and_creates_a_room(
    page: Page, site: Site, fake: FakeGateway
) -> None:
    fake.transcripts["transcript-1"] = transcript("transcript-1", "completed", title="Kitchen", audio_deleted=True)
    fake.transcripts["transcript-2"] = transcript("transcript-2", "completed", recording_id="recording-2")
    fake.recordings["recording-2"] = listed("kept", "recording-2", recorded_at="2026-11-21T23:59:00Z")
    fake.transcripts["transcript-3"] = transcript("transcript-3", "completed", recording_id="recording-3")
    await page.goto(site.url)
    await page.get_by_label("Access token").fill(site.owner_token)
    await page.get_by_role("button", name="Continue").click()
    await expect(page.get_by_role("link", name="weekly")).to_have_attribute("href", "/weekly")
    await expect(page.get_by_role("link", name="Kitchen")).to_have_attribute("href", "/transcripts/transcript-1")
    # When it was recorded, where that is known; else when it arrived.
    await expect(page.locator("#transcripts > li")).to_have_text(
        [
            "Kitchen22 Nov 2026, 10:31 · Complete · 0:15 · Audio erased",
            "Transcript of 21 Nov 2026, 23:59Complete · 0:15 · Audio kept",
            "Transcript of 22 Nov 2026, 10:31Complete · 0:15",
        ]
    )
    await page.get_by_label("New room").fill("weekly")
    await page.get_by_role("button", name="Create the room").click()
    await expect(page.get_by_text("There is already a room with this name.")).to_be_visible()
    await page.get_by_label("New room").fill("monthly")
    await page.get_by_role("button", name="Create the room").click()
    await expect(page.get_by_role("link", name="monthly")).to_be_focused()
    assert fake.rooms == ["weekly", "monthly"]
    await expect(page.get_by_text("Send this address to the people who should take part.")).to_be_visible()
    await expect(page.get_by_text(f"{site.url}/monthly")).to_be_visible()
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.get_by_role("button", name="Copy the address of monthly").click()
    await expect(page.get_by_text("Copied.")).to_be_visible()
    assert await page.evaluate("navigator.clipboard.readText()") == f"{site.url}/monthly"


async def test_an_address_that_the_page_may_not_copy_is_selected(page: Page, site: Site) -> None:
    # As where the pages come without TLS.
    await page.add_init_script("delete Navigator.prototype.clipboard")
    await hold_token(page, site.url, site.owner_token)
    await page.goto(site.url)
    await page.get_by_role("button", name="Copy the address of weekly").click()
    await expect(page.get_by_text("the address is selected")).to_be_visible()
    assert (await page.evaluate("getSelection().toString()")).strip() == site.room_url


async def test_signing_out_forgets_the_token(page: Page, site: Site) -> None:
    await hold_token(page, site.url, site.owner_token)
    await page.goto(site.url)
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_label("Access token")).to_be_visible()
    assert await page.evaluate("localStorage.length") == 0


def rooms(page: Page) -> Locator:
    return page.locator("#rooms > li > a")


def meet(fake: FakeGateway, room: str, how_often: int) -> None:
    """Meetings of a room, one a day; the last is going on."""
    for day in range(1, how_often + 1):
        name = f"{room}-{day}"
        started = f"2026-11-{day:02}T10:00:00Z"
        fake.meetings[name] = FakeMeeting(name, room, "", is_active=day == how_often, started_at=started)


async def test_a_room_shows_its_meetings_newest_first_and_more_of_them(
    page: Page, site: Site, fake: FakeGateway
) -> None:
    meet(fake, "weekly", 7)
    await hold_token(page, site.url, site.owner_token)
    await page.goto(site.url)
    meetings = page.locator(".meetings li")
    await expect(meetings).to_have_text(
        ["7 Nov 2026, 10:00Under way", *(f"{day} Nov 2026, 10:00" for day in (6, 5, 4, 3))]
    )
    await expect(meetings.first.get_by_role("link")).to_have_attribute("href", "/meetings/weekly-7")
    await page.get_by_role("button", name="Show earlier meetings").click()
    await expect(meetings).to_have_count(7)
    await expect(meetings.nth(5).get_by_role("link")).to_be_focused()
    await expect(page.get_by_role("button", name="Show earlier meetings")).to_be_hidden()


async def test_a_hundred_rooms_are_not_a_hundred_questions(page: Page, site: Site, fake: FakeGateway) -> None:
    fake.rooms[:] = [f"room-{number:03}" for number in range(100)]
    meet(fake, "room-001", 1)
    await hold_token(page, site.url, site.owner_token)
    await page.goto(site.url)
    await expect(rooms(page)).to_have_count(50)
    await page.get_by_role("button", name="Show more rooms").click()
    await expect(rooms(page)).to_have_text(fake.rooms)
    await expect(rooms(page).nth(50)).to_be_focused()
    await expect(page.get_by_role("button", name="Show more rooms")).to_be_hidden()
    assert fake.opened == []
    # Opened, closed and opened again: asked for once.
    for _ in range(3):
        await page.get_by_text("Meetings", exact=True).nth(1).click()
    await expect(page.locator(".meetings li")).to_have_text(["1 Nov 2026, 10:00Under way"])
    assert fake.opened == ["room-001"]


async def test_a_room_without_meetings_says_so(page: Page, site: Site) -> None:
    await hold_token(page, site.url, site.owner_token)
    await page.goto(site.url)
    await expect(page.get_by_text("There has been no meeting here yet.")).to_be_visible()


async def test_meetings_that_cannot_be_had_are_asked_for_again(page: Page, site: Site, fake: FakeGateway) -> None:
    meet(fake, "weekly", 1)
    await page.route("**/v1/rooms/weekly/meetings?*", lambda route: route.fulfill(status=503), times=1)
    await hold_token(page, site.url, site.owner_token)
    await page.goto(site.url)
    await expect(page.get_by_text("The service cannot be reached right now.")).to_be_visible()
    await page.get_by_role("button", name="Try again").click()
    await expect(page.locator(".meetings a")).to_be_focused()
    await expect(page.get_by_text("The service cannot be reached right now.")).to_be_hidden()


async def test_a_room_created_before_more_are_shown_is_listed_once(page: Page, site: Site, fake: FakeGateway) -> None:
    fake.page_size = 1
    fake.rooms.append("zoo")
    await hold_token(page, site.url, site.owner_token)
    await page.goto(site.url)
    await page.get_by_label("New room").fill("yearly")
    await page.get_by_role("button", name="Create the room").click()
    await expect(rooms(page)).to_have_text(["yearly", "weekly"])
    await page.get_by_role("button", name="Show more rooms").click()
    await expect(rooms(page).nth(2)).to_be_focused()
    await page.get_by_role("button", name="Show more rooms").click()
    await expect(page.get_by_role("button", name="Show more rooms")).to_be_hidden()
    await expect(rooms(page)).to_have_text(["yearly", "weekly", "zoo"])
    await expect(rooms(page).nth(2)).to_be_focused()


async def test_a_page_that_began_again_shows_each_room_once(page: Page, site: Site) -> None:
    await page.route("**/v1/transcripts?*", lambda route: route.fulfill(status=503), times=1)
    await hold_token(page, site.url, site.owner_token)
    await page.goto(site.url)
    await expect(page.get_by_text("Transcripts appear here")).to_be_visible(timeout=15_000)
    await expect(rooms(page)).to_have_text(["weekly"])


async def test_a_sign_in_that_has_ended_is_said(page: Page, site: Site) -> None:
    await hold_token(page, site.url, site.owner_token)
    await page.goto(site.url)
    await expect(page.get_by_role("link", name="weekly")).to_be_visible()
    await page.route("**/v1/rooms", lambda route: route.fulfill(status=401, body="{}"))
    await page.get_by_label("New room").fill("monthly")
    await page.get_by_role("button", name="Create the room").click()
    await expect(page.get_by_text("You are not signed in any more")).to_be_visible()
    await expect(page.get_by_label("New room")).to_have_value("monthly")
