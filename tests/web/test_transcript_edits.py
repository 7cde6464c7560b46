"""The transcript's page: who speaks, and texts that the room's owner edits, by mouse or by keyboard alone."""

import pytest
from playwright.async_api import Locator, Page, expect

from tests.web.conftest import Site
from tests.web.fake_gateway import FakeGateway
from tests.web.fake_tokens import participant_token
from tests.web.speech import WORDS, segments, stored, transcript
from tests.web.visit import hold_token

ID = "transcript-1"
SECOND = "Edit the text at 0:04"


async def opened(page: Page, site: Site, fake: FakeGateway, **changed: object) -> None:
    """The page of a complete transcript, as its owner sees it."""
    fake.transcripts[ID] = transcript(ID, "completed", audio_deleted=True, **changed)
    await page.goto(f"{site.url}/transcripts/{ID}#token={site.owner_token}")
    await expect(page.locator("#segments li")).to_have_count(3)


def field(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Text at 0:04")


async def test_the_owner_edits_a_text_and_what_was_heard_can_still_be_read(
    page: Page, site: Site, fake: FakeGateway
) -> None:
    await opened(page, site, fake)
    await page.get_by_role("button", name=SECOND).click()
    await expect(field(page)).to_have_value(WORDS[1][2])
    await expect(field(page)).to_be_focused()
    await field(page).fill(" <i>The kitchen</i>,\n and who waters the plants ")
    await page.get_by_role("button", name="Save").click()
    shown = page.locator("#segments li").nth(1)
    await expect(shown.locator("p")).to_have_text("<i>The kitchen</i>, and who waters the plants")
    await expect(shown.get_by_role("status")).to_have_text("Saved.")
    assert fake.transcripts[ID]["segments"][1]["text"] == "<i>The kitchen</i>, and who waters the plants"
    await expect(shown.get_by_text(WORDS[1][2])).to_be_hidden()
    await shown.get_by_text("Edited").click()
    await expect(shown.get_by_text(WORDS[1][2])).to_be_visible()
    await page.reload()
    await expect(shown.get_by_text("Edited")).to_be_visible()
    await shown.get_by_text("Edited").click()
    await shown.get_by_role("button", name="Use what was heard").click()
    await expect(shown.locator("p")).to_have_text(WORDS[1][2])
    await expect(shown.get_by_text("Edited")).to_be_hidden()
    assert not fake.transcripts[ID]["segments"][1]["edited"]


async def test_a_text_is_edited_with_the_keyboard_alone(page: Page, site: Site, fake: FakeGateway) -> None:
    await opened(page, site, fake)
    edit = page.get_by_role("button", name=SECOND)
    await edit.focus()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Control+A")
    await page.keyboard.type("thrown away")
    await page.keyboard.press("Escape")
    await expect(page.locator("#segments li p").nth(1)).to_have_text(WORDS[1][2])
    await expect(edit).to_be_focused()
    await page.keyboard.press("Space")
    await page.keyboard.press("Control+A")
    await page.keyboard.type("kept")
    await page.keyboard.press("Enter")
    await expect(page.locator("#segments li p").nth(1)).to_have_text("kept")
    await expect(edit).to_be_focused()
    assert [segment["text"] for segment in fake.transcripts[ID]["segments"]] == [WORDS[0][2], "kept", WORDS[2][2]]


async def test_a_text_cannot_be_emptied(page: Page, site: Site, fake: FakeGateway) -> None:
    await opened(page, site, fake)
    await page.get_by_role("button", name=SECOND).click()
    await field(page).fill("  \n ")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("alert").filter(has_text="cannot be empty")).to_be_visible()
    assert fake.transcripts[ID]["segments"][1]["text"] == WORDS[1][2]


async def test_a_locked_transcript_says_so_and_can_be_unlocked(page: Page, site: Site, fake: FakeGateway) -> None:
    await opened(page, site, fake, locked=True)
    await expect(page.get_by_text("This transcript is locked: its text cannot be changed.")).to_be_visible()
    await expect(page.get_by_role("button", name=SECOND)).to_be_hidden()
    await page.get_by_role("button", name="Unlock").click()
    await expect(page.get_by_text("This transcript is locked")).to_be_hidden()
    await expect(page.get_by_role("button", name=SECOND)).to_be_visible()


async def test_a_lock_that_comes_while_somebody_writes_costs_no_word(page: Page, site: Site, fake: FakeGateway) -> None:
    await opened(page, site, fake)
    await page.get_by_role("button", name=SECOND).click()
    await field(page).fill("a long thought")
    fake.transcripts[ID]["locked"] = True
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("alert").filter(has_text="was locked meanwhile")).to_be_visible()
    await expect(field(page)).to_have_value("a long thought")
    await page.get_by_role("button", name="Unlock").click()
    await expect(page.get_by_text("This transcript is locked")).to_be_hidden()
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("#segments li p").nth(1)).to_have_text("a long thought")


