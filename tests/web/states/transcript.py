"""A transcript's page."""

from typing import Any

from playwright.async_api import expect

from tests.eventually import eventually
from tests.web.fake_tokens import participant_token
from tests.web.speech import WORDS, mp3, segments, stored, transcript
from tests.web.visit import Arrange, Visit

ID = "transcript-1"
EDITED = {"text": "Today we talk about the new kitchen", "edited": True, "original_text": WORDS[1][2]}


async def processing(visit: Visit) -> None:
    """In the making, with its first words."""
    await _open(visit, "processing")

    async def is_followed() -> bool:
        return bool(visit.fake.sockets[ID])

    await eventually(is_followed)
    await visit.fake.emit(ID, "DURATION", duration_ms=3_675_000)
    await visit.fake.emit(ID, "PROGRESS", percent=40, seconds_left=75)
    for segment in segments()[:2]:
        await visit.fake.emit(ID, "TRANSCRIPT", **segment)
    await visit.sees("40 %", WORDS[1][2])


async def queued(visit: Visit) -> None:
    """Not begun."""
    await _open(visit, "queued")
    await visit.sees("Waiting to be transcribed")


async def kept(visit: Visit) -> None:
    """Complete, with its audio, being played."""
    visit.fake.audio[ID] = mp3()
    await _open(visit, "completed", segments=_told())
    await expect(visit.page.locator("svg.waveform path")).to_have_count(2)
    await visit.press("Play from 0:04")
    await expect(visit.page.locator("#segments li[aria-current]")).to_have_count(1)
    await visit.page.locator("audio").evaluate("audio => audio.pause()")


async def erased(visit: Visit) -> None:
    """Complete, its audio erased, seen by its owner, with a segment that was edited."""
    await _open(visit, "completed", audio_deleted=True, title="Kitchen and plants", segments=_told())
    await visit.page.get_by_text("Edited").click()
    await visit.sees("The audio was erased.", "What was heard:")


async def participant(visit: Visit) -> None:
    """Seen by somebody who was in the meeting."""
    visit.fake.transcripts[ID] = transcript(ID, "completed", audio_deleted=True)
    await visit.open(f"/transcripts/{ID}", participant_token("meeting-1", "ana"))
    await visit.sees("owner holds the certificate.")


async def withheld(visit: Visit) -> None:
    """Complete, its audio withheld."""
    visit.fake.withheld[ID] = (409, "CONSENT_UNDECIDED")
    await _open(visit, "completed")
    await visit.sees("The audio is withheld")


async def failed(visit: Visit) -> None:
    """Nothing could be made of it."""
    visit.fake.withheld[ID] = (404, "AUDIO_NOT_FOUND")
    await _open(visit, "failed")
    await visit.sees("The recording could not be transcribed.")


async def silent(visit: Visit) -> None:
    """There is no sound in it."""
    await _open(visit, "no_audio")
    await visit.sees("The recording has no sound")


async def locked(visit: Visit) -> None:
    """Locked, and the lock does not open."""
    await visit.fail(f"**/v1/transcripts/{ID}", 503, "PATCH")
    await _open(visit, "completed", audio_deleted=True, locked=True)
    await visit.press("Unlock")
    await visit.sees("This transcript is locked", "The service cannot be reached right now.")


async def editing(visit: Visit) -> None:
    """A segment is being edited and cannot be saved."""
    visit.fake.edits_fail_with = (503, "UNAVAILABLE")
    await _open(visit, "completed", audio_deleted=True, segments=_told())
    await visit.press("Edit the text at 0:04")
    await visit.page.get_by_role("textbox", name="Text at 0:04").fill("Today we talk")
    await visit.press("Save")
    await visit.sees("Your text is still here")


async def not_found(visit: Visit) -> None:
    """There is no such transcript."""
    await visit.open("/transcripts/none", visit.site.owner_token)
    await visit.sees("There is no such transcript")


async def _open(visit: Visit, status: str, **changed: Any) -> None:
    visit.fake.transcripts[ID] = transcript(ID, status, **changed)
    await visit.open(f"/transcripts/{ID}", visit.site.owner_token)
    await expect(visit.page.locator("#title")).not_to_be_empty()


def _told() -> list[dict[str, Any]]:
    """Two people speak, and a segment was edited."""
    first, second, third = stored(segments())
    return [{**first, "speaker": "Ana María"}, {**second, **EDITED, "speaker": "2"}, third]


STATES: dict[str, Arrange] = {
    "queued": queued,
    "processing": processing,
    "kept": kept,
    "erased": erased,
    "participant": participant,
    "withheld": withheld,
    "failed": failed,
    "silent": silent,
    "locked": locked,
    "editing": editing,
    "not-found": not_found,
}
