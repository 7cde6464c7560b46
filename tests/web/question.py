"""What tests do with the question about the audio, and how they look at its answer."""

import json
from typing import Any

from playwright.async_api import BrowserContext, Locator, Page, Request, Route, expect

from tests.eventually import eventually
from tests.web.conftest import Site

YES, NO = "Yes, store the audio", "No, erase the audio"


def question(page: Page) -> Locator:
    return page.get_by_role("dialog", name="May the audio of this meeting be stored?")


async def enter(page: Page, site: Site) -> None:
    await page.goto(site.room_url)
    await expect(question(page)).to_be_visible()


async def tried_again(page: Page, seen: Locator) -> None:
    """This comes to be seen, without the pauses that the page makes between its attempts: they are skipped.

    The page's clock must have been ours since before it was opened (`page.clock.install`).
    """
    under_way: set[Request] = set()
    page.on("request", lambda request: under_way.add(request))
    for end in ("requestfinished", "requestfailed"):
        page.on(end, lambda request: under_way.discard(request))

    async def is_seen() -> bool:
        # A request is given up after ten seconds of that clock.
        if not under_way:
            await page.clock.fast_forward(2_000)
        return await seen.is_visible()

    await eventually(is_seen)


async def stored_answer(page: Page) -> tuple[str, bool | None]:
    """Who this browser is and what the gateway has stored for them, asked as the page would."""
    seen: dict[str, Any] = await page.evaluate(
        """async () => {
            const key = Object.keys(localStorage).find((each) => each.startsWith("assent.participant."));
            const token = localStorage.getItem(key);
            const path = `/v1/meetings/${key.slice("assent.participant.".length)}/consent`;
            const reply = await fetch(path, { headers: { Authorization: `Bearer ${token}` } });
            return { participant: JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"))).sub,
                     ...(await reply.json()) };
        }"""
    )
    return seen["participant"], (seen["answer"] or {}).get("consent_given")


def answers_sent(page: Page) -> list[Request]:
    """Every attempt to send an answer, as it is made."""
    sent: list[Request] = []
    page.on("request", lambda each: sent.append(each) if each.method == "POST" and "/consent" in each.url else None)
    return sent


async def fail_answers(
    context: BrowserContext, how_often: int, status: int | None = 503, reason: str = "UNAVAILABLE"
) -> None:
    """Answers fail before they reach the gateway: with a status and reason, or (None) as on a dead line."""
    left = how_often

    async def fail(route: Route) -> None:
        nonlocal left
        if route.request.method != "POST" or left == 0:
            await route.continue_()
            return
        left -= 1
        if status is None:
            await route.abort("internetdisconnected")
        else:
            body = json.dumps({"title": "Refused", "status": status, "reason": reason, "detail": "for programmers"})
            await route.fulfill(status=status, body=body, content_type="application/problem+json")

    await context.route("**/v1/meetings/*/consent", fail)
