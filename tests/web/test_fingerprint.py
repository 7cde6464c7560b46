"""A fingerprint of the browser goes with an answer, as evidence: never in its way, and never to anybody else."""

import asyncio
import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI
from playwright.async_api import BrowserContext, Page, Request, Route, expect
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import HTMLResponse

from tests.eventually import eventually
from tests.web.conftest import WHEREBY, Site, listen_for_complaints, serve
from tests.web.fake_gateway import FakeGateway
from tests.web.question import NO, YES, answers_sent, enter, fail_answers, question

LIBRARY = "**/vendor/fingerprintjs.js"
# A machine that is busy with other tests may need more than half a second.
GENEROUS = (
    "{ const real = setTimeout; window.setTimeout = (run, ms, ...more) => real(run, ms === 500 ? 2e4 : ms, ...more); }"
)
EMBEDDING = """<!doctype html><title>Their call</title>
<script type="module" src="{gateway}/static/recording-consent.js"></script>
<recording-consent base="{gateway}"></recording-consent>
<script type="module">
  const reply = await fetch("{gateway}/v1/rooms/weekly/meeting", {{ method: "POST" }});
  const {{ meeting, participant }} = await reply.json();
  const question = document.querySelector("recording-consent");
  question.setAttribute("meeting-id", meeting.id);
  question.setAttribute("token", participant.token);
</script>"""


class OpenGateway(FakeGateway):
    """A gateway that pages of other origins may use."""

    def application(self) -> FastAPI:
        app = super().application()
        app.add_middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"])
        return app


class Embedding(FakeGateway):
    """Somebody's own application, at an origin of its own, with our question in its page."""

    gateway = ""

    def application(self) -> FastAPI:
        app = FastAPI()
        app.add_route("/", lambda _: HTMLResponse(EMBEDDING.format(gateway=self.gateway)))
        return app


def bodies(sent: Iterable[Request]) -> list[dict[str, Any]]:
    return [json.loads(request.post_data or "") for request in sent]


async def give(page: Page, button: str) -> None:
    await question(page).get_by_role("button", name=button).click()
    await expect(question(page)).to_be_hidden()


def hosts_asked(page: Page) -> set[str]:
    asked: set[str] = set()
    page.on("request", lambda request: asked.add(urlsplit(request.url).netloc))
    return asked


async def test_it_is_the_same_after_a_reload_and_only_the_gateway_hears_of_it(page: Page, any_site: Site) -> None:
    sent, asked = answers_sent(page), hosts_asked(page)
    await page.add_init_script(GENEROUS)
    await enter(page, any_site)
    assert not await page.evaluate(
        "performance.getEntriesByName(location.origin + '/static/vendor/fingerprintjs.js').length"
    )
    await give(page, YES)
    await page.reload()
    await page.get_by_role("button", name="Change my answer").click()
    await give(page, NO)
    first, second = (body["fingerprint"] for body in bodies(sent))
    assert first == second
    assert len(first) == 32
    assert {host for host in asked if not host.endswith("whereby.com")} <= {urlsplit(any_site.url).netloc, ""}


async def test_it_is_taken_where_the_question_is_part_of_somebody_elses_page(context: BrowserContext) -> None:
    gateway, embedding = OpenGateway(WHEREBY), Embedding(WHEREBY)
    gateway.rooms.append("weekly")
    async with serve(gateway) as gateway_url, serve(embedding) as url:
        embedding.gateway = gateway_url
        page = await context.new_page()
        complaints, sent, asked = listen_for_complaints(page), answers_sent(page), hosts_asked(page)
        await page.add_init_script(GENEROUS)
        await page.goto(url)
        await give(page, NO)
        await page.close()
    assert [len(body["fingerprint"]) for body in bodies(sent)] == [32]
    assert asked <= {urlsplit(url).netloc, urlsplit(gateway_url).netloc, ""}
    assert complaints == []


async def test_an_answer_goes_without_it_when_it_cannot_be_loaded(
    page: Page, context: BrowserContext, any_site: Site
) -> None:
    await context.route(LIBRARY, lambda route: route.abort())
    sent = answers_sent(page)
    await enter(page, any_site)
    await give(page, NO)
    assert ["fingerprint" in body for body in bodies(sent)] == [False]


async def test_an_answer_waits_half_a_second_for_it_and_no_longer(
    page: Page, context: BrowserContext, any_site: Site
) -> None:
    never = asyncio.Event()
    await _hold(context, never)
    sent = answers_sent(page)
    await enter(page, any_site)
    pressed = asyncio.get_running_loop().time()
    await give(page, NO)
    assert asyncio.get_running_loop().time() - pressed < 3
    assert ["fingerprint" in body for body in bodies(sent)] == [False]
    never.set()


