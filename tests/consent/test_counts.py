"""Who counts as present, and who is counted apart because they cannot answer."""

from typing import TYPE_CHECKING

from assent.consent.v1 import consent_pb2
from assent.consent.v1 import consent_service_pb2 as consent

from consent_svc.domain.presence import PresenceEvent
from consent_svc.domain.standings import Counts
from tests.consent.calls import create, open_meeting
from tests.consent.cases import ANA, BEN, NINE, TEN, joined, left, meeting, room
from tests.consent.conftest import Store

if TYPE_CHECKING:  # only the stubs' types know them
    from assent.consent.v1.consent_service_pb2_grpc import ConsentServiceAsyncStub
    from assent.meeting.v1.meeting_service_pb2_grpc import MeetingServiceAsyncStub


async def record(store: Store, *events: PresenceEvent) -> None:
    for event in events:
        await store.presence.record(event)


async def test_recorder_streamer_and_captioner_are_not_people(store: Store) -> None:
    await store.rooms.add(room())
    await store.meetings.open(meeting(), NINE)
    for n, role in enumerate(("recorder", "streamer", "captioner")):
        await record(store, joined(NINE, f"c-{n}", f"machine-{n}", n + 1, role=role))
    assert (await store.standings.counts("m-1")).present == 0
    await record(store, joined(NINE, "c-9", ANA, 4, role="host"))
    assert (await store.standings.counts("m-1")).present == 1


async def test_who_is_known_only_by_leaving_was_present(store: Store) -> None:
    await store.rooms.add(room())
    await store.meetings.open(meeting(), NINE)
    await record(store, left(TEN, "c-1", ANA, 0))
    assert (await store.standings.counts("m-1")).present == 1


async def test_people_by_telephone_and_past_our_page_are_counted_apart(store: Store) -> None:
    await store.rooms.add(room())
    await store.meetings.open(meeting(), NINE)
    await record(
        store,
        joined(NINE, "c-1", ANA, 1),
        joined(NINE, "c-2", "", 2, dial_in=True),
        # What a telephone claims to be is nobody whom we could ask.
        joined(NINE, "c-3", BEN, 3, dial_in=True),
        left(TEN, "c-3", BEN, 2, dial_in=True),
        joined(NINE, "c-4", "José Müller", 4),
        joined(NINE, "c-5", "", 5, role="recorder"),
    )
    assert await store.standings.counts("m-1") == Counts(present=1, granted=0, denied=0, dial_in=2, unidentified=1)
    [standing] = await store.standings.standings(["m-1"])
    assert (len(standing.people), standing.strangers) == (1, 3)


async def test_a_telephone_that_rings_again_is_another_stay(store: Store) -> None:
    await store.rooms.add(room())
    await store.meetings.open(meeting(), NINE)
    for client in ("c-1", "c-2"):
        await record(store, joined(NINE, client, "", 1, dial_in=True), left(TEN, client, "", 0, dial_in=True))
    counts = await store.standings.counts("m-1")
    assert (counts.present, counts.unanswered, counts.dial_in) == (0, 0, 2)


async def test_counts_are_told_over_grpc(
    rooms: "MeetingServiceAsyncStub", answers: "ConsentServiceAsyncStub", store: Store
) -> None:
    await create(rooms)
    await open_meeting(rooms)
    await record(store, joined(NINE, "c-2", "", 1, dial_in=True), joined(NINE, "c-3", "", 2))
    found = (await answers.GetConsent(consent.GetConsentRequest(meeting_id="m-1"))).counts
    assert found == consent_pb2.Counts(present=1, unanswered=1, dial_in=1, unidentified=1)
