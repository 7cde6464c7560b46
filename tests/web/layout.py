"""What does not fit on a page: what lies outside, is cut off, cannot be scrolled to, or lies under the question."""

from playwright.async_api import CDPSession, Page

from tests.web.question import question

# 1280 x 800 zoomed to 200 % is 640 x 400 to a page; 1280 x 1024 to 400 % is 320 x 256 (WCAG 1.4.10).
SIZES = {"a phone": (360, 740), "a small phone": (320, 568), "200 %": (640, 400), "400 %": (320, 256)}
CONTROLS = ("#top button", "#toolbar button >> nth=0", "#leave")
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


async def covered(page: Page) -> list[str]:
    """The call's controls that lie under the question."""
    over = await question(page).bounding_box()
    assert over is not None
    lying = []
    for control in CONTROLS:
        under = await page.frame_locator("whereby-embed iframe").locator(control).bounding_box()
        assert under is not None
        apart = (
            under["y"] >= over["y"] + over["height"]
            or over["y"] >= under["y"] + under["height"]
            or under["x"] >= over["x"] + over["width"]
            or over["x"] >= under["x"] + under["width"]
        )
        lying += [] if apart else [control]
    return lying


async def next_frame(page: Page) -> None:
    """Wait until what follows from the last change of size was laid out and painted."""
    await page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))")
