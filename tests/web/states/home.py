"""The first page."""

from tests.web.fake_meeting import FakeMeeting
from tests.web.speech import WORDS, transcript
from tests.web.visit import Arrange, Visit


async def signed_out(visit: Visit) -> None:
    """Somebody who has no token."""
    await visit.open("/")
    await visit.sees("For room owners")


async def sign_in(visit: Visit) -> None:
    """Somebody who can sign in, and whose last try failed."""
    visit.fake.session.is_offered = True
    await visit.open("/?sign-in=unavailable")
    await visit.sees("The sign-in service cannot be reached.")


async def refused(visit: Visit) -> None:
    """The token is none."""
    await visit.open("/", "nonsense")
    await visit.sees("You are not signed in any more")


async def new(visit: Visit) -> None:
    """An owner who has nothing yet."""
    visit.fake.rooms.clear()
    await visit.open("/", visit.site.owner_token)
    await visit.sees("You have no rooms yet.", "Transcripts appear here")


async def rooms(visit: Visit) -> None:
    """An owner with rooms that had meetings, one that had none, and more transcripts than a page holds."""
    _fill(visit)
    await visit.open("/", visit.site.owner_token)
    await visit.sees("Under way", "There has been no meeting here yet.", "Kitchen")


async def created(visit: Visit) -> None:
    """A room was just created, and its address cannot be copied by the page."""
    await visit.page.add_init_script("delete Navigator.prototype.clipboard")
    await visit.open("/", visit.site.owner_token)
    await visit.page.get_by_label("New room").fill("monthly")
    await visit.press("Create the room")
    await visit.press("Copy the address of monthly")
    await visit.sees("Send this address", "the address is selected")


async def taken(visit: Visit) -> None:
    """A room cannot be created, and a room's meetings cannot be had."""
    await visit.fail("**/v1/rooms/weekly/meetings?*", 503)
    await visit.open("/", visit.site.owner_token)
    await visit.page.get_by_label("New room").fill("weekly")
    await visit.press("Create the room")
    await visit.sees("There is already a room with this name.", "The service cannot be reached right now.")


async def found(visit: Visit) -> None:
    """Something was looked for and found."""
    _fill(visit)
    await visit.open("/?query=plants", visit.site.owner_token)
    await visit.sees("Passages with “plants”")


async def not_found(visit: Visit) -> None:
    """Something was looked for in vain."""
    _fill(visit)
    await visit.open("/?query=submarine", visit.site.owner_token)
    await visit.sees("Nothing was found for “submarine”.")


async def unreachable(visit: Visit) -> None:
    """The services are away."""
    await visit.fail("**/v1/rooms?*", 503)
    await visit.open("/", visit.site.owner_token)
    await visit.sees("This page tries again by itself.")


async def nowhere(visit: Visit) -> None:
    """The address is no page's."""
    await visit.open("/a/b/c")
    await visit.sees("There is no such page")


def _fill(visit: Visit) -> None:
    fake = visit.fake
    fake.rooms[:] = ["weekly", "a-room-whose-name-is-as-long-as-a-name-may-be-sixty-four-letters"]
    for day in range(1, 8):
        started = f"2026-11-{day:02}T10:00:00Z"
        fake.meetings[f"w-{day}"] = FakeMeeting(f"w-{day}", "weekly", "", is_active=day == 7, started_at=started)
    fake.page_size = 3
    spoken = [{"index": 0, "start_ms": 3_661_000, "end_ms": 3_662_000, "text": WORDS[1][2], "speaker": "2"}]
    fake.transcripts["kitchen"] = transcript("kitchen", "completed", title="Kitchen", audio_deleted=True)
    fake.transcripts["garden"] = transcript("garden", "completed", segments=spoken)
    fake.transcripts["failed"] = transcript("failed", "failed")
    fake.transcripts["next"] = transcript("next", "processing")


STATES: dict[str, Arrange] = {
    "signed-out": signed_out,
    "sign-in": sign_in,
    "refused": refused,
    "new": new,
    "rooms": rooms,
    "created": created,
    "taken": taken,
    "found": found,
    "not-found": not_found,
    "unreachable": unreachable,
    "nowhere": nowhere,
}
