"""D7: what stands in the way of an erasure is said at the start."""

from dataclasses import replace
from typing import Any

import pytest
import structlog

from recording_svc.preflight import check_buckets
from tests.recording.conftest import both_servers
from tests.recording.faults import FaultyS3, denied
from tests.recording.surroundings import Cloud


async def test_d7_sound_buckets_have_no_fault_and_nothing_is_written(cloud: Cloud) -> None:
    assert await checked(cloud) == []
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
    found = about(locked, await checked(replace(cloud, audio=locked)))
    [fault] = [one for one in found if "lifecycle" not in one]
    assert "Object Lock" in fault
    assert ("30" in fault, "wherever an object asks for it" in fault) == (default, not default)


@both_servers
@pytest.mark.parametrize("which", ["recordings", "audio"])
async def test_suspended_versioning_is_said(cloud: Cloud, which: str) -> None:
    bucket = getattr(cloud, which)
    cloud.oracle.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    with structlog.testing.capture_logs() as logs:
        said = about(bucket, await checked(cloud))
    [warning] = [one for one in said if "queue" not in one]
    assert "suspended" in warning
    assert "enable versioning" in warning
    assert [one["warning"] for one in logs if one["event"] == "preflight_warning"] == [warning]


@both_servers
async def test_versioning_that_was_never_enabled_is_said_in_the_same_words(cloud: Cloud) -> None:
    never = f"{cloud.audio}-never"
    cloud.oracle.create_bucket(Bucket=never, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    cloud.oracle.put_bucket_versioning(Bucket=cloud.audio, VersioningConfiguration={"Status": "Suspended"})
    [suspended] = [one for one in await checked(cloud) if "versioning" in one]
    [warning] = [one for one in await checked(replace(cloud, audio=never)) if "versioning" in one]
    assert warning == suspended.replace(cloud.audio, never).replace("suspended", "never enabled")


@pytest.mark.parametrize("whole_call", [True, False])
async def test_d7_a_missing_right_to_delete_versions_is_said(cloud: Cloud, whole_call: bool) -> None:
    s3: Any = FaultyS3(cloud.s3)

    def refuse(**_: Any) -> dict[str, Any]:
        if whole_call:
            raise denied("DeleteObjects")
        return {"Errors": [{"Key": "k", "VersionId": "null", "Code": "AccessDenied", "Message": ""}]}

    s3.before["delete_objects"] = refuse
    faults = await checked(replace(cloud, s3=s3))
    assert len(faults) == 2
    assert all("s3:DeleteObjectVersion" in fault for fault in faults)


async def test_d7_a_bucket_that_cannot_be_listed_is_said(cloud: Cloud) -> None:
    s3: Any = FaultyS3(cloud.s3)

    def refuse(**_: Any) -> dict[str, Any]:
        raise denied("ListMultipartUploads")

    s3.before["list_multipart_uploads"] = refuse
    faults = await checked(replace(cloud, s3=s3))
    assert [one for one in faults if "grant s3:ListBucketVersions and s3:ListBucketMultipartUploads" in one] == faults
    assert len(faults) == 2


@pytest.mark.parametrize("which", ["recordings", "audio"])
async def test_d7_a_bucket_that_is_not_there_is_said_and_no_right_is_blamed(cloud: Cloud, which: str) -> None:
    faults = about("no-such-bucket-here", await checked(replace(cloud, **{which: "no-such-bucket-here"})))  # type: ignore[arg-type]  # both are text
    assert len(faults) == 1
    assert "there is no such bucket" in faults[0]
    assert "grant" not in faults[0]


async def test_d7_one_bucket_for_both_is_said(cloud: Cloud) -> None:
    [fault] = await checked(replace(cloud, audio=cloud.recordings))
    assert "ASSENT_RECORDINGS_BUCKET and ASSENT_AUDIO_BUCKET both name" in fault


@pytest.mark.parametrize("end", ["", "/"])
async def test_r2_one_queue_for_both_is_said(cloud: Cloud, end: str) -> None:
    [fault] = await checked(replace(cloud, dead_letters=cloud.queue + end))
    assert "ASSENT_RECORDINGS_QUEUE_URL and ASSENT_RECORDINGS_DLQ_URL both name" in fault


ABORT = {"ID": "abort", "Status": "Enabled", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}}
EXPIRE = {"ID": "expire", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 9}}


@pytest.mark.parametrize(
    ("rules", "is_sound"),
    [
        ([], False),
        ([EXPIRE], False),
        ([{**ABORT, "Filter": {"Prefix": ""}, "Status": "Disabled"}], False),
        ([{**ABORT, "Filter": {"Prefix": "folder/"}}], False),
        ([{**ABORT, "Prefix": "folder/"}], False),
        ([{**ABORT, "Filter": {"Prefix": ""}}], True),
        ([{**ABORT, "Prefix": ""}], True),
        ([EXPIRE, {**ABORT, "Filter": {"Prefix": ""}}], True),
    ],
)
async def test_d1_a_bucket_that_keeps_unfinished_uploads_is_said(
    cloud: Cloud, rules: list[dict[str, Any]], is_sound: bool
) -> None:
    cloud.oracle.delete_bucket_lifecycle(Bucket=cloud.audio)
    if rules:
        cloud.oracle.put_bucket_lifecycle_configuration(Bucket=cloud.audio, LifecycleConfiguration={"Rules": rules})
    faults = await checked(cloud)
    assert faults == about(cloud.audio, faults)
    assert [("lifecycle rule" in one, "unfinished uploads" in one) for one in faults] == [(True, True)] * (not is_sound)


async def test_lifecycle_rules_that_may_not_be_read_are_no_fault(cloud: Cloud) -> None:
    class Unreadable:
        def __getattr__(self, name: str) -> Any:
            return getattr(cloud.s3, name)

        async def get_bucket_lifecycle_configuration(self, **_: Any) -> Any:
            raise denied("GetBucketLifecycleConfiguration")

    s3: Any = Unreadable()
    with structlog.testing.capture_logs() as logs:
        assert await checked(replace(cloud, s3=s3)) == []
    assert [one["bucket"] for one in logs if one["event"] == "lifecycle_unreadable"] == [cloud.recordings, cloud.audio]


async def test_a_notification_to_another_queue_is_said(cloud: Cloud) -> None:
    [fault] = await checked(replace(cloud, queue=cloud.dead_letters, dead_letters=cloud.queue))
    assert "s3:ObjectCreated" in fault
    assert f"it tells {cloud.queue.rsplit('/', 1)[-1]}" in fault


@pytest.mark.parametrize("events", [[], ["s3:ObjectRemoved:*"]])
async def test_a_bucket_that_tells_nothing_of_new_objects_is_said(cloud: Cloud, events: list[str]) -> None:
    there = cloud.oracle.get_bucket_notification_configuration(Bucket=cloud.recordings)["QueueConfigurations"]
    queues = [{"QueueArn": there[0]["QueueArn"], "Events": events}] if events else []
    cloud.oracle.put_bucket_notification_configuration(
        Bucket=cloud.recordings, NotificationConfiguration={"QueueConfigurations": queues}
    )
    [fault] = await checked(cloud)
    assert "does not tell queue" in fault
    assert "it tells" not in fault


async def checked(cloud: Cloud) -> list[str]:
    """What is said about this cloud."""
    return await check_buckets(cloud.s3, cloud.recordings, cloud.audio, cloud.queue, cloud.dead_letters)


def about(bucket: str, faults: list[str]) -> list[str]:
    """Those of this bucket."""
    return [one for one in faults if one.startswith((f"{bucket} ", f"{bucket}:"))]
