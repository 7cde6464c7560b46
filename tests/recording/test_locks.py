"""D7: what Object Lock holds stays blocked until it lets go, and says until when."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from recording_svc.domain.recordings import Recording, State
from recording_svc.erasure import Blocked, Gone
from recording_svc.remnants import Place
from tests.eventually import eventually
from tests.recording.conftest import both_servers
from tests.recording.erasing import erase
from tests.recording.memory import MemoryRecordings
from tests.recording.neighbours import Neighbours
from tests.recording.surroundings import Clock, Cloud
from tests.recording.world import KEY, World

pytestmark = both_servers

LOCKED_UNTIL = datetime(2099, 1, 1, tzinfo=UTC)


def make_locked_bucket(cloud: Cloud) -> str:
    locked = f"{cloud.recordings}-locked"
    cloud.oracle.create_bucket(
        Bucket=locked, ObjectLockEnabledForBucket=True,
        CreateBucketConfiguration={"LocationConstraint": "eu-central-1"},
    )  # fmt: skip
    return locked


def put_locked(cloud: Cloud, bucket: str, lock: str, until: datetime = LOCKED_UNTIL) -> str:
    """Put an object under a retention of this mode, under a legal hold ("HOLD"), or both ("COMPLIANCE+HOLD")."""
    held: dict[str, Any] = {"ObjectLockLegalHoldStatus": "ON"} if lock.endswith("HOLD") else {}
    if lock != "HOLD":
        held |= {"ObjectLockMode": lock.removesuffix("+HOLD"), "ObjectLockRetainUntilDate": until}
    return str(cloud.oracle.put_object(Bucket=bucket, Key=KEY, Body=b"audio", **held)["VersionId"])


@pytest.mark.parametrize(
    ("lock", "reason", "until"),
    [
        ("COMPLIANCE", "OBJECT_LOCKED", LOCKED_UNTIL),
        ("GOVERNANCE", "OBJECT_LOCKED", LOCKED_UNTIL),
        ("HOLD", "LEGAL_HOLD", None),
        ("COMPLIANCE+HOLD", "LEGAL_HOLD", None),
    ],
)
async def test_d7_a_locked_version_is_blocked_until_its_date_and_all_else_goes(
    cloud: Cloud, clock: Clock, lock: str, reason: str, until: datetime | None
) -> None:
    locked = make_locked_bucket(cloud)
    version = put_locked(cloud, locked, lock)
    cloud.put("x.mp3", bucket=cloud.audio)
    outcome, _ = await erase(cloud, clock, Place(locked, KEY, version), Place(cloud.audio, "x.mp3"))
    assert outcome == Blocked(reason, frozenset({(locked, KEY)}), until)
    assert cloud.lying(locked) == [("version", KEY)]
    assert cloud.lying(cloud.audio) == []


async def test_d7_a_legal_hold_that_was_lifted_blocks_no_more(cloud: Cloud, clock: Clock) -> None:
    locked = make_locked_bucket(cloud)
    version = put_locked(cloud, locked, "HOLD")
    place = Place(locked, KEY, version)
    assert (await erase(cloud, clock, place))[0] == Blocked("LEGAL_HOLD", frozenset({(locked, KEY)}))
    cloud.oracle.put_object_legal_hold(Bucket=locked, Key=KEY, VersionId=version, LegalHold={"Status": "OFF"})
    assert isinstance((await erase(cloud, clock, place))[0], Gone)
    assert cloud.lying(locked) == []


async def test_d7_the_first_date_counts_and_a_version_on_hold_has_none(cloud: Cloud, clock: Clock) -> None:
    locked = make_locked_bucket(cloud)
    for until in (LOCKED_UNTIL + timedelta(days=2), LOCKED_UNTIL + timedelta(days=1)):
        put_locked(cloud, locked, "COMPLIANCE", until=until)
    put_locked(cloud, locked, "COMPLIANCE+HOLD")
    outcome, _ = await erase(cloud, clock, Place(locked, KEY))
    assert outcome == Blocked("LEGAL_HOLD", frozenset({(locked, KEY)}), LOCKED_UNTIL + timedelta(days=1))


@pytest.mark.parametrize("lock", ["COMPLIANCE", "GOVERNANCE"])
async def test_d7_a_blocked_recording_is_erased_as_soon_as_its_lock_ends(
    cloud: Cloud, neighbours: Neighbours, clock: Clock, signing_key: Ed25519PrivateKey, lock: str
) -> None:
    world = World(
        MemoryRecordings(), replace(cloud, recordings=make_locked_bucket(cloud)), neighbours, clock, signing_key
    )
    clock.now = datetime.now(UTC)
    until = clock.now.replace(microsecond=0) + timedelta(seconds=3)
    recording = await world.arrive()
    cloud.oracle.put_object_retention(
        Bucket=world.cloud.recordings, Key=KEY, VersionId=recording.version_id,
        Retention={"Mode": lock, "RetainUntilDate": until},
    )  # fmt: skip
    neighbours.refuse()
    blocked = await world.settle(recording)
    assert (blocked.state, blocked.reason, blocked.certificate) == (State.BLOCKED, "OBJECT_LOCKED", "")
    assert blocked.next_look_at == max(until + timedelta(seconds=1), clock.now + world.times.retry)
    assert blocked.blocked_until == until
    assert world.lying() == [("version", KEY)]

    async def due() -> Recording | None:
        clock.now = datetime.now(UTC)
        return await world.now(recording) if await world.sweep.settle_due() else None

    erased = await eventually(due)
    assert erased
    assert (erased.state, erased.blocked_until, world.lying()) == (State.ERASED, None, [])
    assert world.statement(erased)["grounds"]["reason"] == "SOMEBODY_REFUSED"
