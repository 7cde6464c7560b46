"""The meeting's page: how many answered what, as it happens, for the host and for who was there."""

import pytest
from playwright.async_api import Page, expect

from tests.eventually import eventually
from tests.web.conftest import Site
from tests.web.fake_gateway import FakeGateway
from tests.web.fake_meeting import FakeMeeting
from tests.web.fake_tokens import participant_token
from tests.web.question import NO, YES, question
from tests.web.recordings import recording

ID = "meeting-1"


@pytest.fixture
def meeting(fake: FakeGateway) -> FakeMeeting:
    fake.meetings[ID] = FakeMeeting(ID, "weekly", f"{fake.whereby_origin}/weekly", people={"ana", "ben", "cem"})
    return fake.meetings[ID]


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
    await expect(page.get_by_text("Present", exact=True)).to_be_visible()
    await eventually(lambda: connected(fake))
    meeting.is_active = False
    await fake.emit(ID, "RECORDING", recording=recording("discovered"))
    await expect(page.get_by_text("Ended")).to_be_visible()
    await expect(page.get_by_text("Were present")).to_be_visible()


async def test_somebody_elses_meeting_is_explained(page: Page, site: Site, meeting: FakeMeeting) -> None:
    await page.goto(f"{site.url}/meetings/{ID}#token={participant_token('another', 'ana')}")
    await expect(page.get_by_role("alert")).to_contain_text("There is no such meeting")