@pytest.mark.parametrize(
    ("failure", "said"),
    [((503, "UNAVAILABLE"), "Your text is still here"), ((401, "TOKEN_INVALID"), "You are not signed in")],
)
async def test_an_edit_that_is_not_taken_says_why_and_keeps_what_was_written(
    page: Page, site: Site, fake: FakeGateway, failure: tuple[int, str], said: str
) -> None:
    await opened(page, site, fake)
    fake.edits_fail_with = failure
    await page.get_by_role("button", name=SECOND).click()
    await field(page).fill("a long thought")
    await field(page).press("Enter")
    await expect(page.get_by_role("alert").filter(has_text=said)).to_be_visible()
    await expect(field(page)).to_have_value("a long thought")
    await expect(field(page)).to_be_focused()
    fake.edits_fail_with = None
    await field(page).press("Enter")
    await expect(page.locator("#segments li p").nth(1)).to_have_text("a long thought")


async def test_somebody_elses_edit_does_not_take_what_is_being_written(
    page: Page, site: Site, fake: FakeGateway
) -> None:
    await opened(page, site, fake)
    await page.get_by_role("button", name=SECOND).click()
    await field(page).fill("mine")
    theirs = {**fake.transcripts[ID]["segments"][1], "text": "theirs", "edited": True, "original_text": WORDS[1][2]}
    await fake.emit(ID, "TRANSCRIPT", **theirs)
    await expect(page.locator("#segments li p").nth(1)).to_have_text("theirs")
    await expect(field(page)).to_have_value("mine")
    await field(page).press("Escape")
    await expect(page.get_by_text("theirs", exact=True)).to_be_visible()


async def test_a_participant_reads_and_edits_nothing(page: Page, site: Site, fake: FakeGateway) -> None:
    edited = {"text": "new", "edited": True, "original_text": "old"}
    fake.transcripts[ID] = transcript(ID, "completed", audio_deleted=True, locked=True)
    fake.transcripts[ID]["segments"][0] |= edited
    await page.goto(f"{site.url}/transcripts/{ID}#token={participant_token('meeting-1', 'ana')}")
    await expect(page.locator("#segments li")).to_have_count(3)
    await page.get_by_text("Edited").click()
    await expect(page.get_by_text("old", exact=True)).to_be_visible()
    assert await page.locator("#segments button:not(.time):visible").count() == 0
    await expect(page.get_by_text("This transcript is locked")).to_be_hidden()


async def test_it_is_shown_who_speaks_wherever_that_changes(page: Page, site: Site, fake: FakeGateway) -> None:
    said = [
        {"start_ms": 0, "end_ms": 900, "text": "one", "words": [], "speaker": "<b>Ana</b>"},
        {"start_ms": 1_000, "end_ms": 1_900, "text": "two", "words": [], "speaker": "<b>Ana</b>"},
        {"start_ms": 2_000, "end_ms": 2_900, "text": "three", "words": [], "speaker": "2"},
    ]
    await opened(page, site, fake, segments=stored(said))
    lines = page.locator("#segments .said")
    await expect(lines).to_have_text(["<b>Ana</b>one", "two", "Voice 2three"])
    await expect(page.locator("#segments .speaker")).to_have_text(["<b>Ana</b>", "Voice 2"])


async def test_who_speaks_is_shown_while_it_is_heard(page: Page, site: Site, fake: FakeGateway) -> None:
    fake.transcripts[ID] = transcript(ID, "processing")
    await fake.emit(ID, "TRANSCRIPT", **segments()[0], speaker="Ana")
    await page.goto(f"{site.url}/transcripts/{ID}#token={site.owner_token}")
    await expect(page.locator("#segments .speaker")).to_have_text("Ana")
    await expect(page.locator("#segments .edit")).to_be_hidden()


async def test_an_address_leads_to_a_segment(page: Page, site: Site, fake: FakeGateway) -> None:
    many = [{"start_ms": 1_000 * n, "end_ms": 1_000 * n + 900, "text": f"line {n}", "words": []} for n in range(200)]
    fake.transcripts[ID] = transcript(ID, "completed", audio_deleted=True, segments=stored(many))
    await hold_token(page, site.url, site.owner_token)
    await page.goto(site.url)
    await page.goto(f"{site.url}/transcripts/{ID}#segment-150")
    line = page.locator("#segments li").nth(150)
    await expect(line).to_be_in_viewport()
    await expect(line).to_be_focused()
