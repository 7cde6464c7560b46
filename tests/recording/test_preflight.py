"""D7: what stands in the way of an erasure is said at the start."""

from typing import Any

import pytest

from recording_svc.preflight import check_buckets
from tests.recording.conftest import both_servers
from tests.recording.faults import FaultyS3, denied
from tests.recording.surroundings import Cloud


async def test_d7_sound_buckets_have_no_fault_and_nothing_is_written(cloud: Cloud) -> None:
    assert await check_buckets(cloud.s3, cloud.recordings, cloud.audio, cloud.queue) == []
    assert cloud.lying(cloud.recordings) + cloud.lying(cloud.audio) == []


@both_servers
@pytest.mark.parametrize("default", [True, False])
async def test_d7_object_lock_is_said(cloud: Cloud, default: bool) -> None:
    locked = f"{cloud.recordings}-locked"
    cloud.oracle.create_bucket(
        Bucket=locked,
        ObjectLockEnabledForBucket=True,
        CreateBucketConfiguration={"LocationConstraint": "eu-central-1"},
    )
    if default:
        retention = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 30}}
        cloud.oracle.put_object_lock_configuration(
            Bucket=locked, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": retention}
        )
    [fault] = about(locked, await check_buckets(cloud.s3, cloud.recordings, locked, cloud.queue))
    assert "Object Lock" in fault
    assert ("30" in fault, "wherever an object asks for it" in fault) == (default, not default)


@both_servers
@pytest.mark.parametrize("which", ["recordings", "audio"])
async def test_d7_suspended_versioning_is_said(cloud: Cloud, which: str) -> None:
    bucket = getattr(cloud, which)
    cloud.oracle.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    faults = await check_buckets(cloud.s3, cloud.recordings, cloud.audio, cloud.queue)
    [fault] = [one for one in about(bucket, faults) if "queue" not in one]
    assert "enable versioning" in fault


@pytest.mark.parametrize("whole_call", [True, False])
async def test_d7_a_missing_right_to_delete_versions_is_said(cloud: Cloud, whole_call: bool) -> None:
    s3: Any = FaultyS3(cloud.s3)

    def refuse(**_: Any) -> dict[str, Any]:
        if whole_call:
            raise denied("DeleteObjects")
        return {"Errors": [{"Key": "k", "VersionId": "null", "Code": "AccessDenied", "Message": ""}]}

    s3.before["delete_objects"] = refuse
    faults = await check_buckets(s3, cloud.recordings, cloud.audio, cloud.queue)
    assert len(faults) == 2
    assert all("s3:DeleteObjectVersion" in fault for fault in faults)


async def test_d7_a_bucket_that_cannot_be_listed_is_said(cloud: Cloud) -> None:
    faults = await check_buckets(cloud.s3, "no-such-bucket-here", cloud.audio, cloud.queue)
    assert "NoSuchBucket" in faults[0]


async def test_a_notification_to_another_queue_is_said(cloud: Cloud) -> None:
    [fault] = await check_buckets(cloud.s3, cloud.recordings, cloud.audio, cloud.dead_letters)
    assert "s3:ObjectCreated" in fault
    assert f"it tells {cloud.queue.rsplit('/', 1)[-1]}" in fault


@pytest.mark.parametrize("events", [[], ["s3:ObjectRemoved:*"]])
async def test_a_bucket_that_tells_nothing_of_new_objects_is_said(cloud: Cloud, events: list[str]) -> None:
    there = cloud.oracle.get_bucket_notification_configuration(Bucket=cloud.recordings)["QueueConfigurations"]
    queues = [{"QueueArn": there[0]["QueueArn"], "Events": events}] if events else []
    cloud.oracle.put_bucket_notification_configuration(
        Bucket=cloud.recordings, NotificationConfiguration={"QueueConfigurations": queues}
    )
    [fault] = await check_buckets(cloud.s3, cloud.recordings, cloud.audio, cloud.queue)
    assert "does not tell queue" in fault
    assert "it tells" not in fault


def about(bucket: str, faults: list[str]) -> list[str]:
    """Those of this bucket."""
    return [one for one in faults if one.startswith((f"{bucket} ", f"{bucket}:"))]
