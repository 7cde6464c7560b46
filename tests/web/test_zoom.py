"""The question on small screens and in large letters; what does not fit is seen by what looks at every page."""

import pytest
from playwright.async_api import Page, expect

from tests.web.layout import CONTROLS, SIZES, covered, enlarge_text, misfits
from tests.web.question import question
from tests.web.states import STATES
from tests.web.visit import Visit


async def test_it_covers_none_with_large_letters(visit: Visit) -> None:
    await enlarge_text(visit.page, 200)
    await STATES["room-asking"](visit)
    assert await covered(visit.page) == []
    await visit.page.set_viewport_size({"width": 360, "height": 740})
    assert [control for control in await covered(visit.page) if control != CONTROLS[0]] == []
    await all_can_be_reached(visit.page)


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
