"""What only a real S3 server, or only a great number, shows of an erasure."""

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from recording_svc.buckets import AudioBuckets
from recording_svc.erasure import Blocked, Erasure, Gone, Outcome
from recording_svc.preflight import check_buckets
from recording_svc.remnants import Place
from tests.recording.conftest import real_server
from tests.recording.erasing import Notes, erase
from tests.recording.faults import FaultyS3
from tests.recording.surroundings import Clock, Cloud
from tests.recording.world import KEY

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client

LISTS = ("s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads")
ERASES = ("s3:DeleteObject", "s3:DeleteObjectVersion", "s3:AbortMultipartUpload")


def allow(cloud: Cloud, *actions: str) -> None:
    """Let the stranger do this in the buckets, and nothing else."""
    for bucket in (cloud.recordings, cloud.audio):
        places = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
        statement = {
            "Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam:::user/stranger"]},
            "Action": list(actions), "Resource": places,
        }  # fmt: skip
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        cloud.oracle.put_bucket_policy(Bucket=bucket, Policy=policy)


async def erase_as(stranger: "S3Client", clock: Clock, *places: Place) -> Outcome:
    return await Erasure(AudioBuckets(stranger), clock).erase(places, Notes())


@real_server
async def test_d7_without_the_right_to_delete_versions_it_is_blocked(
    cloud: Cloud, clock: Clock, stranger: "S3Client"
) -> None:
    version = cloud.put(KEY)
    allow(cloud, *LISTS, "s3:DeleteObject")
    outcome = await erase_as(stranger, clock, Place(cloud.recordings, KEY, version))
    assert outcome == Blocked("DELETION_DENIED", frozenset({(cloud.recordings, KEY)}))
    assert cloud.lying(cloud.recordings) == [("version", KEY)]
    allow(cloud, *LISTS, *ERASES)
    assert isinstance(await erase_as(stranger, clock, Place(cloud.recordings, KEY, version)), Gone)
    assert cloud.lying(cloud.recordings) == []


@real_server
@pytest.mark.parametrize("missing", LISTS[1:])
async def test_d7_d1_without_a_right_to_list_nothing_is_proven_and_what_is_seen_goes(
    cloud: Cloud, clock: Clock, stranger: "S3Client", missing: str
) -> None:
    version = cloud.put(KEY)
    allow(cloud, *(one for one in LISTS if one != missing), *ERASES)
    outcome = await erase_as(stranger, clock, Place(cloud.recordings, KEY, version))
    assert outcome == Blocked("S3_ACCESS_DENIED", frozenset({(cloud.recordings, KEY)}))
    unseen = [("version", KEY)] if missing == "s3:ListBucketVersions" else []
    assert cloud.lying(cloud.recordings) == unseen


@real_server
async def test_d7_without_the_right_to_abort_an_upload_stays_and_it_is_blocked(
    cloud: Cloud, clock: Clock, stranger: "S3Client"
) -> None:
    version = cloud.put(KEY)
    cloud.oracle.create_multipart_upload(Bucket=cloud.recordings, Key=KEY)
    allow(cloud, *LISTS, "s3:DeleteObject", "s3:DeleteObjectVersion")
    outcome = await erase_as(stranger, clock, Place(cloud.recordings, KEY, version))
    assert outcome == Blocked("DELETION_DENIED", frozenset({(cloud.recordings, KEY)}))
    assert cloud.lying(cloud.recordings) == [("upload", KEY)]


@real_server
async def test_d7_preflight_says_which_rights_are_missing(cloud: Cloud, stranger: "S3Client") -> None:
    allow(cloud, *LISTS, "s3:DeleteObject")
    faults = await check_buckets(stranger, cloud.recordings, cloud.audio, cloud.queue, cloud.dead_letters)
    assert [fault for fault in faults if "s3:DeleteObjectVersion" in fault] == faults[:2]
    allow(cloud, *ERASES)
    faults = await check_buckets(stranger, cloud.recordings, cloud.audio, cloud.queue, cloud.dead_letters)
    assert all("s3:ListBucketVersions" in fault for fault in faults[:2])
    allow(cloud, *LISTS, *ERASES)
    faults = await check_buckets(stranger, cloud.recordings, cloud.audio, cloud.queue, cloud.dead_letters)
    assert not [one for one in faults if "s3:Delete" in one]


@real_server
async def test_d5_an_upload_with_parts_and_one_that_was_completed_are_gone(cloud: Cloud, clock: Clock) -> None:
    part = b"x" * 5 * 1024 * 1024
    for complete in (True, False):
        begun = cloud.oracle.create_multipart_upload(Bucket=cloud.audio, Key=KEY)["UploadId"]
        tags = [
            cloud.oracle.upload_part(Bucket=cloud.audio, Key=KEY, UploadId=begun, PartNumber=number, Body=part)["ETag"]
            for number in (1, 2)
        ]
        if complete:
            parts = [{"ETag": tag, "PartNumber": number} for number, tag in enumerate(tags, 1)]
            cloud.oracle.complete_multipart_upload(
                Bucket=cloud.audio, Key=KEY, UploadId=begun, MultipartUpload={"Parts": parts}
            )
    assert cloud.lying(cloud.audio) == [("upload", KEY), ("version", KEY)]
    assert isinstance((await erase(cloud, clock, Place(cloud.audio, KEY)))[0], Gone)
    assert cloud.lying(cloud.audio) == []
    with pytest.raises(ClientError, match=r"NoSuchUpload|NoSuchKey"):
        cloud.oracle.list_parts(Bucket=cloud.audio, Key=KEY, UploadId=begun)


@pytest.mark.radosgw
@pytest.mark.timeout(900)  # on moto each put takes longer than the one before
@pytest.mark.parametrize("cloud", ["moto", "radosgw"], indirect=True)
async def test_d5_2500_versions_of_one_key_are_gone(cloud: Cloud, clock: Clock) -> None:
    neighbour = KEY + ".bak"
    cloud.put(neighbour, bucket=cloud.audio)
    # One after the other: of those put at the same time moto forgets some.
    await asyncio.to_thread(lambda: [cloud.put(KEY, bucket=cloud.audio) for _ in range(2500)])
    cloud.oracle.delete_object(Bucket=cloud.audio, Key=KEY)
    s3: Any = FaultyS3(cloud.s3)
    outcome, notes = await erase(cloud, clock, Place(cloud.audio, KEY), s3=s3)
    assert isinstance(outcome, Gone)
    assert len({one.version_id for one in notes.found}) == 2501
    assert s3.calls.count("delete_objects") == 4
    assert cloud.lying(cloud.audio) == [("version", neighbour)]
