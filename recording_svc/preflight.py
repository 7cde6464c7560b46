"""Looks, before it matters, whether the buckets can be erased, and says plainly what stands in the way."""

import json
import uuid
from typing import TYPE_CHECKING, Any

import structlog
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client

log = structlog.get_logger()


async def check_buckets(
    s3: "S3Client", recordings_bucket: str, audio_bucket: str, queue_url: str, dead_letters_url: str
) -> list[str]:
    """Whatever can be read from outside and is not as it should be, as sentences that say what to do; all are logged.

    Raises botocore's errors where S3 does not answer at all.
    """
    buckets = list(dict.fromkeys((recordings_bucket, audio_bucket)))
    faults = _mistaken_names(recordings_bucket, audio_bucket, queue_url, dead_letters_url)
    faults += [fault for bucket in buckets for fault in await _bucket_faults(s3, bucket)]
    faults += await _notification_faults(s3, recordings_bucket, queue_url)
    # It works with versions and without: these are to be weighed, and stand in the way of nothing.
    warnings = [warning for bucket in buckets for warning in await _versioning_warnings(s3, bucket)]
    for fault in faults:
        log.error("preflight_fault", fault=fault)
    for warning in warnings:
        log.warning("preflight_warning", warning=warning)
    if not faults:
        log.info("preflight_passed", buckets=buckets)
    return faults + warnings


def _mistaken_names(recordings_bucket: str, audio_bucket: str, queue_url: str, dead_letters_url: str) -> list[str]:
    faults = []
    if recordings_bucket == audio_bucket:
        faults.append(f"ASSENT_RECORDINGS_BUCKET and ASSENT_AUDIO_BUCKET both name {audio_bucket}: what is derived "
                      "lies among what Whereby puts, and each is taken for the other; name two buckets")  # fmt: skip
    if queue_url.rstrip("/") == dead_letters_url.rstrip("/"):
        faults.append(f"ASSENT_RECORDINGS_QUEUE_URL and ASSENT_RECORDINGS_DLQ_URL both name {queue_url}: what cannot "
                      "be understood comes again for ever, and nobody sees it; name two queues")  # fmt: skip
    return faults


async def _bucket_faults(s3: "S3Client", bucket: str) -> list[str]:
    try:
        await s3.list_object_versions(Bucket=bucket, MaxKeys=1)
        await s3.list_multipart_uploads(Bucket=bucket, MaxUploads=1)
    except ClientError as error:
        return [_not_listed(bucket, _code(error))]
    faults = [await _lock_faults(s3, bucket), await _right_faults(s3, bucket), await _upload_faults(s3, bucket)]
    return [one for some in faults for one in some]


def _not_listed(bucket: str, code: str) -> str:
    if code == "NoSuchBucket":
        return (f"{bucket}: there is no such bucket ({code}): make it, or set right what names it, "
                "ASSENT_RECORDINGS_BUCKET or ASSENT_AUDIO_BUCKET")  # fmt: skip
    return (f"{bucket} cannot be listed ({code}): no erasure in it can be verified; grant "
            "s3:ListBucketVersions and s3:ListBucketMultipartUploads")  # fmt: skip


async def _versioning_warnings(s3: "S3Client", bucket: str) -> list[str]:
    try:
        status = (await s3.get_bucket_versioning(Bucket=bucket)).get("Status", "never enabled")
    except ClientError as error:
        log.warning("versioning_unreadable", bucket=bucket, code=_code(error))
        return []
    log.info("versioning", bucket=bucket, status=status)
    if status == "Enabled":
        return []
    return [f"{bucket} has its versioning {status.lower()}: an object put under a key that is taken replaces a "
            "recording that may not be transcribed yet; enable versioning"]  # fmt: skip


async def _upload_faults(s3: "S3Client", bucket: str) -> list[str]:
    try:
        rules: Any = (await s3.get_bucket_lifecycle_configuration(Bucket=bucket)).get("Rules", [])
    except ClientError as error:
        if _code(error) != "NoSuchLifecycleConfiguration":
            log.warning("lifecycle_unreadable", bucket=bucket, code=_code(error))
            return []
        rules = []
    if any(_ends_every_upload(rule) for rule in rules):
        return []
    return [f"{bucket} has no lifecycle rule that aborts unfinished uploads of every key: one that never ends belongs "
            "to no recording, and its audio stays whatever was answered; add one, as in "
            "deploy/aws/buckets-lifecycle.json"]  # fmt: skip


def _ends_every_upload(rule: Any) -> bool:
    # A rule is bound to some keys by a prefix, its own or its filter's, or by what else a filter has.
    bounds = {"Prefix": rule.get("Prefix", ""), **rule.get("Filter", {})}
    aborts = rule.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation")
    return bool(rule.get("Status") == "Enabled" and aborts and not any(bounds.values()))


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
