"""Erasure in real buckets. What is left is read from the buckets, never from our tables."""

from collections.abc import Sequence
from typing import Any

import pytest
from botocore.exceptions import ClientError

from recording_svc.buckets import AudioBuckets
from recording_svc.erasure import Blocked, Erasure, Gone, Pending
from recording_svc.remnants import Place, Remnant, RemnantKind
from tests.recording.conftest import both_servers
from tests.recording.erasing import erase
from tests.recording.faults import FaultyS3, denied, unreachable
from tests.recording.surroundings import Clock, Cloud
from tests.recording.world import KEY

pytestmark = both_servers


@pytest.mark.parametrize("size", [0, 1, 300_000])
async def test_d5_a_single_version_is_gone(cloud: Cloud, clock: Clock, size: int) -> None:
    version = cloud.put(KEY, b"x" * size)
    outcome, notes = await erase(cloud, clock, Place(cloud.recordings, KEY, version))
    assert isinstance(outcome, Gone)
    assert [(one.version_id, one.size_bytes) for one in notes.found] == [(version, size)]
    assert cloud.lying(cloud.recordings) == []


async def test_d5_every_version_below_delete_markers_is_gone(cloud: Cloud, clock: Clock) -> None:
    for _ in range(3):
        cloud.put(KEY, bucket=cloud.audio)
        cloud.oracle.delete_object(Bucket=cloud.audio, Key=KEY)
    assert len(cloud.lying(cloud.audio)) == 6
    outcome, notes = await erase(cloud, clock, Place(cloud.audio, KEY))
    assert isinstance(outcome, Gone)
    assert cloud.lying(cloud.audio) == []
    assert sorted({one.kind for one in notes.found}) == [RemnantKind.DELETE_MARKER, RemnantKind.VERSION]


async def test_d5_a_deleted_object_is_not_gone(cloud: Cloud, clock: Clock) -> None:
    """What a plain DELETE leaves behind."""
    version = cloud.put(KEY)
    cloud.oracle.delete_object(Bucket=cloud.recordings, Key=KEY)
    assert cloud.oracle.get_object(Bucket=cloud.recordings, Key=KEY, VersionId=version)["Body"].read() == b"audio"
    assert isinstance((await erase(cloud, clock, Place(cloud.recordings, KEY, version)))[0], Gone)
    with pytest.raises(ClientError, match=r"NoSuchVersion|NoSuchKey|404"):
        cloud.oracle.get_object(Bucket=cloud.recordings, Key=KEY, VersionId=version)
    assert cloud.lying(cloud.recordings) == []


async def test_r5_another_recordings_version_of_the_key_stays(cloud: Cloud, clock: Clock) -> None:
    first, second = cloud.put(KEY, b"first"), cloud.put(KEY, b"second")
    cloud.oracle.delete_object(Bucket=cloud.recordings, Key=KEY)
    outcome, _ = await erase(cloud, clock, Place(cloud.recordings, KEY, first))
    assert isinstance(outcome, Gone)
    assert outcome.sights[0].other_versions == (second,)
    # The marker stays with it: removing it would put the other version back into view.
    assert cloud.lying(cloud.recordings) == [("marker", KEY), ("version", KEY)]
    assert isinstance((await erase(cloud, clock, Place(cloud.recordings, KEY, second)))[0], Gone)
    assert cloud.lying(cloud.recordings) == []


@pytest.mark.parametrize("whole_key", [True, False])
async def test_r5_keys_that_begin_alike_are_not_touched(cloud: Cloud, clock: Clock, whole_key: bool) -> None:
    version = cloud.put(KEY)
    others = [KEY + ".bak", KEY[:-1], KEY + "/x", "a" + KEY]
    for other in others:
        cloud.put(other)
        cloud.oracle.create_multipart_upload(Bucket=cloud.recordings, Key=other)
    assert isinstance(
        (await erase(cloud, clock, Place(cloud.recordings, KEY, None if whole_key else version)))[0], Gone
    )
    expected = sorted([("version", one) for one in others] + [("upload", one) for one in others])
    assert cloud.lying(cloud.recordings) == expected


async def test_d5_unfinished_uploads_are_aborted(cloud: Cloud, clock: Clock) -> None:
    version = cloud.put(KEY)
    for _ in range(2):
        begun = cloud.oracle.create_multipart_upload(Bucket=cloud.recordings, Key=KEY)
        cloud.oracle.upload_part(
            Bucket=cloud.recordings, Key=KEY, UploadId=begun["UploadId"], PartNumber=1, Body=b"audio"
        )
    outcome, notes = await erase(cloud, clock, Place(cloud.recordings, KEY, version))
    assert isinstance(outcome, Gone)
    assert [one.kind for one in notes.found].count(RemnantKind.UPLOAD) == 2
    assert cloud.lying(cloud.recordings) == []


