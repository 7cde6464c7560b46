"""A meeting's page."""

from playwright.async_api import expect

from tests.web.fake_meeting import VERSION, Answered, FakeMeeting
from tests.web.fake_tokens import participant_token
from tests.web.question import NO, question
from tests.web.recordings import listed
from tests.web.speech import transcript
from tests.web.visit import Arrange, Visit

ID = "meeting-1"
RECORDING_STATES = (
    "discovered",
    "transcribing",
    "failed",
    "unmatched",
    "undecided",
    "kept",
    "erasing",
    "blocked",
    "erased",
)


async def loading(visit: Visit) -> None:
    """The service has not answered yet."""
    _meet(visit)
    await visit.keep_waiting(f"**/v1/meetings/{ID}", "GET")
    await visit.open(f"/meetings/{ID}", visit.site.owner_token)
    await visit.sees("Loading the meeting …")


async def empty(visit: Visit) -> None:
    """Under way, with nothing recorded yet."""
    _meet(visit)
    await visit.open(f"/meetings/{ID}", visit.site.owner_token)
    await visit.sees("No recording has arrived yet.")


async def recordings(visit: Visit) -> None:
    """Recordings in every state."""
    _meet(visit).is_active = False
    for number, state in enumerate(reversed(RECORDING_STATES)):
        at = f"2026-11-22T{10 + number}:01:00Z"
        visit.fake.recordings[state] = listed(state, state, recorded_at=at)
    await visit.open(f"/meetings/{ID}", visit.site.owner_token)
    await expect(visit.page.locator(".way")).to_have_count(len(RECORDING_STATES))


async def erased(visit: Visit) -> None:
    """One recording, erased, with all its times."""
    _meet(visit).is_active = False
    visit.fake.recordings["recording-1"] = listed("erased")
    visit.fake.transcripts["transcript-1"] = transcript("transcript-1", "completed", audio_deleted=True)
    await visit.open(f"/meetings/{ID}", visit.site.owner_token)
    await expect(visit.page.locator(".way time:visible")).to_have_count(3)


async def unproven(visit: Visit) -> None:
    """One recording whose certificate cannot be had."""
    await visit.fail("**/certificate", 503)
    await erased(visit)
    await visit.press("Download the certificate")
    await visit.sees("The service cannot be reached right now.")


async def asked(visit: Visit) -> None:
    """Somebody who was there and has not answered."""
    _meet(visit)
    await visit.open(f"/meetings/{ID}", participant_token(ID, "dana"))
    await expect(question(visit.page)).to_be_visible()


async def answered(visit: Visit) -> None:
    """Somebody who was there and has answered."""
    await asked(visit)
    await visit.press(NO)
    await visit.sees("Your receipt")


async def not_found(visit: Visit) -> None:
    """There is no such meeting."""
    await visit.open("/meetings/none", visit.site.owner_token)
    await visit.sees("There is no such meeting")


async def closed(visit: Visit) -> None:
    """Somebody without a token, where people can sign in, about to use a token all the same."""
    visit.fake.session.is_offered = True
    await visit.open(f"/meetings/{ID}")
    await visit.page.get_by_text("Use an access token instead").click()
    await visit.sees("Sign in to see this page", "Paste the access token")


def _meet(visit: Visit) -> FakeMeeting:
    meeting = FakeMeeting(ID, "weekly", f"{visit.fake.whereby_origin}/weekly", people={"ana", "ben", "cem", "dana"})
    meeting.answers["ana"] = Answered(True, 1, VERSION, "en")
    meeting.answers["ben"] = Answered(False, 2, VERSION, "en")
    visit.fake.meetings[ID] = meeting
    return meeting


STATES: dict[str, Arrange] = {
    "loading": loading,
    "empty": empty,
    "recordings": recordings,
    "erased": erased,
    "unproven": unproven,
    "asked": asked,
    "answered": answered,
    "not-found": not_found,
    "closed": closed,
}
