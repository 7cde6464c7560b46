"""What axe-core finds wrong with a page, by the rules of WCAG 2.2 AA."""

from typing import Any

from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]  # it ships no types
from playwright.async_api import Page

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
_SCRIPT: str = Axe().axe_script


async def violations(page: Page, tags: list[str] = RULES) -> list[str]:
    """Each rule that is broken, with the elements that break it, outside the call's frame, which is Whereby's."""
    # Half a megabyte, which costs as much as a run: a page that is looked at again has it.
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(_SCRIPT)
    options = {"runOnly": {"type": "tag", "values": tags}, "resultTypes": ["violations"], "iframes": False}
    found = await page.evaluate("options => axe.run(options).then(({ violations }) => violations)", options)
    return [line for broken in found for line in _told(broken)]


def _told(broken: dict[str, Any]) -> list[str]:
    return [
        f"{broken['id']}: {node['target']} {node['html'][:160]}: {node['failureSummary']}" for node in broken["nodes"]
    ]
