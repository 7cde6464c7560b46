"""Pages in their states on small screens, zoomed, in large letters: nothing is lost, nothing covers the call."""

import pytest
from playwright.async_api import Page, expect

from tests.web.axe import violations
from tests.web.layout import enlarge_text, misfits
from tests.web.question import question
from tests.web.states import SHOWN, STATES
from tests.web.visit import Visit

# 1280 x 800 zoomed to 200 % is 640 x 400 to a page; 1280 x 1024 to 400 % is 320 x 256 (WCAG 1.4.10).
SIZES = {"a phone": (360, 740), "a small phone": (320, 568), "200 %": (640, 400), "400 %": (320, 256)}
ASKING = ("room-asking", "room-hosting", "room-storing", "room-delayed", "room-refused", "room-changing")
CONTROLS = ("#top button", "#toolbar button >> nth=0", "#leave")


@pytest.mark.parametrize("state", SHOWN)
async def test_nothing_is_lost_on_small_screens_zoomed_or_in_large_letters(visit: Visit, state: str) -> None:
    await visit.page.emulate_media(reduced_motion="reduce")
    await STATES[state](visit)
    for name, (width, height) in SIZES.items():
        await visit.page.set_viewport_size({"width": width, "height": height})
        assert (name, await misfits(visit.page)) == (name, [])
        if name == "a phone":
            assert await violations(visit.page) == []
    await enlarge_text(visit.page, 200)
    assert await visit.page.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize)") == 32
    for width, height in ((360, 740), (1280, 800)):
        await visit.page.set_viewport_size({"width": width, "height": height})
        assert (f"{width} in large letters", await misfits(visit.page)) == (f"{width} in large letters", [])


@pytest.mark.parametrize("state", [state for state in ASKING if state in SHOWN])
async def test_the_question_never_covers_the_calls_own_controls(visit: Visit, state: str) -> None:
    await visit.page.emulate_media(reduced_motion="reduce")
    await STATES[state](visit)
    for width, height in ((1280, 800), (1280, 640), (768, 1024), (360, 740), (320, 568)):
        await visit.page.set_viewport_size({"width": width, "height": height})
        assert await covered(visit.page) == []
    # So low that the call's two bars leave nothing between them: its lower one, with what ends the call, stays free.
    for width, height in ((640, 400), (740, 360), (320, 256)):
        await visit.page.set_viewport_size({"width": width, "height": height})
        assert [control for control in await covered(visit.page) if control != CONTROLS[0]] == []


async def test_it_covers_none_with_large_letters(visit: Visit) -> None:
    await enlarge_text(visit.page, 200)
    await STATES["room-asking"](visit)
    assert await covered(visit.page) == []
    await visit.page.set_viewport_size({"width": 360, "height": 740})
    assert [control for control in await covered(visit.page) if control != CONTROLS[0]] == []
    await all_can_be_reached(visit.page)


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


async def all_can_be_reached(page: Page) -> None:
    """Each button of the question can be scrolled to, within the question."""
    for button in await question(page).get_by_role("button").all():
        await button.scroll_into_view_if_needed()
        await expect(button).to_be_in_viewport(ratio=1)
        inside, whole = await button.bounding_box(), await question(page).bounding_box()
        assert inside is not None
        assert whole is not None
        assert whole["y"] <= inside["y"]
        assert inside["y"] + inside["height"] <= whole["y"] + whole["height"]


async def test_every_button_of_the_question_can_be_scrolled_to_where_there_is_no_height(visit: Visit) -> None:
    await visit.page.set_viewport_size({"width": 320, "height": 256})
    await STATES["room-asking"](visit)
    await all_can_be_reached(visit.page)


@pytest.mark.parametrize("size", SIZES)
async def test_after_the_call_the_question_hides_nothing_that_is_focused(visit: Visit, size: str) -> None:
    width, height = SIZES[size]
    await visit.page.set_viewport_size({"width": width, "height": height})
    await STATES["room-left"](visit)
    again = visit.page.get_by_role("button", name="Join again")
    await again.focus()
    await expect(again).to_be_in_viewport(ratio=1)
    over, under = await question(visit.page).bounding_box(), await again.bounding_box()
    assert over is not None
    assert under is not None
    assert under["y"] + under["height"] <= over["y"]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (".lead { white-space: nowrap }", "the page scrolls sideways"),
        (".lead { height: 1rem; overflow: hidden }", "cut off"),
        (".lead { position: fixed; bottom: -1rem }", "out of reach"),
        ("main { overflow-x: clip } .lead { width: 50rem }", "beside the page"),
    ],
)
async def test_what_does_not_fit_is_seen(visit: Visit, fault: str, said: str) -> None:
    await visit.page.set_viewport_size({"width": 360, "height": 740})
    await STATES["home-signed-out"](visit)
    assert await misfits(visit.page) == []
    await visit.page.evaluate(
        """style => {
            const sheet = new CSSStyleSheet();
            sheet.replaceSync(style);
            document.adoptedStyleSheets = [sheet];
        }""",
        fault,
    )
    assert any(found.startswith(said) for found in await misfits(visit.page))
