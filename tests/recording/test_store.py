"""The store: the same cases on the fake and on Postgres."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from assent.recording.v1.recording_events_pb2 import AudioDeleted, RecordingDiscovered
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from chassis.database import Database
from recording_svc.domain.recordings import (
    Arrival,
    CopyKind,
    CopyState,
    Grounds,
    Match,
    Recording,
    Revision,
    Stage,
    StaleError,
    State,
    Transcription,
)
from recording_svc.remnants import Remnant, RemnantKind
from recording_svc.store import Page, PlaceTakenError, RecordingGoneError, Recordings
from recording_svc.store.postgres import PostgresRecordings
from tests.recording.conftest import published
from tests.recording.surroundings import NOON

GROUNDS = Grounds("SOMEBODY_REFUSED", NOON, (Revision("m", 3),), (Revision("m", 4),), NOON + timedelta(hours=1))


async def taken_in(recordings: Recordings, key: str = "a.mp4", version: str = "v1") -> Recording:
    [recording] = await recordings.take_in([Arrival("bucket", key, version, 5)], NOON)
    return recording


async def known(recordings: Recordings, recording_id: str) -> Recording:
    recording = await recordings.get(recording_id)
    assert recording is not None
    return recording


async def test_r1_one_version_is_one_recording_however_often_it_comes(recordings: Recordings) -> None:
    arrival = Arrival("bucket", "a.mp4", "v1", 5)
    first = await recordings.take_in([arrival, arrival], NOON)
    assert [await recordings.take_in([arrival], NOON) for _ in range(4)] == [[]] * 4
    assert len(first) == 1
    assert await published(recordings) == [RecordingDiscovered(recording_id=first[0].recording_id)]
    [copy] = await recordings.copies(first[0].recording_id)
    assert (copy.kind, copy.bucket, copy.key, copy.state) == (
        CopyKind.ORIGINAL, "bucket", "a.mp4", CopyState.PRESENT,
    )  # fmt: skip


async def test_r1_two_replicas_taking_in_the_same_make_one(recordings: Recordings) -> None:
    arrivals = [Arrival("bucket", f"{number}.mp4", "v1", 5) for number in range(20)]
    orders = [arrivals, arrivals[::-1], arrivals[7:] + arrivals[:7], arrivals]
    made = await asyncio.gather(*(recordings.take_in(order, NOON) for order in orders))
    assert sorted(one.object_key for new in made for one in new) == sorted(one.key for one in arrivals)
    assert len(await published(recordings)) == 20


async def test_r1_another_version_of_the_key_is_another_recording(recordings: Recordings) -> None:
    one, two = await taken_in(recordings), await taken_in(recordings, version="v2")
    found = await recordings.of_versions("bucket", {"a.mp4", "b.mp4"})
    assert {each.recording_id for each in found} == {one.recording_id, two.recording_id}


async def test_everything_that_is_saved_comes_back(recordings: Recordings) -> None:
    recording = await taken_in(recordings)
    changed = replace(
        recording, state=State.ERASED, reason="SOMEBODY_REFUSED",
        match=Match(("m", "n"), "owner", NOON, 7), transcription=Transcription(Stage.COMMITTED, "t", 35_000, NOON),
        grounds=GROUNDS, erase_requested_at=NOON, erased_at=NOON, certificate="a.b.c", looks=3, next_look_at=NOON,
    )  # fmt: skip
    saved = await recordings.save(changed)
    assert saved == replace(changed, revision=recording.revision + 1)
    assert await recordings.get(recording.recording_id) == saved
    assert await recordings.get("nobody") is None


async def test_an_old_view_does_not_overwrite_a_newer_one(recordings: Recordings) -> None:
    recording = await taken_in(recordings)
    await recordings.save(replace(recording, reason="NEWER"))
    with pytest.raises(StaleError):
        await recordings.save(replace(recording, reason="OLDER"), AudioDeleted())
    assert (await known(recordings, recording.recording_id)).reason == "NEWER"
    assert AudioDeleted() not in await published(recordings)


async def test_lists_come_newest_first_page_by_page(recordings: Recordings) -> None:
    ids = []
    for number in range(5):
        [one] = await recordings.take_in([Arrival("bucket", f"{number}.mp4", "v", 5)], NOON + timedelta(seconds=number))
        await recordings.save(replace(one, match=Match(("m",), "owner" if number else "other")))
        ids.append(one.recording_id)
    first = await recordings.page(Page(meeting_id="m", size=3))
    last = first[-1]
    rest = await recordings.page(Page(meeting_id="m", size=3, after=(last.discovered_at, last.recording_id)))
    assert [one.recording_id for one in first + rest] == ids[::-1]
    assert len(await recordings.page(Page(owner_id="owner"))) == 4
    assert await recordings.page(Page(meeting_id="unknown")) == []


async def test_a_meetings_recordings_and_the_unmatched_ones(recordings: Recordings) -> None:
    matched, unmatched = await taken_in(recordings), await taken_in(recordings, "b.mp4")
    await recordings.save(replace(matched, match=Match(("m", "n"))))
    assert await recordings.ids_of_meetings("n") == [matched.recording_id]
    assert set(await recordings.ids_of_meetings("n", or_unmatched=True)) == {
        matched.recording_id, unmatched.recording_id,
    }  # fmt: skip


async def test_only_one_may_hold_a_recording(recordings: Recordings) -> None:
    async with recordings.exclusively("r") as first, recordings.exclusively("r") as second:
        assert (first, second) == (True, False)
        async with recordings.exclusively("other") as other:
            assert other
    async with recordings.exclusively("r") as again:
        assert again


async def test_a_hold_ends_with_an_error(recordings: Recordings) -> None:
    with pytest.raises(RuntimeError):
        async with recordings.exclusively("r"):
            raise RuntimeError
    async with recordings.exclusively("r") as again:
        assert again


async def test_what_is_due_is_claimed_once(recordings: Recordings) -> None:
    arrivals = [Arrival("bucket", f"{number}.mp4", "v", 5) for number in range(30)]
    await recordings.take_in(arrivals, NOON)
    later = NOON + timedelta(minutes=1)
    assert await recordings.claim_due(NOON - timedelta(seconds=1), later, 100) == []
    claimed = await asyncio.gather(*(recordings.claim_due(NOON, later, 10) for _ in range(3)))
    assert len({one for some in claimed for one in some}) == sum(len(some) for some in claimed) == 30
    assert await recordings.claim_due(NOON, later, 100) == []
    assert len(await recordings.claim_due(later, later + timedelta(minutes=1), 100)) == 30


async def test_looking_now_makes_due_and_never_postpones(recordings: Recordings) -> None:
    recording = await taken_in(recordings)
    await recordings.save(replace(recording, next_look_at=None))
    await recordings.look_now([recording.recording_id], NOON)
    await recordings.look_now([recording.recording_id], NOON + timedelta(hours=1))
    assert await recordings.claim_due(NOON, NOON, 10) == [recording.recording_id]


async def test_the_same_place_again_is_the_same_copy(recordings: Recordings) -> None:
    recording = await taken_in(recordings)
    place = (recording.recording_id, CopyKind.SCRATCH, "instance-0", "r/audio.wav")
    first = await recordings.register(*place, NOON)
    assert await recordings.release_scratch("instance-0", "", NOON) == [recording.recording_id]
    assert await recordings.release_scratch("instance-0", "", NOON) == []
    again = await recordings.register(*place, NOON)
    assert (again.copy_id, again.state, again.gone_at) == (first.copy_id, CopyState.PRESENT, None)


async def test_a_place_holds_one_recordings_mp3(recordings: Recordings) -> None:
    one, two = await taken_in(recordings), await taken_in(recordings, "b.mp4")
    await recordings.register(one.recording_id, CopyKind.MP3, "audio", "x.mp3", NOON)
    with pytest.raises(PlaceTakenError):
        await recordings.register(two.recording_id, CopyKind.MP3, "audio", "x.mp3", NOON)
    holders = await recordings.holders("audio", {"x.mp3", "y.mp3"})
    assert {key: one.recording_id for key, one in holders.items()} == {"x.mp3": one.recording_id}


async def test_scratch_is_released_by_instance_and_recording(recordings: Recordings) -> None:
    one, two = await taken_in(recordings), await taken_in(recordings, "b.mp4")
    for recording in (one, two):
        for instance in ("instance-0", "instance-1"):
            await recordings.register(recording.recording_id, CopyKind.SCRATCH, instance, "audio.wav", NOON)
    assert await recordings.release_scratch("instance-0", one.recording_id, NOON) == [one.recording_id]
    assert await recordings.release_scratch("instance-0", "", NOON) == [two.recording_id]
    left = [copy for copy in await recordings.copies(one.recording_id, two.recording_id) if copy.gone_at is None]
    assert {copy.bucket for copy in left if copy.kind is CopyKind.SCRATCH} == {"instance-1"}


@pytest.mark.parametrize("state", [State.ERASING, State.BLOCKED, State.ERASED])
async def test_d3_no_copy_is_registered_once_erasure_began(recordings: Recordings, state: State) -> None:
    recording = await taken_in(recordings)
    await recordings.save(replace(recording, state=state, grounds=GROUNDS, certificate="c"))
    with pytest.raises(RecordingGoneError):
        await recordings.register(recording.recording_id, CopyKind.MP3, "audio", "x.mp3", NOON)


async def test_what_was_found_is_remembered_once_and_there_is_no_way_back(recordings: Recordings) -> None:
    taken = await taken_in(recordings)
    recording = await recordings.save(replace(taken, state=State.ERASING, grounds=GROUNDS))
    version = Remnant(RemnantKind.VERSION, "bucket", "a.mp4", "v1", 5, NOON)
    upload = Remnant(RemnantKind.UPLOAD, "bucket", "a.mp4", "u", 0, NOON)
    noted = await recordings.note_found(recording, [version], NOON)
    assert (noted.removal_began, noted.revision) == (True, recording.revision + 1)
    await recordings.note_found(noted, [version, upload], NOON)
    assert {one.version_id for one in await recordings.removed(recording.recording_id)} == {"v1", "u"}
    # A view from before must not undo it.
    with pytest.raises(StaleError):
        await recordings.save(replace(recording, reason="LATER"))
    assert (await known(recordings, recording.recording_id)).removal_began
    kinds = [copy.kind for copy in await recordings.copies(recording.recording_id)]
    assert sorted(kinds) == [CopyKind.MULTIPART, CopyKind.ORIGINAL]


async def test_d4_nothing_is_removed_on_a_view_from_before(recordings: Recordings) -> None:
    recording = await taken_in(recordings)
    going = await recordings.save(replace(recording, state=State.ERASING, grounds=GROUNDS))
    kept = await recordings.save(replace(going, state=State.KEPT, grounds=None))
    version = Remnant(RemnantKind.VERSION, "bucket", "a.mp4", "v1", 5, NOON)
    for view in (recording, going, kept):
        with pytest.raises(StaleError):
            await recordings.note_found(view, [version], NOON)
    assert not (await known(recordings, recording.recording_id)).removal_began
    assert await recordings.removed(recording.recording_id) == []


async def test_d1_what_is_kept_is_looked_at_after_what_waits(recordings: Recordings) -> None:
    states = {"a.mp4": State.KEPT, "b.mp4": State.UNDECIDED, "c.mp4": State.KEPT, "d.mp4": State.DISCOVERED}
    ids = {}
    for number, (key, state) in enumerate(states.items()):
        taken = await taken_in(recordings, key)
        at = NOON + timedelta(seconds=number)
        ids[key] = (await recordings.save(replace(taken, state=state, next_look_at=at))).recording_id
    later = NOON + timedelta(hours=1)
    assert set(await recordings.claim_due(later, later + timedelta(hours=1), 2)) == {ids["b.mp4"], ids["d.mp4"]}
    assert set(await recordings.claim_due(later, later + timedelta(hours=1), 9)) == {ids["a.mp4"], ids["c.mp4"]}


async def test_copies_change_with_the_recording(recordings: Recordings) -> None:
    recording = await taken_in(recordings)
    await recordings.register(recording.recording_id, CopyKind.SCRATCH, "instance-0", "a", NOON)
    erased = replace(recording, state=State.ERASED, grounds=GROUNDS, certificate="c", erased_at=NOON)
    await recordings.save(erased, copies={CopyKind.ORIGINAL: CopyState.GONE})
    copies = {copy.kind: copy for copy in await recordings.copies(recording.recording_id)}
    assert (copies[CopyKind.ORIGINAL].state, copies[CopyKind.ORIGINAL].gone_at) == (CopyState.GONE, NOON)
    assert copies[CopyKind.SCRATCH].state is CopyState.PRESENT


async def test_d3_an_erased_recording_whose_object_arrives_again_becomes_due(recordings: Recordings) -> None:
    recording = await taken_in(recordings, version="null")
    await recordings.save(replace(recording, state=State.ERASED, grounds=GROUNDS, certificate="c", next_look_at=None))
    assert await recordings.take_in([Arrival("bucket", "a.mp4", "null", 9)], NOON) == []
    assert await recordings.claim_due(NOON, NOON, 10) == [recording.recording_id]


async def test_originals_that_should_be_there(recordings: Recordings) -> None:
    here, lost = await taken_in(recordings), await taken_in(recordings, "b.mp4")
    later = NOON + timedelta(seconds=1)
    assert set(await recordings.with_original("bucket", later)) == {here.recording_id, lost.recording_id}
    assert await recordings.with_original("bucket", NOON) == {}
    assert await recordings.with_original("another", later) == {}
    await recordings.lose_original(lost.recording_id, later)
    assert await recordings.with_original("bucket", later) == {here.recording_id: ("a.mp4", "v1")}


async def test_an_original_that_was_lost_may_be_found_again(recordings: Recordings) -> None:
    here, lost = await taken_in(recordings), await taken_in(recordings, "b.mp4")
    going, later = await taken_in(recordings, "c.mp4"), NOON + timedelta(seconds=1)
    for one in (lost, going):
        await recordings.lose_original(one.recording_id, later)
    await recordings.save(replace(going, state=State.ERASING, grounds=GROUNDS))
    every = [one.recording_id for one in (here, lost, going)]
    assert await recordings.find_originals(every) == [lost.recording_id]
    assert await recordings.find_originals(every) == []
    states = {copy.recording_id: (copy.state, copy.gone_at) for copy in await recordings.copies(*every)}
    present = (CopyState.PRESENT, None)
    assert states == dict(zip(every, (present, present, (CopyState.GONE, later)), strict=True))


async def test_r5_the_database_refuses_an_erasure_without_grounds(postgres_recordings: PostgresRecordings) -> None:
    recording = await taken_in(postgres_recordings)
    with pytest.raises(DBAPIError, match="going_has_grounds"):
        await postgres_recordings.save(replace(recording, state=State.ERASING))
    with pytest.raises(DBAPIError, match="erased_has_proof"):
        await postgres_recordings.save(replace(recording, state=State.ERASED, grounds=GROUNDS))


async def test_the_services_role_deletes_no_row(postgres_recordings: PostgresRecordings, database_url: str) -> None:
    await taken_in(postgres_recordings)
    async with Database(database_url) as database:
        for table in ("recordings", "copies", "removed_objects"):
            with pytest.raises(DBAPIError, match="permission denied"):
                async with database.begin() as connection:
                    await connection.execute(text(f"DELETE FROM {table}"))
        with pytest.raises(DBAPIError, match="permission denied"):
            async with database.begin() as connection:
                await connection.execute(text("UPDATE removed_objects SET size_bytes = 0"))


async def test_a_registration_and_the_start_of_an_erasure_never_miss_each_other(
    postgres_recordings: PostgresRecordings,
) -> None:
    """Either the erasure sees the copy in the inventory, or the registration is refused."""
    for number in range(20):
        recording = await taken_in(postgres_recordings, f"{number}.mp4")
        going = replace(recording, state=State.ERASING, grounds=GROUNDS)

        async def erase(going: Recording = going) -> set[CopyKind]:
            await postgres_recordings.save(going)
            return {copy.kind for copy in await postgres_recordings.copies(going.recording_id)}

        place = (recording.recording_id, CopyKind.MP3, "audio", f"{number}.mp3", NOON)
        seen, registered = await asyncio.gather(erase(), postgres_recordings.register(*place), return_exceptions=True)
        assert isinstance(seen, set)
        assert isinstance(registered, RecordingGoneError) or CopyKind.MP3 in seen
