"""The room: the call, and the question over it."""

from playwright.async_api import expect

from tests.web.question import NO, YES, fail_answers, question
from tests.web.visit import Arrange, Visit


async def opening(visit: Visit) -> None:
    """The service has not answered yet."""
    await visit.keep_waiting("**/v1/rooms/*/meeting", "POST")
    await visit.open("/weekly")
    await visit.sees("Opening the room …")


async def asking(visit: Visit) -> None:
    """Nothing was answered yet."""
    await visit.open("/weekly")
    await expect(question(visit.page)).to_be_visible()
    await visit.page.frame_locator("whereby-embed iframe").locator("#toolbar").wait_for()


async def hosting(visit: Visit) -> None:
    """As the owner, while the call is recorded over a bad line."""
    await visit.open("/weekly", visit.site.owner_token)
    await expect(question(visit.page)).to_be_visible()
    await visit.page.frame_locator("whereby-embed iframe").locator("#toolbar").wait_for()
    await visit.whereby.say(visit.page, "recording_status_change", {"status": "started"})
    await visit.whereby.say(visit.page, "connection_status_change", {"status": "unstable"})
    await expect(visit.page.locator("#connection")).not_to_be_empty()


async def postponed(visit: Visit) -> None:
    """Left unanswered."""
    await asking(visit)
    await visit.press("Later")
    await visit.sees("Answer: store the audio?")


async def storing(visit: Visit) -> None:
    """The answer is on its way."""
    await visit.keep_waiting("**/consent", "POST")
    await asking(visit)
    await visit.press(YES)
    await visit.sees("Storing your answer …")


async def delayed(visit: Visit) -> None:
    """The answer could not be stored yet."""
    await fail_answers(visit.page.context, 100)
    await asking(visit)
    await visit.press(NO)
    await visit.sees("Your answer is not stored yet")


async def refused(visit: Visit) -> None:
    """The answer was refused for good."""
    await fail_answers(visit.page.context, 1, 403)
    await asking(visit)
    await visit.press(NO)
    await visit.sees("Your answer could not be stored")


async def answered(visit: Visit) -> None:
    """The answer is stored, and there is a receipt."""
    await asking(visit)
    await visit.press(NO)
    await visit.sees("Your receipt")


async def hosting_answered(visit: Visit) -> None:
    """All that the bar above the call can hold."""
    await hosting(visit)
    await visit.press(YES)
    await visit.sees("Your receipt")


async def changing(visit: Visit) -> None:
    """Asked once more after an answer."""
    await answered(visit)
    await visit.press("Change my answer")
    await visit.sees("Your answer so far: no")


async def left(visit: Visit) -> None:
    """The call is over, and the question is still there."""
    await asking(visit)
    await visit.whereby.say(visit.page, "leave", {"removed": False})
    await visit.sees("You have left the call")


async def left_answered(visit: Visit) -> None:
    """The call is over, and the question answered."""
    await answered(visit)
    await visit.whereby.say(visit.page, "leave", {"removed": False})
    await visit.sees("You have left the call")


async def unknown(visit: Visit) -> None:
    """There is no such room."""
    await visit.open("/nobody-made-this")
    await visit.sees("There is no room")


async def unavailable(visit: Visit) -> None:
    """The services are away."""
    await visit.fail("**/v1/rooms/*/meeting", 503, "POST")
    await visit.open("/weekly")
    await visit.sees("The room cannot be opened right now")


STATES: dict[str, Arrange] = {
    "opening": opening,
    "asking": asking,
    "hosting": hosting,
    "hosting-answered": hosting_answered,
    "postponed": postponed,
    "storing": storing,
    "delayed": delayed,
    "refused": refused,
    "answered": answered,
    "changing": changing,
    "left": left,
    "left-answered": left_answered,
    "unknown": unknown,
    "unavailable": unavailable,
}
