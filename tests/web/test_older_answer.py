"""An answer that comes late changes nothing that was said after it: in another tab, or by the same person elsewhere."""

import asyncio
import json

import pytest
from playwright.async_api import BrowserContext, Locator, Page, Request, Route, expect

from tests.eventually import eventually
from tests.web.conftest import Site
from tests.web.fake_gateway import FakeGateway
from tests.web.fake_meeting import FakeMeeting
from tests.web.fake_tokens import participant_token, receipt_token
from tests.web.question import NO, YES, answers_sent, enter, fail_answers, question, tried_again

SAID_NO, SAID_YES = "You said no to storing the audio", "You said yes to storing the audio"
NOT_YET = "Your answer is not stored yet"


@pytest.fixture
async def entered(page: Page, site: Site, fake: FakeGateway) -> FakeMeeting:
    """One person is in a room and is asked."""
    await page.clock.install()
    await enter(page, site)
    return next(iter(fake.meetings.values()))


def answer_shown(page: Page, said: str) -> Locator:
    return page.locator("recording-consent .sentence", has_text=said)


async def press(page: Page, name: str) -> None:
    await question(page).get_by_role("button", name=name).click()


async def elsewhere(page: Page, site: Site, meeting: FakeMeeting, given: bool) -> None:
    """The same person answers with another device."""
    (person,) = meeting.people
    reply = await page.request.post(
        f"{site.url}/v1/meetings/{meeting.id}/consent",
        headers={
            "Authorization": f"Bearer {participant_token(meeting.id, person)}",
            "Idempotency-Key": f"other-{given}",
        },
        data={"consent_given": given, "notice_version": "1", "language": "en"},
    )
    assert reply.ok


def stored(meeting: FakeMeeting) -> list[bool]:
    """Every answer that was committed, in order."""
    return [answer.consent_given for answer in sorted(meeting.by_request.values(), key=lambda one: one.revision)]


async def test_c2_a_grant_that_waits_gives_way_to_a_refusal_in_another_tab(
    page: Page, context: BrowserContext, site: Site, entered: FakeMeeting
) -> None:
    other = await context.new_page()
    await other.goto(f"{site.url}/meetings/{entered.id}")
    await expect(question(other)).to_be_visible()
    away = asyncio.Event()

    async def fail(route: Route) -> None:
        if route.request.method == "POST" and not away.is_set():
            await route.fulfill(status=503, body="")
        else:
            await route.fallback()

    await page.route("**/v1/meetings/*/consent", fail)
    await press(page, YES)
    await expect(question(page).get_by_text(NOT_YET)).to_be_visible()
    await press(other, NO)
    await expect(answer_shown(other, SAID_NO)).to_be_visible()
    away.set()
    await tried_again(page, answer_shown(page, SAID_NO))
    assert stored(entered) == [False]
    assert await page.evaluate("Object.keys(localStorage).filter(key => key.startsWith('assent.answer.'))") == []


async def test_c2_a_grant_that_was_interrupted_gives_way_to_a_refusal_elsewhere(
    page: Page, context: BrowserContext, site: Site, entered: FakeMeeting
) -> None:
    await fail_answers(context, 1, None)
    await press(page, YES)
    await expect(question(page).get_by_text(NOT_YET)).to_be_visible()
    await page.goto("about:blank")
    await elsewhere(page, site, entered, False)
    sent = answers_sent(page)
    await page.goto(site.room_url)
    await expect(answer_shown(page, SAID_NO)).to_be_visible()
    assert stored(entered) == [False]
    assert sent == []
    await page.reload()
    await expect(answer_shown(page, SAID_NO)).to_be_visible()
    assert stored(entered) == [False]


async def test_c2_a_refusal_elsewhere_while_a_grant_is_sent_once_more_stands(
    page: Page, site: Site, entered: FakeMeeting
) -> None:
    posts = 0

    async def refuse_elsewhere(route: Route) -> None:
        nonlocal posts
        posts += route.request.method == "POST"
        if route.request.method == "POST" and posts == 1:
            await route.fulfill(status=503, body="")
            return
        if route.request.method == "POST" and posts == 2:  # it was looked at a moment ago what stands
            await elsewhere(page, site, entered, False)
        await route.fallback()

    await page.route("**/v1/meetings/*/consent", refuse_elsewhere)
    await press(page, YES)
    await tried_again(page, answer_shown(page, SAID_NO))
    assert (posts, stored(entered)) == (2, [False])


async def test_c3_an_answer_whose_reply_was_lost_is_not_sent_twice(
    page: Page, site: Site, entered: FakeMeeting
) -> None:
    async def lose(route: Route) -> None:
        if route.request.method == "POST":
            await route.fetch()
            await route.abort("connectionreset")
        else:
            await route.fallback()

    await page.route("**/v1/meetings/*/consent", lose)
    sent = answers_sent(page)
    await press(page, YES)
    await tried_again(page, answer_shown(page, SAID_YES))
    assert stored(entered) == [True]
    assert len(sent) == 1


