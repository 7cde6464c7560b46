"""A browser whose storage is full, blocked or damaged: the room opens, the question is asked, the answer is stored."""

import pytest
from playwright.async_api import Page, expect

from tests.web.conftest import Site
from tests.web.fake_gateway import FakeGateway
from tests.web.question import NO, YES, enter, fail_answers, question

BLOCKED = """for (const name of ["localStorage", "sessionStorage"]) {
  const refuse = () => { throw new DOMException("Access is denied for this document.", "SecurityError"); };
  Object.defineProperty(window, name, { get: refuse });
}"""
FULL = 'Storage.prototype.setItem = () => { throw new DOMException("full", "QuotaExceededError"); };'
DAMAGED = 'Storage.prototype.getItem = () => "{";'


@pytest.mark.parametrize("trouble", [BLOCKED, FULL, DAMAGED], ids=["blocked", "full", "damaged"])
async def test_an_answer_is_stored_whatever_the_browser_keeps(
    page: Page, site: Site, fake: FakeGateway, trouble: str
) -> None:
    await page.add_init_script(trouble)
    await enter(page, site)
    await fail_answers(page.context, 1)
    await question(page).get_by_role("button", name=NO).click()
    await expect(page.get_by_text("You said no to storing the audio")).to_be_visible(timeout=15_000)
    (meeting,) = fake.meetings.values()
    assert [answer.consent_given for answer in meeting.answers.values()] == [False]


async def test_storage_that_fills_up_during_the_call_loses_no_answer(page: Page, site: Site, fake: FakeGateway) -> None:
    await enter(page, site)
    await page.evaluate(f"() => {{ {FULL} }}")
    await question(page).get_by_role("button", name=YES).click()
    await expect(page.get_by_text("You said yes to storing the audio")).to_be_visible()
    (meeting,) = fake.meetings.values()
    assert [answer.consent_given for answer in meeting.answers.values()] == [True]


@pytest.mark.parametrize("entry", ["{", "null", "7", '{"given": "yes"}', '{"given": true}'])
async def test_a_damaged_answer_is_not_taken_up_and_the_question_is_asked(
    page: Page, site: Site, fake: FakeGateway, entry: str
) -> None:
    await enter(page, site)
    (meeting,) = fake.meetings.values()
    (person,) = meeting.people
    await page.evaluate(
        "([key, entry]) => (localStorage[key] = entry)", [f"assent.answer.{meeting.id}.{person}", entry]
    )
    await page.reload()
    await expect(question(page)).to_be_visible()
    assert meeting.answers == {}


async def test_the_first_page_opens_where_storage_is_blocked(page: Page, site: Site) -> None:
    await page.add_init_script(BLOCKED)
    await page.goto(site.url)
    await expect(page.get_by_label("Access token")).to_be_visible()
