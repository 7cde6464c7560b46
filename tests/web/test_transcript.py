"""The transcript's page: its making as it happens, its words, and what became of the audio."""

import asyncio
from pathlib import Path

from playwright.async_api import Page, expect

from tests.eventually import eventually
from tests.web.conftest import Site
from tests.web.fake_gateway import FakeGateway
from tests.web.fake_meeting import FakeMeeting
from tests.web.fake_tokens import participant_token
from tests.web.question import tried_again
from tests.web.recordings import listed
from tests.web.speech import WORDS, mp3, segments, stored, transcript

ID = "transcript-1"
PLAYABLE = """source => new Promise(tell => {
    const audio = new Audio(source);
    audio.oncanplay = () => tell(true);
    audio.onerror = () => tell(false);
})"""


async def open_transcript(page: Page, site: Site) -> None:
    await page.goto(f"{site.url}/transcripts/{ID}#token={site.owner_token}")
    await expect(page.locator("#title")).not_to_be_empty()


async def followed(fake: FakeGateway) -> None:
    """The page has its line open."""

    async def has_line() -> bool:
        return bool(fake.sockets[ID])

    await eventually(has_line)


async def test_a_transcript_is_seen_in_the_making(page: Page, site: Site, fake: FakeGateway) -> None:
    fake.transcripts[ID] = transcript(ID, "queued")
    await open_transcript(page, site)
    await expect(page.get_by_text("Waiting to be transcribed")).to_be_visible()
    await followed(fake)
    await fake.emit(ID, "STATUS", status="processing")
    await expect(page.get_by_text("Being transcribed")).to_be_visible()
    await fake.emit(ID, "DURATION", duration_ms=15300)
    await expect(page.get_by_text("Duration 0:15")).to_be_visible()
    await fake.emit(ID, "PROGRESS", percent=40, seconds_left=75)
    bar = page.get_by_role("progressbar", name="Transcribing")
    assert await bar.evaluate("bar => bar.value") == 40
    await expect(page.get_by_text("40 % · about 1:15 left")).to_be_visible()
    await fake.emit(ID, "TRANSCRIPT", **segments()[0])
    await expect(page.get_by_text(WORDS[0][2])).to_be_visible()

    fake.audio[ID] = mp3()
    fake.transcripts[ID] = transcript(ID, "completed")
    await fake.emit(ID, "STATUS", status="completed")
    await expect(page.locator("#segments li")).to_have_count(3)
    await expect(page.get_by_text("Complete", exact=True)).to_be_visible()
    await expect(bar).to_be_hidden()


async def test_what_happened_before_and_during_a_broken_line_is_shown_once(
    page: Page, site: Site, fake: FakeGateway
) -> None:
    fake.transcripts[ID] = transcript(ID, "processing")
    first, second, third = segments()
    await fake.emit(ID, "TRANSCRIPT", **first)
    await open_transcript(page, site)
    await followed(fake)
    await fake.emit(ID, "TRANSCRIPT", **second)
    await expect(page.locator("#segments li")).to_have_count(2)
    await fake.drop_connections(ID)
    fake.events[ID].append({"event": "TRANSCRIPT", "data": third})
    await expect(page.locator("#segments li")).to_have_count(3)
    assert await page.locator("#segments li p").all_inner_texts() == [text for _, _, text in WORDS]
    assert fake.listened[ID] == [0, 2]


async def test_a_new_attempt_takes_what_the_last_one_heard_off_the_page(
    page: Page, site: Site, fake: FakeGateway
) -> None:
    fake.transcripts[ID] = transcript(ID, "processing")
    first, second, _ = segments()
    await open_transcript(page, site)
    await followed(fake)
    await fake.emit(ID, "TRANSCRIPT", **first)
    await expect(page.locator("#segments li")).to_have_count(1)
    await fake.emit(ID, "STATUS", status="processing")
    await fake.emit(ID, "TRANSCRIPT", **second)
    await expect(page.locator("#segments li p")).to_have_text([WORDS[1][2]])


async def test_an_edit_is_seen_by_whoever_reads_along(page: Page, site: Site, fake: FakeGateway) -> None:
    fake.transcripts[ID] = transcript(ID, "completed", audio_deleted=True)
    await open_transcript(page, site)
    await followed(fake)
    await expect(page.locator("#segments li")).to_have_count(3)
    edited = {**segments()[1], "text": "<b>As it was meant</b>", "edited": True, "index": 1}
    await fake.emit(ID, "TRANSCRIPT", **edited)
    await expect(page.locator("#segments li p")).to_have_text([WORDS[0][2], "<b>As it was meant</b>", WORDS[2][2]])


