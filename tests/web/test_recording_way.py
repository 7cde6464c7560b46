"""The meeting's page: the way of each recording, from its arrival to its being kept or erased, as it is gone."""

from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from tests.eventually import eventually
from tests.web.conftest import Site
from tests.web.fake_gateway import FakeGateway
from tests.web.fake_meeting import FakeMeeting
from tests.web.fake_tokens import participant_token
from tests.web.recordings import listed, recording
from tests.web.speech import transcript

ID = "meeting-1"
NOT_YET = ("Transcript to come", "Then kept or erased")
# What the three steps say in each state, and which of them it stands at.
WAYS = {
    "discovered": (("Arrived", *NOT_YET), 0),
    "transcribing": (("Arrived", "Being transcribed", "Then kept or erased"), 1),
    "failed": (("Arrived", "Transcription failed", "Then kept or erased"), 1),
    "unmatched": (("Arrived", "Transcribed", "No meeting found"), 2),
    "undecided": (("Arrived", "Transcribed", "Not decided"), 2),
    "kept": (("Arrived", "Transcribed", "Audio kept"), 2),
    "erasing": (("Arrived", "Transcribed", "Being erased"), 2),
    "blocked": (("Arrived", "Transcribed", "Erasure blocked"), 2),
    "erased": (("Arrived", "Transcribed", "Audio erased"), 2),
}


@pytest.fixture
def meeting(fake: FakeGateway) -> FakeMeeting:
    fake.meetings[ID] = FakeMeeting(ID, "weekly", f"{fake.whereby_origin}/weekly", people={"ana"})
    return fake.meetings[ID]


def way(page: Page) -> Locator:
    return page.get_by_role("list", name="How far this recording has come").get_by_role("listitem")


async def open_page(page: Page, site: Site, fake: FakeGateway, token: str) -> None:
    """The meeting's page, with its line open."""
    await page.goto(f"{site.url}/meetings/{ID}#token={token}")

    async def is_followed() -> bool:
        return bool(fake.sockets[ID])

    await eventually(is_followed)


async def steps(page: Page) -> tuple[tuple[str, ...], int]:
    """What the steps say, and the one that is current."""
    words = tuple(await way(page).locator(".words").all_inner_texts())
    current = [await step.get_attribute("aria-current") for step in await way(page).all()]
    return words, current.index("step")


async def tell(fake: FakeGateway, **changed: Any) -> None:
    await fake.emit(ID, "RECORDING", recording=recording(**changed))


async def test_a_recordings_way_is_followed_to_its_certificate(
    page: Page, site: Site, fake: FakeGateway, meeting: FakeMeeting
) -> None:
    await open_page(page, site, fake, site.owner_token)
    await expect(page.get_by_text("No recording has arrived yet.")).to_be_visible()
    for state in ("discovered", "transcribing", "undecided", "kept", "erasing"):
        await tell(fake, state=state)
        await eventually(lambda wanted=WAYS[state]: stands(page, wanted))  # type: ignore[misc]  # bound at once
    await expect(page.get_by_text("No recording has arrived yet.")).to_be_hidden()
    await expect(page.get_by_role("button", name="Download the certificate")).to_have_count(0)
    link = page.get_by_role("link", name="Transcript")
    await expect(link).to_have_attribute("href", "/transcripts/transcript-1")
    await link.focus()
    await tell(fake, state="erased")
    fake.recordings["recording-1"] = listed("erased")
    await expect(way(page).nth(2)).to_contain_text("Audio erased22 Nov 2026, 10:34")
    await expect(link).to_be_focused()
    async with page.expect_download() as downloading:
        await page.get_by_role("button", name="Download the certificate").click()
    assert (await downloading.value).suggested_filename == "certificate-recording-1.jws"
    await page.route("**/consent/history?format=jsonl", lambda route: route.fulfill(body="{}\n"))
    async with page.expect_download() as downloading:
        await page.get_by_role("button", name="Download the history of answers").click()
    assert (await downloading.value).suggested_filename == "consent-history-meeting-1.jsonl"


async def stands(page: Page, wanted: tuple[tuple[str, ...], int]) -> bool:
    return await steps(page) == wanted


