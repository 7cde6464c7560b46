"""The page behind a receipt's link."""

import json

from playwright.async_api import expect

from tests.web.fake_meeting import VERSION, Answered, FakeMeeting
from tests.web.fake_tokens import participant_token, receipt_token
from tests.web.question import NO, fail_answers
from tests.web.speech import transcript
from tests.web.visit import Arrange, Visit

ID = "meeting-1"


async def answered(visit: Visit) -> None:
    """In the browser that was in the meeting, whose audio is erased, with everything that can be opened opened."""
    visit.fake.transcripts["transcript-1"] = transcript("transcript-1", "completed", audio_deleted=True)
    key, token = f"assent.participant.{ID}", participant_token(ID, "ana")
    held = f"localStorage.setItem({json.dumps(key)}, {json.dumps(token)})"
    await visit.page.add_init_script(f"if (location.origin === {json.dumps(visit.site.url)}) {held}")
    await _open(visit, "ana")
    await visit.sees("You said yes to storing the audio", "has been erased")
    await expect(visit.page.locator("#proof")).to_be_visible()
    for summary in await visit.page.locator("summary").all():
        await summary.click()


async def other_language(visit: Visit) -> None:
    """Answered in another language than it is read in."""
    await _open(visit, "ana", language="de")
    await visit.sees("The exact words that you were shown")


async def unanswered(visit: Visit) -> None:
    """Nothing was answered yet."""
    await _open(visit, "ben")
    await visit.sees("You have not answered yet")


async def changed(visit: Visit) -> None:
    """The answer was changed here."""
    await _open(visit, "ana")
    await visit.press(NO)
    await visit.sees("You said no to storing the audio", "Your answer is stored.")
    await expect(visit.page.get_by_role("button", name="Download the receipt")).to_be_enabled()


async def delayed(visit: Visit) -> None:
    """The change could not be stored yet."""
    await fail_answers(visit.page.context, 100)
    await _open(visit, "ana")
    await visit.press(NO)
    await visit.sees("Your answer is not stored yet")


async def unproven(visit: Visit) -> None:
    """The receipt cannot be had."""
    await visit.fail("**/consent/receipt?*", 400)
    await _open(visit, "ana")
    await visit.sees("This did not work")


async def wrong_link(visit: Visit) -> None:
    """The link was cut."""
    await visit.open("/consent/nonsense")
    await visit.sees("This link does not work")


async def _open(visit: Visit, participant: str, language: str = "en") -> None:
    meeting = FakeMeeting(ID, "weekly", f"{visit.fake.whereby_origin}/weekly", people={"ana", "ben"})
    meeting.answers["ana"] = Answered(True, 1, VERSION, language)
    visit.fake.meetings[ID] = meeting
    await visit.open(f"/consent/{receipt_token(ID, participant)}")
    await expect(visit.page.get_by_role("button", name=NO)).to_be_visible()


STATES: dict[str, Arrange] = {
    "answered": answered,
    "other-language": other_language,
    "unanswered": unanswered,
    "changed": changed,
    "delayed": delayed,
    "unproven": unproven,
    "wrong-link": wrong_link,
}
