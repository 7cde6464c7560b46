"""The owner's pages: a meeting's answers and recordings as they change, and the first page."""

from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.eventually import eventually
from tests.web.conftest import Site
from tests.web.fake_gateway import FakeGateway
from tests.web.fake_meeting import FakeMeeting
from tests.web.fake_tokens import participant_token
from tests.web.question import NO, YES, question
from tests.web.speech import transcript

ID = "meeting-1"


@pytest.fixture
def meeting(fake: FakeGateway) -> FakeMeeting:
    fake.meetings[ID] = FakeMeeting(ID, "weekly", f"{fake.whereby_origin}/weekly", people={"ana", "ben", "cem"})
    return fake.meetings[ID]


def recording(state: str) -> dict[str, Any]:
    return {
        "id": "recording-1",
        "meeting_id": ID,
        "state": state,
        "recorded_at": "2026-11-22T10:01:00Z",
        "transcript_id": "transcript-1",
    }


async def shown_counts(page: Page) -> list[str]:
    return await page.locator("#counts dd").all_inner_texts()


async def test_counts_change_as_people_answer(page: Page, site: Site, fake: FakeGateway, meeting: FakeMeeting) -> None:
    await page.goto(f"{site.url}/meetings/{ID}#token={site.owner_token}")
    await expect(page.get_by_role("heading", name="Meeting in weekly")).to_be_visible()
    assert await shown_counts(page) == ["3", "0", "0", "3"]
    await eventually(lambda: connected(fake))
    await answer(page, "ana", True)
    await answer(page, "ben", False)

    async def counted() -> bool:
        return await shown_counts(page) == ["3", "1", "1", "1"]

    await eventually(counted)
    assert "ana" not in await page.locator("body").inner_text()


async def connected(fake: FakeGateway) -> bool:
    return bool(fake.sockets[ID])


async def answer(page: Page, participant: str, given: bool) -> None:
    reply = await page.request.post(
        f"{page.url.split('/meetings')[0]}/v1/meetings/{ID}/consent",
        headers={"Authorization": f"Bearer {participant_token(ID, participant)}", "Idempotency-Key": participant},
        data={"consent_given": given, "notice_version": "1", "language": "en"},
    )
    assert reply.ok


async def test_a_recordings_way_is_followed_to_its_certificate(
    page: Page, site: Site, fake: FakeGateway, meeting: FakeMeeting
) -> None:
    await page.goto(f"{site.url}/meetings/{ID}#token={site.owner_token}")
    await expect(page.get_by_text("No recording has arrived yet.")).to_be_visible()
    await eventually(lambda: connected(fake))
    steps = ("Arrived", "Being transcribed", "Not decided", "Audio kept", "Being erased", "Audio erased")
    states = ("discovered", "transcribing", "undecided", "kept", "erasing", "erased")
    for state, words in zip(states, steps, strict=True):
        fake.recordings["recording-1"] = recording(state)
        await fake.emit(ID, "RECORDING", recording=recording(state))
        await expect(page.locator("#recordings .state")).to_have_text(words)
    await expect(page.get_by_role("link", name="Transcript")).to_have_attribute("href", "/transcripts/transcript-1")
    async with page.expect_download() as downloading:
        await page.get_by_role("button", name="Download the certificate").click()
    assert (await downloading.value).suggested_filename == "certificate-recording-1.jws"


async def test_a_participant_sees_the_counts_and_no_recordings(
    page: Page, site: Site, fake: FakeGateway, meeting: FakeMeeting
) -> None:
    fake.recordings["recording-1"] = recording("kept")
    await page.goto(f"{site.url}/meetings/{ID}#token={participant_token(ID, 'ana')}")
    await expect(page.get_by_text("Recordings are shown to the room's owner.")).to_be_visible()
    assert await shown_counts(page) == ["3", "0", "0", "3"]
    assert await page.locator("#recordings li").count() == 0


async def test_a_participant_changes_the_answer_after_the_call(
    page: Page, site: Site, fake: FakeGateway, meeting: FakeMeeting
) -> None:
    await page.goto(f"{site.url}/meetings/{ID}#token={participant_token(ID, 'ana')}")
    await question(page).get_by_role("button", name=YES).click()
    await expect(question(page)).to_be_hidden()
    await page.reload()
    await page.get_by_role("button", name="Change my answer").click()
    await question(page).get_by_role("button", name=NO).click()
    await expect(question(page)).to_be_hidden()
    assert await shown_counts(page) == ["3", "0", "1", "2"]


async def test_the_owner_is_not_asked_on_the_meetings_page(page: Page, site: Site, meeting: FakeMeeting) -> None:
    await page.goto(f"{site.url}/meetings/{ID}#token={site.owner_token}")
    await expect(page.locator("#counts")).to_be_visible()
    await expect(question(page)).to_have_count(0)


async def test_a_meeting_that_ends_is_shown_to_have_ended(
    page: Page, site: Site, fake: FakeGateway, meeting: FakeMeeting
) -> None:
    await page.goto(f"{site.url}/meetings/{ID}#token={site.owner_token}")
    await expect(page.get_by_text("Under way")).to_be_visible()
    await eventually(lambda: connected(fake))
    meeting.is_active = False
    fake.recordings["recording-1"] = recording("discovered")
    await fake.emit(ID, "RECORDING", recording=recording("discovered"))
    await expect(page.get_by_text("Ended")).to_be_visible()


async def test_somebody_elses_meeting_is_explained(page: Page, site: Site, meeting: FakeMeeting) -> None:
    await page.goto(f"{site.url}/meetings/{ID}#token={participant_token('another', 'ana')}")
    await expect(page.get_by_role("alert")).to_contain_text("There is no such meeting")


async def test_the_first_page_leads_into_a_room(page: Page, site: Site) -> None:
    await page.goto(site.url)
    await page.get_by_label("Room name").fill("weekly")
    await page.get_by_role("button", name="Enter").click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    assert page.url == site.room_url


async def test_an_owner_sees_rooms_and_transcripts_and_creates_a_room(
    page: Page, site: Site, fake: FakeGateway
) -> None:
    fake.transcripts["transcript-1"] = transcript("transcript-1", "completed", title="Kitchen", audio_deleted=True)
    await page.goto(site.url)
    await page.get_by_label("Access token").fill(site.owner_token)
    await page.get_by_role("button", name="Continue").click()
    await expect(page.get_by_role("link", name="weekly")).to_have_attribute("href", "/weekly")
    await expect(page.get_by_role("link", name="Kitchen")).to_have_attribute("href", "/transcripts/transcript-1")
    await expect(page.get_by_text("Complete · 0:15 · Audio erased")).to_be_visible()
    await page.get_by_label("New room").fill("weekly")
    await page.get_by_role("button", name="Create the room").click()
    await expect(page.get_by_text("There is already a room with this name.")).to_be_visible()
    await page.get_by_label("New room").fill("monthly")
    await page.get_by_role("button", name="Create the room").click()
    await expect(page.get_by_role("link", name="monthly")).to_be_visible()
    assert fake.rooms == ["weekly", "monthly"]


async def test_a_token_can_be_forgotten(page: Page, site: Site) -> None:
    await page.goto(f"{site.url}/#token={site.owner_token}")
    await page.get_by_role("button", name="Forget my token").click()
    await expect(page.get_by_label("Access token")).to_be_visible()
    assert await page.evaluate("localStorage.length") == 0
