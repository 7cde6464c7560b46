"""What does not fit on a page: what lies outside of it, is cut off, or cannot be scrolled to."""

from playwright.async_api import CDPSession, Page

_MISFITS = """() => {
    const found = [];
    const page = document.scrollingElement;
    const width = document.documentElement.clientWidth;
    if (page.scrollWidth > width) found.push(`the page scrolls sideways: ${page.scrollWidth} > ${width}`);
    const name = (element) => {
        const words = element.textContent.trim().slice(0, 40);
        return `${element.localName}#${element.id}.${element.getAttribute("class")} "${words}"`;
    };
    const hides = (overflow) => overflow === "hidden" || overflow === "clip";
    const look = (element, isFixed, isScrolled) => {
        const style = getComputedStyle(element);
        if (style.display === "none" || style.visibility === "hidden") return;
        const box = element.getBoundingClientRect();
        // There for those who listen, one pixel large.
        if (style.position === "absolute" && box.width <= 1) return;
        isFixed ||= style.position === "fixed";
        if (box.right > width + 1 || box.left < -1) found.push(`beside the page: ${name(element)}`);
        const bottom = isFixed ? innerHeight : Math.max(page.scrollHeight, innerHeight) - page.scrollTop;
        const top = isFixed ? 0 : -page.scrollTop;
        const isOutside = box.bottom > bottom + 1 || box.top < top - 1;
        if (isOutside && !isScrolled) found.push(`out of reach: ${name(element)}`);
        const isCut = (hides(style.overflowX) && element.scrollWidth > element.clientWidth + 1)
            || (hides(style.overflowY) && element.scrollHeight > element.clientHeight + 1);
        // An ellipsis says that there is more, which the tooltip then says.
        const isSaid = style.textOverflow === "ellipsis" && element.title === element.textContent;
        if (isCut && !isSaid && element.localName !== "iframe") found.push(`cut off: ${name(element)}`);
        isScrolled ||= ["auto", "scroll"].includes(style.overflowY);
        if (element.localName === "svg" || element.localName === "iframe") return;
        const isClosed = element.localName === "details" && !element.open;
        const children = isClosed ? [element.querySelector("summary")] : element.children;
        for (const child of [...(element.shadowRoot?.children ?? []), ...children]) look(child, isFixed, isScrolled);
    };
    look(document.body, false, false);
    return found;
}"""


async def misfits(page: Page) -> list[str]:
    """Each element that does not fit, and whether the page scrolls sideways."""
    found: list[str] = await page.evaluate(_MISFITS)
    return found


async def enlarge_text(page: Page, percent: int) -> CDPSession:
    """Letters of another size than 16 pixels by default, as somebody sets it in their browser; nothing else grows."""
    session = await page.context.new_cdp_session(page)
    size = 16 * percent // 100
    await session.send("Page.setFontSizes", {"fontSizes": {"standard": size, "fixed": 13 * percent // 100}})
    return session
