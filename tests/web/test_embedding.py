"""The question as another front end embeds it: one element that goes from one meeting to the next."""

from playwright.async_api import BrowserContext, Page, expect

from tests.web.conftest import Site
from tests.web.fake_gateway import FakeGateway
from tests.web.fake_meeting import FakeMeeting
from tests.web.fake_tokens import participant_token
from tests.web.question import NO, YES, question

ASK = """([meeting, token]) => {
    const question = document.querySelector("recording-consent");
    question.setAttribute("meeting-id", meeting);
    question.setAttribute("token", token);
}"""


async def embedded(page: Page, site: Site, fake: FakeGateway) -> None:
    """A page of ours with nothing but the element."""
    for name in ("first", "second"):
        fake.meetings[name] = FakeMeeting(name, "weekly", "", people={"ana"})
    await page.goto(f"{site.url}/docs")
    await page.evaluate(
        """async () => {
            document.body.replaceChildren(document.createElement("recording-consent"));
            await import("/static/recording-consent.js");
        }"""
    )


async def ask(page: Page, meeting: str) -> None:
    await page.evaluate(ASK, [meeting, participant_token(meeting, "ana")])


async def test_the_next_meeting_is_asked_about_by_itself(page: Page, site: Site, fake: FakeGateway) -> None:
    await embedded(page, site, fake)
    await ask(page, "first")
    await question(page).get_by_role("button", name=YES).click()
    await expect(page.get_by_text("You said yes to storing the audio")).to_be_visible()
    await ask(page, "second")
    await expect(question(page)).to_be_visible()
    await expect(page.get_by_text("You said yes to storing the audio")).to_have_count(0)
    await question(page).get_by_role("button", name=NO).click()
    await expect(page.get_by_text("You said no to storing the audio")).to_be_visible()
    assert fake.meetings["first"].answers["ana"].consent_given is True
    assert fake.meetings["second"].answers["ana"].consent_given is False
    await ask(page, "first")
    await expect(page.get_by_text("You said yes to storing the audio")).to_be_visible()


async def test_an_answer_under_way_still_goes_to_the_meeting_it_was_given_in(
    page: Page, context: BrowserContext, site: Site, fake: FakeGateway
) -> None:
    await embedded(page, site, fake)
    await ask(page, "first")
    await expect(question(page)).to_be_visible()
    await context.route("**/first/consent", lambda route: route.fulfill(status=503))
    await question(page).get_by_role("button", name=NO).click()
    await expect(page.get_by_text("is not stored yet")).to_be_visible()
    await ask(page, "second")
    await expect(page.get_by_text("is not stored yet")).to_have_count(0)
    await expect(question(page)).to_be_visible()
    async with page.expect_response(lambda reply: reply.request.method == "POST" and reply.ok):
        await context.unroute("**/first/consent")
    assert fake.meetings["first"].answers["ana"].consent_given is False
    assert fake.meetings["second"].answers == {}
    await expect(question(page)).to_be_visible()
