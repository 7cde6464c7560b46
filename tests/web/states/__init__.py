"""Every page in every state that somebody may meet it in: what is done to get there, for whoever wants to look."""

from tests.web.states import home, meeting, receipt, room, transcript
from tests.web.visit import Arrange

STATES: dict[str, Arrange] = {
    f"{page.__name__.rpartition('.')[2]}-{state}": arrange
    for page in (home, room, meeting, transcript, receipt)
    for state, arrange in page.STATES.items()
}
"""By page and state, as in `room-asking`."""
