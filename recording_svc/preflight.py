"""Looks, before it matters, whether the buckets can be erased, and says plainly what stands in the way."""

import json
import uuid
from typing import TYPE_CHECKING, Any

import structlog
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client

log = structlog.get_logger()


async def check_buckets(s3: "S3Client", recordings_bucket: str, audio_bucket: str, queue_url: str) -> list[str]:
    """Every fault that can be read from outside, as a sentence that says what to do; all are logged.

    Raises botocore's errors where S3 does not answer at all.
    """
    faults = [fault for bucket in (recordings_bucket, audio_bucket) for fault in await _bucket_faults(s3, bucket)]
    faults += await _notification_faults(s3, recordings_bucket, queue_url)
    for fault in faults:
        log.error("preflight_fault", fault=fault)
    if not faults:
        log.info("preflight_passed", buckets=[recordings_bucket, audio_bucket])
    return faults


async def _bucket_faults(s3: "S3Client", bucket: str) -> list[str]:
    try:
        await s3.list_object_versions(Bucket=bucket, MaxKeys=1)
        await s3.list_multipart_uploads(Bucket=bucket, MaxUploads=1)
    except ClientError as error:
        return [f"{bucket} cannot be listed ({_code(error)}): no erasure in it can be verified; grant "
                "s3:ListBucketVersions and s3:ListBucketMultipartUploads"]  # fmt: skip
    faults = [await _versioning_faults(s3, bucket), await _lock_faults(s3, bucket), await _right_faults(s3, bucket)]
    return [one for some in faults for one in some]


async def _versioning_faults(s3: "S3Client", bucket: str) -> list[str]:
    try:
        status = (await s3.get_bucket_versioning(Bucket=bucket)).get("Status", "never enabled")
    except ClientError as error:
        log.warning("versioning_unreadable", bucket=bucket, code=_code(error))
        return []
    log.info("versioning", bucket=bucket, status=status)
    if status != "Suspended":
        return []
    return [f"{bucket} has its versioning suspended: an object put under a key that is taken replaces a "
            "recording that may not be transcribed yet, while older versions stay; enable versioning"]  # fmt: skip


async def _lock_faults(s3: "S3Client", bucket: str) -> list[str]:
    try:
        reply = await s3.get_object_lock_configuration(Bucket=bucket)
    except ClientError as error:
        if _code(error) in ("ObjectLockConfigurationNotFoundError", "NoSuchObjectLockConfiguration"):
            return []
        log.warning("object_lock_unreadable", bucket=bucket, code=_code(error))
        return []
    configuration: Any = reply.get("ObjectLockConfiguration", {})
    if configuration.get("ObjectLockEnabled") != "Enabled":
        return []
    retention = configuration.get("Rule", {}).get("DefaultRetention", {})
    kept = f"by default for {json.dumps(retention)}" if retention else "wherever an object asks for it"
    return [f"{bucket} has Object Lock, which holds versions {kept}: audio there stays blocked until the lock ends; "
            "use a bucket without Object Lock, or grant s3:GetObjectRetention and s3:GetObjectLegalHold to be told "
            "until when"]  # fmt: skip


async def _right_faults(s3: "S3Client", bucket: str) -> list[str]:
    # A version of a key that nobody has: without the right it is refused, with it nothing happens.
    nothing = {"Key": f"assent-preflight-{uuid.uuid4()}", "VersionId": "null"}
    try:
        reply: Any = await s3.delete_objects(Bucket=bucket, Delete={"Objects": [nothing], "Quiet": True})  # type: ignore[list-item]  # a plain dict is what it is
        codes = [fault.get("Code") for fault in reply.get("Errors", [])]
    except ClientError as error:
        codes = [_code(error)]
    if "AccessDenied" in codes:
        return [f"{bucket}: the right to delete versions is missing, so nothing in it can be erased; grant "
                "s3:DeleteObject, s3:DeleteObjectVersion and s3:AbortMultipartUpload"]  # fmt: skip
    return []


async def _notification_faults(s3: "S3Client", bucket: str, queue_url: str) -> list[str]:
    try:
        reply = await s3.get_bucket_notification_configuration(Bucket=bucket)
    except ClientError as error:
        log.warning("notifications_unreadable", bucket=bucket, code=_code(error))
        return []
    queue = queue_url.rstrip("/").rsplit("/", 1)[-1]
    told = {
        one.get("QueueArn", "").rsplit(":", 1)[-1]
        for one in reply.get("QueueConfigurations", [])
        if any(event.startswith("s3:ObjectCreated:") for event in one.get("Events", []))
    }
    if queue in told:
        return []
    instead = f" (it tells {', '.join(sorted(told))})" if told else ""
    return [f"{bucket} does not tell queue {queue} about new objects{instead}: recordings are found only by the "
            "sweep; add a notification for s3:ObjectCreated:*, or set ASSENT_RECORDINGS_QUEUE_URL right"]  # fmt: skip


def _code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])
