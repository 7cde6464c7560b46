"""What `docs/api.md` shows works as it is written, but for the address and the room."""

import asyncio
import json
import os
import re
import shutil
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import Browser, expect

from tests.system.conftest import Elsewhere
from tests.system.world import World
from tests.web.question import NO, question

PAGE = (Path(__file__).parents[2] / "docs/api.md").read_text()
WRITTEN, ROOM = "https://assent.example.org", "weekly"


def shown(language: str) -> str:
    """The page's pieces in that language, one after the other."""
    return "".join(re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL))


def for_here(piece: str, world: World, room: str) -> str:
    return piece.replace(WRITTEN, world.env["ASSENT_GATEWAY_URL"]).replace(f"/{ROOM}/", f"/{room}/")


@pytest.mark.skipif(shutil.which("curl") is None, reason="it shows curl, which is not installed here")
async def test_the_commands_store_a_refusal(world: World) -> None:
    environ = {**os.environ, "ASSENT_GATEWAY_URL": world.env["ASSENT_GATEWAY_URL"], "ROOM": await world.make_room()}
    shell = await asyncio.create_subprocess_exec(
        *("sh", "-euc", shown("sh")), env=environ, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await shell.communicate()
    assert shell.returncode == 0
    stored, _, after = said.decode().partition("}")
    assert json.loads(stored + "}")["consent_given"] is False
    assert json.loads(after)["counts"]["denied"] == 1


async def test_a_page_of_another_origin_stores_a_refusal_with_fetch_and_with_our_question(
    world: World, browser: Browser, elsewhere: Elsewhere
) -> None:
    room, said = await world.make_room(), list[str]()
    elsewhere.page = for_here(shown("html"), world, room) + "<iframe></iframe>"
    page = await browser.new_page(locale="en-GB")
    page.on("console", lambda message: said.append(message.text))
    await page.goto(elsewhere.origin)
    script = for_here(shown("js"), world, room)
    stored, who = await page.evaluate(f"async () => {{ {script}; return [stored, participant.id]; }}")
    assert stored["consent_given"] is False
    framed = urlsplit(await page.locator("iframe").get_attribute("src") or "")
    assert parse_qs(framed.query)["externalId"] == [who]
    await question(page).get_by_role("button", name=NO).click()
    await expect(question(page)).to_be_hidden()
    assert [line for line in said if "revision" in line] == [f"revision {stored['revision'] + 1}"]
    assert not [line for line in said if "blocked" in line]
    await page.close()
