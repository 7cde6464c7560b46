"""Each page, with every file of ours that it loads before anything is pressed, stays under 100 kB as sent.

As sent means compressed, as the gateway sends its files.
"""

import asyncio
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Response, expect

from tests.web.conftest import listen_for_complaints
from tests.web.states import STATES
from tests.web.test_texts import LANGUAGES
from tests.web.visit import Visit

LIMIT = 100_000
# The state of each page in which it has loaded everything that it needs.
FULL = ("home-rooms", "room-asking", "meeting-recordings", "transcript-kept", "receipt-answered")


@pytest.mark.parametrize("state", FULL)
async def test_a_page_is_light(visit: Visit, state: str) -> None:
    await STATES[state](visit)
    # At the same time: each ends with half a second in which nothing more is asked for.
    in_each = await asyncio.gather(*(weigh(visit, language) for language in LANGUAGES))
    weights = list(zip(in_each, LANGUAGES, strict=True))
    print(f"{state}: {max(weights)[0] / 1000:.1f} kB in {max(weights)[1]}")  # noqa: T201  the figure is what it is for
    assert max(weights)[0] < LIMIT


async def weigh(visit: Visit, language: str) -> int:
    """Bytes of the page and its scripts, styles, texts and pictures, in one language."""
    page, loaded = await visit.page.context.new_page(), list[Response]()
    complaints = listen_for_complaints(page)
    page.on("response", lambda response: loaded.append(response))
    address = urlsplit(visit.page.url)
    await page.goto(f"{address.scheme}://{address.netloc}{address.path}?lang={language}")
    await expect(page.locator("html")).to_have_attribute("lang", language)
    await page.wait_for_load_state("networkidle")
    ours = [each for each in loaded if each.url.startswith(f"{visit.site.url}/") and "/v1/" not in each.url]
    assert any(f"texts/{language}.json" in each.url for each in ours)
    assert {each.status for each in ours} == {200}
    # What two parts of a page ask for at once, as its icon, comes out of the cache the second time.
    sent: dict[str, int] = {}
    for each in ours:
        sent[each.url] = max(sent.get(each.url, 0), (await each.request.sizes())["responseBodySize"])
    assert min(sent.values()) > 0
    assert complaints == []
    return sum(sent.values())
