"""Every page in every state that somebody may meet it in: what is done to get there, for whoever wants to look."""

import os

from tests.web.states import home, meeting, receipt, room, transcript
from tests.web.visit import Arrange

STATES: dict[str, Arrange] = {
    f"{page.__name__.rpartition('.')[2]}-{state}": arrange
    for page in (home, room, meeting, transcript, receipt)
    for state, arrange in page.STATES.items()
}
"""By page and state, as in `room-asking`."""
_MAIN = (
    "home-signed-out",
    "home-rooms",
    "home-found",
    "room-asking",
    "room-hosting-answered",
    "room-delayed",
    "meeting-recordings",
    "meeting-asked",
    "transcript-kept",
    "transcript-editing",
    "receipt-answered",
    "receipt-wrong-link",
)
SHOWN = tuple(STATES) if os.environ.get("ASSENT_EVERY_STATE") else _MAIN
"""Those that are measured: all of them, which takes minutes, with `ASSENT_EVERY_STATE=1`, else some of each kind."""
