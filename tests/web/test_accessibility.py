"""What looks at the pages in their states (test_states.py) finds what is wrong with them."""

import pytest
from playwright.async_api import Page

from tests.web.axe import violations
from tests.web.states import STATES
from tests.web.visit import Visit


@pytest.mark.parametrize(
    ("state", "fault", "rule"),
    [
        ("home-signed-out", "document.querySelector('label').remove()", "label"),
        ("home-signed-out", "document.documentElement.removeAttribute('lang')", "html-has-lang"),
        ("home-signed-out", "document.querySelector('.lead').style.color = '#aab'", "color-contrast"),
        ("meeting-recordings", "document.querySelector('.way').append('loose', document.createElement('p'))", "list"),
        ("room-asking", "asked().querySelector('.question').role = 'dialogue'", "aria-roles"),
        ("room-asking", "asked().querySelector('.answer').style.color = 'gray'", "color-contrast"),
        ("room-asking", "asked().querySelector('.answer').textContent = ''", "button-name"),
        ("transcript-locked", "document.querySelector('#unlock').textContent = ' '", "button-name"),
    ],
)
async def test_a_fault_that_is_planted_is_found(visit: Visit, state: str, fault: str, rule: str) -> None:
    await visit.page.emulate_media(reduced_motion="reduce", color_scheme="light")
    await STATES[state](visit)
    await visit.page.evaluate(
        f"() => {{ const asked = () => document.querySelector('recording-consent').shadowRoot; {fault} }}"
    )
    assert {found.partition(":")[0] for found in await violations(visit.page)} >= {rule}


async def test_targets_that_are_too_small_are_found(page: Page) -> None:
    await page.set_content(
        "<html lang=en><title>x</title><main><button style='all:unset;width:9px;height:9px' aria-label=a></button>"
        "<button style='all:unset;width:9px;height:9px' aria-label=b></button></main>"
    )
    assert {found.partition(":")[0] for found in await violations(page)} == {"target-size"}