@pytest.mark.parametrize("status", ["", "Suspended"])
async def test_d5_a_bucket_without_versions(cloud: Cloud, clock: Clock, status: str) -> None:
    plain = f"{cloud.recordings}-plain"
    cloud.oracle.create_bucket(Bucket=plain, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    if status:
        cloud.oracle.put_bucket_versioning(Bucket=plain, VersioningConfiguration={"Status": "Enabled"})
        cloud.oracle.put_bucket_versioning(Bucket=plain, VersioningConfiguration={"Status": status})
    cloud.put(KEY, bucket=plain)
    [there] = await AudioBuckets(cloud.s3).versions_of(plain, KEY)
    assert there.version_id == "null"
    assert isinstance((await erase(cloud, clock, Place(plain, KEY, "null")))[0], Gone)
    assert cloud.lying(plain) == []


async def test_d5_more_versions_than_one_page_and_one_batch(
    cloud: Cloud, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recording_svc.buckets._BATCH", 7)
    for number in range(30):
        cloud.put(KEY, b"%d" % number, bucket=cloud.audio)
    s3 = FaultyS3(cloud.s3)
    outcome, notes = await erase(cloud, clock, Place(cloud.audio, KEY), s3=s3)
    assert isinstance(outcome, Gone)
    assert (len(notes.found), s3.calls.count("delete_objects")) == (30, 5)
    assert cloud.lying(cloud.audio) == []


async def test_d5_erasing_what_is_gone_is_gone(cloud: Cloud, clock: Clock) -> None:
    outcome, notes = await erase(cloud, clock, Place(cloud.recordings, KEY, "v1"))
    assert isinstance(outcome, Gone)
    assert notes.found == []


async def test_d5_a_204_that_removed_nothing_is_no_proof(cloud: Cloud, clock: Clock) -> None:
    version = cloud.put(KEY)
    s3 = FaultyS3(cloud.s3)
    s3.before["delete_objects"] = lambda **_: {"Deleted": [{"Key": KEY, "VersionId": version}]}
    outcome, _ = await erase(cloud, clock, Place(cloud.recordings, KEY, version), s3=s3)
    assert outcome == Pending("DELETION_INCOMPLETE")
    assert cloud.lying(cloud.recordings) == [("version", KEY)]


async def test_d5_keys_that_failed_alone_are_tried_again(cloud: Cloud, clock: Clock) -> None:
    versions = [cloud.put(KEY, bucket=cloud.audio) for _ in range(4)]
    s3, failures = FaultyS3(cloud.s3), iter([versions[1], versions[2]])

    def fail_one(**arguments: Any) -> dict[str, Any] | None:
        spared = next(failures, None)
        if spared is None:
            return None
        asked = arguments["Delete"]["Objects"]
        gone = [one for one in asked if one["VersionId"] != spared]
        if gone:
            cloud.oracle.delete_objects(Bucket=arguments["Bucket"], Delete={"Objects": gone})
        return {"Errors": [{"Key": KEY, "VersionId": spared, "Code": "InternalError", "Message": "again"}]}

    s3.before["delete_objects"] = fail_one
    outcome, _ = await erase(cloud, clock, Place(cloud.audio, KEY), s3=s3)
    assert isinstance(outcome, Gone)
    assert cloud.lying(cloud.audio) == []


async def test_d5_a_version_that_appears_meanwhile_is_found(cloud: Cloud, clock: Clock) -> None:
    cloud.put(KEY, bucket=cloud.audio)
    s3, late = FaultyS3(cloud.s3), iter([b"one", b"two"])

    async def write_once_more(_: dict[str, Any]) -> None:
        if body := next(late, None):
            cloud.put(KEY, body, bucket=cloud.audio)

    s3.after["delete_objects"] = write_once_more
    outcome, notes = await erase(cloud, clock, Place(cloud.audio, KEY), s3=s3)
    assert isinstance(outcome, Gone)
    assert len(notes.found) == 3
    assert cloud.lying(cloud.audio) == []


async def test_d5_what_is_removed_was_noted_before(cloud: Cloud, clock: Clock) -> None:
    version = cloud.put(KEY)

    async def crash(_: Sequence[Remnant]) -> None:
        raise ConnectionResetError("killed between the intent and the act")

    with pytest.raises(ConnectionResetError):
        await Erasure(AudioBuckets(cloud.s3), clock).erase([Place(cloud.recordings, KEY, version)], crash)
    assert cloud.lying(cloud.recordings) == [("version", KEY)]


async def test_d7_a_missing_right_is_blocked(cloud: Cloud, clock: Clock) -> None:
    version = cloud.put(KEY)
    s3 = FaultyS3(cloud.s3)

    def refuse(**_: Any) -> None:
        raise denied("DeleteObjects")

    s3.before["delete_objects"] = refuse
    outcome, _ = await erase(cloud, clock, Place(cloud.recordings, KEY, version), s3=s3)
    assert outcome == Blocked("DELETION_DENIED", frozenset({(cloud.recordings, KEY)}))


@pytest.mark.parametrize("operation", ["list_object_versions", "list_multipart_uploads"])
async def test_d7_what_cannot_be_listed_cannot_be_proven(cloud: Cloud, clock: Clock, operation: str) -> None:
    version = cloud.put(KEY)
    s3 = FaultyS3(cloud.s3)

    def refuse(**_: Any) -> None:
        raise denied(operation)

    s3.before[operation] = refuse
    outcome, _ = await erase(cloud, clock, Place(cloud.recordings, KEY, version), s3=s3)
    assert outcome == Blocked("S3_ACCESS_DENIED", frozenset({(cloud.recordings, KEY)}))


@pytest.mark.parametrize("error", [unreachable(), denied("ListObjectVersions", "InternalError"), TimeoutError()])
async def test_an_s3_that_is_away_is_tried_again(cloud: Cloud, clock: Clock, error: Exception) -> None:
    version = cloud.put(KEY)
    s3 = FaultyS3(cloud.s3)

    def fail(**_: Any) -> None:
        raise error

    s3.before["list_object_versions"] = fail
    outcome, _ = await erase(cloud, clock, Place(cloud.recordings, KEY, version), s3=s3)
    assert outcome == Pending("S3_UNREACHABLE")