async def test_audio_that_was_kept_plays(page: Page, site: Site, fake: FakeGateway) -> None:
    fake.transcripts[ID] = transcript(ID, "completed")
    fake.audio[ID] = mp3()
    await open_transcript(page, site)
    await expect(page.get_by_text("Nobody refused, so the audio was kept.")).to_be_visible()
    await expect(page.locator("svg.waveform path")).to_have_count(2)
    await page.get_by_role("button", name="Play from 0:04").click()
    await expect(page.locator("#segments li[aria-current]")).to_contain_text(WORDS[1][2])
    played = await page.locator("audio").evaluate("audio => [audio.currentTime, audio.duration, audio.error]")
    assert played[0] >= 4.2
    assert 15 < played[1] < 16
    assert played[2] is None


async def test_audio_erased_while_it_plays_is_let_go(page: Page, site: Site, fake: FakeGateway) -> None:
    fake.transcripts[ID] = transcript(ID, "completed")
    fake.audio[ID] = mp3()
    await open_transcript(page, site)
    await expect(page.locator("audio")).to_be_visible()
    source = await page.locator("audio").get_attribute("src")
    assert await page.evaluate(PLAYABLE, source) is True
    await page.get_by_role("button", name="Play from 0:04").click()
    await expect(page.locator("#segments li[aria-current]")).to_be_visible()
    await followed(fake)
    await fake.emit(ID, "AUDIO_DELETED")
    await expect(page.get_by_text("The audio was erased.")).to_be_visible()
    await expect(page.get_by_role("button", name="Play from 0:04")).to_be_disabled()
    assert await page.locator("audio").count() == 0
    assert await page.evaluate(PLAYABLE, source) is False


async def test_erased_audio_is_said_and_proven(page: Page, site: Site, fake: FakeGateway) -> None:
    fake.transcripts[ID] = transcript(ID, "completed", audio_deleted=True)
    fake.recordings["recording-1"] = listed("erased")
    fake.meetings["meeting-1"] = FakeMeeting("meeting-1", "weekly", "")
    await open_transcript(page, site)
    await expect(page.get_by_role("heading", name="weekly, 22 Nov 2026, 10:01")).to_be_visible()
    await expect(page.get_by_text("The audio was erased.")).to_be_visible()
    async with page.expect_download() as downloading:
        await page.get_by_role("button", name="Download the certificate").click()
    download = await downloading.value
    assert download.suggested_filename == "certificate-recording-1.jws"
    saved = await asyncio.to_thread(Path(await download.path()).read_text)
    assert saved == "header.recording-1.signature"


async def test_a_refusal_between_two_looks_is_said(page: Page, site: Site, fake: FakeGateway) -> None:
    fake.transcripts[ID] = transcript(ID, "completed")
    fake.withheld[ID] = (410, "AUDIO_DELETED")
    await open_transcript(page, site)
    await expect(page.get_by_text("The audio was erased.")).to_be_visible()


async def test_undecided_audio_is_withheld_and_looked_for_again(page: Page, site: Site, fake: FakeGateway) -> None:
    fake.transcripts[ID] = transcript(ID, "completed")
    fake.audio[ID] = mp3()
    fake.withheld[ID] = (409, "CONSENT_UNDECIDED")
    await page.clock.install()
    await open_transcript(page, site)
    await expect(page.get_by_text("The audio is withheld")).to_be_visible()
    await expect(page.get_by_text(WORDS[0][2])).to_be_visible()
    assert await page.locator("audio").count() == 0
    del fake.withheld[ID]
    await tried_again(page, page.locator("audio"))


async def test_a_failed_transcript_says_so(page: Page, site: Site, fake: FakeGateway) -> None:
    fake.transcripts[ID] = transcript(ID, "failed")
    fake.withheld[ID] = (404, "AUDIO_NOT_FOUND")
    await open_transcript(page, site)
    await expect(page.get_by_text("The recording could not be transcribed.")).to_be_visible()
    await expect(page.get_by_text("There is no audio for this transcript.")).to_be_visible()