async def test_c2_a_refusal_is_sent_after_ones_own_grant_whose_reply_was_lost(
    page: Page, site: Site, entered: FakeMeeting
) -> None:
    """Yes is stored, which this page never learns; no, pressed after it, fails once. The last press counts."""
    failures = iter((True, False))

    async def fail(route: Route) -> None:
        if route.request.method != "POST" or (how := next(failures, None)) is None:
            await route.fallback()
            return
        if how:
            await route.fetch()
        await route.fulfill(status=503, body="")

    await page.route("**/v1/meetings/*/consent", fail)
    await press(page, YES)
    await expect(question(page).get_by_text(NOT_YET)).to_be_visible()
    assert stored(entered) == [True]
    await press(page, NO)
    await tried_again(page, answer_shown(page, SAID_NO))
    assert stored(entered) == [True, False]


async def test_c2_where_it_is_not_known_what_is_stored_nothing_is_repeated(
    page: Page, context: BrowserContext, entered: FakeMeeting
) -> None:
    await fail_answers(context, 1)
    asked = 0

    async def fail_twice(route: Route) -> None:
        nonlocal asked
        if route.request.method == "GET":
            asked += 1
            if asked <= 2:
                await route.fulfill(status=503, body="")
                return
        await route.fallback()

    await page.route("**/v1/meetings/*/consent", fail_twice)
    sent = answers_sent(page)
    await press(page, NO)
    await tried_again(page, answer_shown(page, SAID_NO))
    assert (asked, len(sent)) == (3, 2)
    assert stored(entered) == [False]


async def test_an_answer_in_one_tab_is_shown_in_the_other(
    page: Page, context: BrowserContext, site: Site, entered: FakeMeeting
) -> None:
    other = await context.new_page()
    await other.goto(f"{site.url}/meetings/{entered.id}")
    await expect(question(other)).to_be_visible()
    await press(page, YES)
    await expect(answer_shown(other, SAID_YES)).to_be_visible()
    await expect(question(other)).to_be_hidden()
    await other.get_by_role("button", name="Change my answer").click()
    await press(other, NO)
    await expect(answer_shown(page, SAID_NO)).to_be_visible()
    assert stored(entered) == [True, False]


async def test_c2_on_a_receipts_page_too_an_older_answer_gives_way(
    page: Page, context: BrowserContext, site: Site, fake: FakeGateway, entered: FakeMeeting
) -> None:
    (person,) = entered.people
    receipt = f"{site.url}/consent/{receipt_token(entered.id, person)}"
    await fail_answers(context, 1, None)
    await page.goto(receipt)
    asked = page.get_by_role("group", name="May the audio of this meeting be stored?")
    await asked.get_by_role("button", name=YES).click()
    await expect(asked.get_by_text(NOT_YET)).to_be_visible()
    await page.goto("about:blank")
    await elsewhere(page, site, entered, False)
    await page.goto(receipt)
    await expect(page.locator("#said")).to_have_text(SAID_NO)
    await expect(page.locator("#content")).to_contain_text('"denied"')
    assert stored(entered) == [False]


async def test_a_first_press_is_one_request(page: Page, entered: FakeMeeting) -> None:
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.method) if one.url.endswith("/consent") else None)
    await press(page, YES)
    await expect(answer_shown(page, SAID_YES)).to_be_visible()
    assert asked == ["POST"]


async def test_what_is_kept_says_what_was_known_at_the_press(
    page: Page, context: BrowserContext, entered: FakeMeeting
) -> None:
    await press(page, YES)
    await page.get_by_role("button", name="Change my answer").click()
    await fail_answers(context, 100)
    await press(page, NO)
    await expect(question(page).get_by_text(NOT_YET)).to_be_visible()
    (kept,) = await page.evaluate(
        "Object.entries(localStorage).filter(([key]) => key.startsWith('assent.answer.')).map(([, value]) => value)"
    )
    assert json.loads(kept)["known"] == next(iter(entered.answers.values())).revision


async def test_what_was_known_before_a_reload_is_known_to_the_next_press(
    page: Page, site: Site, entered: FakeMeeting
) -> None:
    await press(page, NO)
    await page.get_by_role("button", name="Change my answer").click()
    away = True

    async def fail(route: Route) -> None:
        if route.request.method == "POST" and away:
            await route.fulfill(status=503, body="")
        else:
            await route.fallback()

    await page.route("**/v1/meetings/*/consent", fail)
    await press(page, YES)
    await expect(question(page).get_by_text(NOT_YET)).to_be_visible()
    await page.reload()
    await expect(question(page).get_by_text(NOT_YET)).to_be_visible()
    sent, before = answers_sent(page), await key_kept(page)
    await press(page, YES)

    async def failed() -> bool:
        return any([key_of(one) != before and await one.response() for one in sent])

    await eventually(failed)
    away = False
    await tried_again(page, answer_shown(page, SAID_YES))
    assert stored(entered) == [False, True]


def key_of(request: Request) -> str:
    return request.headers["idempotency-key"]


async def key_kept(page: Page) -> str:
    """Of the answer that waits."""
    find = "JSON.parse(localStorage[Object.keys(localStorage).find(key => key.startsWith('assent.answer.'))]).key"
    return str(await page.evaluate(find))