async def test_whoever_answers_and_leaves_at_once_has_answered(
    page: Page, context: BrowserContext, site: Site, fake: FakeGateway
) -> None:
    never = asyncio.Event()
    await _hold(context, never)
    await enter(page, site)
    await page.evaluate(
        """name => {
            const dialog = document.querySelector("recording-consent").shadowRoot;
            [...dialog.querySelectorAll("button")].find((button) => button.textContent.includes(name)).click();
            location.assign("about:blank");
        }""",
        NO,
    )
    await eventually(lambda: _given(fake, [False]))
    never.set()


async def test_the_last_of_two_quick_answers_is_the_one_that_is_sent(
    page: Page, context: BrowserContext, site: Site, fake: FakeGateway
) -> None:
    never = asyncio.Event()
    await _hold(context, never)
    sent = answers_sent(page)
    await enter(page, site)
    await page.evaluate(
        """names => {
            const dialog = document.querySelector("recording-consent").shadowRoot;
            const press = (name) => [...dialog.querySelectorAll("button")]
              .find((button) => button.textContent.includes(name)).click();
            press(names[0]);
            setTimeout(press, 200, names[1]);
        }""",
        [YES, NO],
    )
    await expect(page.get_by_text("You said no to storing the audio")).to_be_visible()
    assert [body["consent_given"] for body in bodies(sent)] == [False]
    assert await page.evaluate("Object.keys(localStorage).filter(key => key.startsWith('assent.answer.'))") == []
    never.set()


async def test_a_no_that_still_waits_is_not_forgotten_when_the_yes_before_it_is_stored(
    page: Page, context: BrowserContext, any_site: Site
) -> None:
    never, on_their_way = asyncio.Event(), [asyncio.Event(), asyncio.Event()]
    await _hold(context, never)
    sent = answers_sent(page)

    async def held_up(route: Route) -> None:
        if route.request.method == "POST":
            await on_their_way[len(sent) - 1].wait()
        await route.continue_()

    await context.route("**/v1/meetings/*/consent", held_up)
    await enter(page, any_site)
    await question(page).get_by_role("button", name=YES).click()
    await eventually(lambda: _count(sent, 1))
    async with page.expect_request_finished(lambda request: request in sent):
        await question(page).get_by_role("button", name=NO).click()
        on_their_way[0].set()
    await eventually(lambda: _count(sent, 2))
    await expect(question(page)).to_be_visible()
    kept = "JSON.parse(localStorage[Object.keys(localStorage).find(key => key.startsWith('assent.answer.'))] ?? null)"
    assert (await page.evaluate(kept))["given"] is False
    on_their_way[1].set()
    await expect(page.get_by_text("You said no to storing the audio")).to_be_visible()
    never.set()


async def test_a_repeated_delivery_says_the_same_and_what_it_knew_of(
    page: Page, context: BrowserContext, any_site: Site
) -> None:
    await fail_answers(context, 2, None)
    await page.add_init_script(GENEROUS)
    sent = answers_sent(page)
    await enter(page, any_site)
    await question(page).get_by_role("button", name=NO).click()
    await expect(question(page).get_by_text("Your answer is not stored yet")).to_be_visible()
    await context.route(LIBRARY, lambda route: route.abort())  # after a reload it could not be taken again
    await page.reload()
    await expect(page.get_by_text("You said no to storing the audio")).to_be_visible(timeout=10_000)
    said = bodies(sent)
    assert [body.pop("known_revision", None) for body in said] == [None, 0, 0]
    assert said == [said[0]] * 3
    assert "fingerprint" in said[0]


@pytest.mark.parametrize("said", ["globalPrivacyControl: true", "doNotTrack: '1'"])
async def test_none_is_taken_of_somebody_who_does_not_want_to_be_followed(
    page: Page, any_site: Site, said: str
) -> None:
    name, _, value = said.partition(": ")
    await page.add_init_script(f"Object.defineProperty(Navigator.prototype, '{name}', {{ get: () => {value} }})")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    sent = answers_sent(page)
    await enter(page, any_site)
    await give(page, YES)
    assert ["fingerprint" in body for body in bodies(sent)] == [False]
    assert not any("fingerprintjs" in url for url in asked)


async def test_an_attribute_leaves_it_out(page: Page, any_site: Site) -> None:
    sent = answers_sent(page)
    await enter(page, any_site)
    await page.locator("recording-consent").evaluate("element => element.setAttribute('no-fingerprint', '')")
    await give(page, YES)
    assert ["fingerprint" in body for body in bodies(sent)] == [False]


async def _hold(context: BrowserContext, until: asyncio.Event) -> None:
    """The library's file is asked for and does not come."""

    async def hold(route: Route) -> None:
        await until.wait()
        await route.abort()

    await context.route(LIBRARY, hold)


async def _count(sent: list[Request], wanted: int) -> bool:
    return len(sent) == wanted


async def _given(fake: FakeGateway, answers: list[bool]) -> bool:
    meetings = fake.meetings.values()
    return [answer.consent_given for meeting in meetings for answer in meeting.answers.values()] == answers