async def test_the_text_can_be_saved(page: Page, site: Site, fake: FakeGateway) -> None:
    fake.transcripts[ID] = transcript(ID, "completed", audio_deleted=True)
    await open_transcript(page, site)
    async with page.expect_download() as downloading:
        await page.get_by_role("button", name="TXT").click()
    download = await downloading.value
    assert WORDS[2][2] in await asyncio.to_thread(Path(await download.path()).read_text)


async def test_markup_in_titles_and_words_is_text(page: Page, site: Site, fake: FakeGateway) -> None:
    markup = "<img src=x onerror=alert(1)>"
    spoken = stored([{"start_ms": 0, "end_ms": 900, "text": markup, "words": []}])
    heard = {**spoken[0], "speaker": markup, "edited": True, "original_text": markup}
    fake.transcripts[ID] = transcript(ID, "completed", title=markup, segments=[heard], audio_deleted=True)
    await open_transcript(page, site)
    await expect(page.locator(".speaker")).to_have_text(markup)
    await page.get_by_text("Edited").click()
    await expect(page.locator("#segments q")).to_have_text(markup)
    assert await page.locator("img[onerror]").count() == 0
    await expect(page.get_by_role("heading", name=markup)).to_be_visible()
    await expect(page.locator("#segments li p")).to_have_text(markup)


async def test_without_a_token_it_asks_for_one(page: Page, site: Site, fake: FakeGateway) -> None:
    fake.transcripts[ID] = transcript(ID, "completed", audio_deleted=True)
    await page.goto(f"{site.url}/transcripts/{ID}")
    await expect(page.get_by_text("open this page in the browser that you used then")).to_be_visible()
    await page.get_by_label("Access token").fill("not.a.token")
    await page.get_by_role("button", name="Continue").click()
    await expect(page.get_by_text("this token is not valid.")).to_be_visible()
    await page.get_by_label("Access token").fill(participant_token("meeting-1", "ana"))
    await page.get_by_role("button", name="Continue").click()
    await expect(page.get_by_text(WORDS[0][2])).to_be_visible()
    await expect(page.get_by_text("owner holds the certificate.")).to_be_visible()
    await expect(page.get_by_role("button", name="Download the certificate")).to_have_count(0)


async def test_a_link_with_a_token_works_in_the_page_that_is_open(page: Page, site: Site, fake: FakeGateway) -> None:
    fake.transcripts[ID] = transcript(ID, "completed", audio_deleted=True)
    await page.goto(f"{site.url}/transcripts/{ID}")
    await expect(page.get_by_label("Access token")).to_be_visible()
    await page.goto(f"{site.url}/transcripts/{ID}#token={site.owner_token}")
    await expect(page.get_by_text(WORDS[0][2])).to_be_visible()
    assert page.url == f"{site.url}/transcripts/{ID}"


async def test_who_was_in_the_meeting_needs_no_other_token(page: Page, site: Site, fake: FakeGateway) -> None:
    await page.goto(site.room_url)
    await expect(page.get_by_role("dialog")).to_be_visible()
    (meeting,) = fake.meetings.values()
    fake.transcripts[ID] = transcript(ID, "completed", audio_deleted=True, meeting_id=meeting.id)
    for name in ("before", "after"):
        await keep(page, name, participant_token(name, "ana", issued_at=5))
    heard: list[int] = []
    page.on("response", lambda each: heard.append(each.status) if each.url.endswith(f"/v1/transcripts/{ID}") else None)
    # The likeliest is tried first: of the meeting whose page led here, or else of the latest.
    await page.goto(f"{site.url}/transcripts/{ID}", referer=f"{site.url}/meetings/{meeting.id}")
    await expect(page.get_by_role("heading", name="weekly, 22 Nov 2026, 10:00")).to_be_visible()
    await keep(page, meeting.id, participant_token(meeting.id, "ana", issued_at=6))
    await page.goto(f"{site.url}/transcripts/{ID}")
    await expect(page.get_by_text(WORDS[0][2])).to_be_visible()
    assert heard == [200, 200]


async def keep(page: Page, meeting: str, token: str) -> None:
    """The browser was in this meeting."""
    await page.evaluate("([key, token]) => localStorage.setItem(key, token)", [f"assent.participant.{meeting}", token])


async def test_an_unknown_transcript_is_explained(page: Page, site: Site) -> None:
    await page.goto(f"{site.url}/transcripts/none#token={site.owner_token}")
    await expect(page.get_by_role("alert")).to_contain_text("There is no such transcript")
