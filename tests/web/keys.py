"""A page worked with the keyboard alone: where the focus goes, and whether it can be seen there."""

from dataclasses import dataclass

from playwright.async_api import Locator, Page

from tests.web.layout import next_frame

_FOCUSED = """() => {
    let at = document.activeElement;
    while (at.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
    if (at === document.body) return null;
    const style = getComputedStyle(at);
    const outline = style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth);
    const box = at.getBoundingClientRect();
    const middle = [(Math.max(box.left, 0) + Math.min(box.right, innerWidth)) / 2,
                    (Math.max(box.top, 0) + Math.min(box.bottom, innerHeight)) / 2];
    let there = document.elementFromPoint(...middle);
    while (there?.shadowRoot?.elementFromPoint(...middle) && there.shadowRoot.elementFromPoint(...middle) !== there)
        there = there.shadowRoot.elementFromPoint(...middle);
    const isUncovered = !!there && (at.contains(there) || there.contains(at));
    if (!("stop" in at)) at.stop = (window.stops = (window.stops ?? 0) + 1);
    const name = `${at.localName}#${at.id} ${at.getAttribute("aria-label") ?? at.textContent.trim()}`;
    return [at.stop, name.slice(0, 80), outline, isUncovered];
}"""
_REACHABLE = """() => {
    const found = [];
    const look = (element) => {
        const takesFocus = element.matches("a[href], button, input, textarea, summary, audio, [tabindex='0'], iframe");
        if (takesFocus && !element.disabled && element.checkVisibility()) found.push(element);
        const isClosed = element.localName === "details" && !element.open;
        const children = isClosed ? element.querySelectorAll("summary") : element.children;
        for (const child of [...(element.shadowRoot?.children ?? []), ...children]) look(child);
    };
    look(document.body);
    return found.length;
}"""


@dataclass(frozen=True)
class Stop:
    """Where the focus is: which element, how thick its outline is in pixels, and whether nothing lies over it."""

    number: int
    name: str
    outline: float
    is_uncovered: bool


async def focused(page: Page) -> Stop | None:
    """None while nothing has the focus."""
    seen = await page.evaluate(_FOCUSED)
    return Stop(*seen) if seen else None


async def reachable(page: Page) -> int:
    """How many elements of the page take the focus by their nature, the call's frame as one."""
    found: int = await page.evaluate(_REACHABLE)
    return found


async def start_over(page: Page) -> None:
    """The next Tab goes to the first element of the page, wherever the focus was."""
    await page.evaluate(
        """() => {
            const top = document.createElement("span");
            top.tabIndex = -1;
            document.body.prepend(top);
            top.focus();
            top.remove();
        }"""
    )


async def walk(page: Page, at_most: int = 120) -> list[Stop]:
    """Every stop of the Tab key, from the page's beginning until all were met; within the call's frame it is Whereby's.

    The focus comes to that frame, and out of it, some time after the key: a stop may be met only the next time round.
    """
    # What follows the window's size, as that words which must be scrolled take the focus, comes with the next frame.
    await next_frame(page)
    await start_over(page)
    stops: dict[int, Stop] = {}
    there = await reachable(page)
    for _ in range(at_most):
        await page.keyboard.press("Tab")
        stop = await focused(page)
        if stop is not None:
            stops.setdefault(stop.number, stop)
        if len(stops) == there:
            return list(stops.values())
    raise AssertionError(f"{there} take the focus, but Tab leads only to {list(stops.values())}")


async def go_to(page: Page, wanted: Locator, at_most: int = 60) -> None:
    """Press Tab, from the page's beginning, until this has the focus."""
    await start_over(page)
    for _ in range(at_most):
        await page.keyboard.press("Tab")
        if await wanted.evaluate("element => element.getRootNode().activeElement === element"):
            return
    raise AssertionError(f"never reached: {wanted}")
