"""D7: what stands in the way of an erasure is said at the start."""

from typing import Any

import pytest

from recording_svc.preflight import check_buckets
from tests.recording.faults import FaultyS3, denied
from tests.recording.surroundings import Cloud


async def test_d7_sound_buckets_have_no_fault_and_nothing_is_written(cloud: Cloud) -> None:
    assert await check_buckets(cloud.s3, cloud.recordings, cloud.audio, cloud.queue) == []
    assert cloud.lying(cloud.recordings) + cloud.lying(cloud.audio) == []


async def test_d7_object_lock_is_said(cloud: Cloud) -> None:
    locked = f"{cloud.recordings}-locked"
    cloud.oracle.create_bucket(
        Bucket=locked,
        ObjectLockEnabledForBucket=True,
        CreateBucketConfiguration={"LocationConstraint": "eu-central-1"},
    )
    retention: Any = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 30}}}
    cloud.oracle.put_object_lock_configuration(Bucket=locked, ObjectLockConfiguration=retention)
    faults = await check_buckets(cloud.s3, cloud.recordings, locked, cloud.queue)
    assert len(faults) == 1
    assert "Object Lock" in faults[0]
    assert "30" in faults[0]


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


async def test_a_missing_notification_is_said(cloud: Cloud) -> None:
    [fault] = await check_buckets(cloud.s3, cloud.recordings, cloud.audio, cloud.dead_letters)
    assert "s3:ObjectCreated" in fault