@pytest.mark.parametrize("state", WAYS)
async def test_each_state_has_its_place_on_the_way(
    page: Page, site: Site, fake: FakeGateway, meeting: FakeMeeting, state: str
) -> None:
    fake.recordings["recording-1"] = listed(state)
    await open_page(page, site, fake, site.owner_token)
    assert await steps(page) == WAYS[state]
    await expect(page.get_by_role("heading", name="Recorded 22 Nov 2026, 10:01")).to_be_visible()


async def test_times_are_shown_where_they_are_known_and_survive_what_leaves_them_out(
    page: Page, site: Site, fake: FakeGateway, meeting: FakeMeeting
) -> None:
    fake.recordings["recording-1"] = listed("transcribing")
    await open_page(page, site, fake, site.owner_token)
    await expect(way(page).locator("time:visible")).to_have_text(["22 Nov 2026, 10:31"])
    fake.transcripts["transcript-1"] = transcript("transcript-1", "completed")
    await tell(fake, state="erased")
    shown = ["22 Nov 2026, 10:31", "22 Nov 2026, 10:33", "22 Nov 2026, 10:34"]
    await expect(way(page).locator("time:visible")).to_have_text(shown)


@pytest.mark.parametrize(
    ("status", "reason", "says"),
    [
        ("failed", "SOMEBODY_REFUSED", "Transcription failed"),
        ("no_audio", "SOMEBODY_REFUSED", "No sound to transcribe"),
        ("completed", "OWNER_DELETED", "Transcript deleted"),
    ],
)
async def test_an_erased_recording_does_not_claim_a_transcript_that_there_never_was(
    page: Page, site: Site, fake: FakeGateway, meeting: FakeMeeting, status: str, reason: str, says: str
) -> None:
    fake.recordings["recording-1"] = listed("erased", reason=reason)
    fake.transcripts["transcript-1"] = transcript("transcript-1", status)
    await open_page(page, site, fake, site.owner_token)
    await expect(way(page).locator(".words")).to_have_text(["Arrived", says, "Audio erased"])
    await expect(page.get_by_role("link", name="Transcript")).to_have_count(0 if reason == "OWNER_DELETED" else 1)


async def test_a_lock_that_ends_is_named(page: Page, site: Site, fake: FakeGateway, meeting: FakeMeeting) -> None:
    fake.recordings["recording-1"] = listed("blocked", blocked_until="2026-12-01T08:00:00Z")
    await open_page(page, site, fake, site.owner_token)
    await expect(page.get_by_text("A lock of the storage holds the audio until 1 Dec 2026, 08:00.")).to_be_visible()


async def test_several_recordings_are_shown_newest_first(
    page: Page, site: Site, fake: FakeGateway, meeting: FakeMeeting
) -> None:
    fake.recordings["second"] = listed("transcribing", "second", recorded_at="2026-11-22T11:00:00Z")
    fake.recordings["first"] = listed("kept", "first")
    await open_page(page, site, fake, site.owner_token)
    third = {"recording_id": "third", "recorded_at": "2026-11-22T12:00:00Z"}
    await tell(fake, state="discovered", **third)
    hours = [f"Recorded 22 Nov 2026, {clock}" for clock in ("12:00", "11:00", "10:01")]
    await expect(page.locator("#recordings h3")).to_have_text(hours)


async def test_a_participant_follows_the_recordings_too_without_the_owners_proof(
    page: Page, site: Site, fake: FakeGateway, meeting: FakeMeeting
) -> None:
    fake.recordings["recording-1"] = listed("kept")
    refused: list[str] = []
    page.on("response", lambda each: refused.append(each.url) if each.status >= 400 else None)
    await open_page(page, site, fake, participant_token(ID, "ana"))
    await expect(page.locator("#counts dd").first).to_have_text("1")
    await tell(fake, state="erased")
    await expect(way(page).locator(".words")).to_have_text(["Arrived", "Transcribed", "Audio erased"])
    await expect(page.get_by_role("button", name="Download")).to_have_count(0)
    assert refused == []


async def test_transcripts_that_cannot_be_had_hide_nothing_else(
    page: Page, site: Site, fake: FakeGateway, meeting: FakeMeeting
) -> None:
    await page.route("**/v1/transcripts?*", lambda route: route.fulfill(status=503))
    fake.recordings["recording-1"] = listed("kept")
    await open_page(page, site, fake, site.owner_token)
    assert await steps(page) == WAYS["kept"]
