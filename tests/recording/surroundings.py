"""Time and buckets as tests see them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client
    from types_aiobotocore_sqs.client import SQSClient

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Clock:
    """Time that passes only when a test says so."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


class MotoS3:
    """A client of moto, which does not know GetObjectRetention: what it says of a version's lock, its HEAD says."""

    def __init__(self, s3: Any) -> None:
        self._s3 = s3

    def __getattr__(self, name: str) -> Any:
        return getattr(self._s3, name)

    async def get_object_retention(self, **where: Any) -> dict[str, Any]:
        head = await self._s3.head_object(**where)
        return {"Retention": {"RetainUntilDate": head.get("ObjectLockRetainUntilDate")}}


@dataclass
class Cloud:
    """Fresh buckets and queues, with asynchronous clients and a blocking one for the oracle."""

    s3: "S3Client"
    sqs: "SQSClient"
    oracle: Any
    sqs_oracle: Any
    recordings: str
    audio: str
    queue: str
    dead_letters: str

    def lying(self, bucket: str) -> list[tuple[str, str]]:
        """(kind, key) of every version, delete marker and unfinished upload, straight from the bucket."""
        listed = self.oracle.list_object_versions(Bucket=bucket)
        uploads = self.oracle.list_multipart_uploads(Bucket=bucket)
        return sorted(
            [("version", one["Key"]) for one in listed.get("Versions", [])]
            + [("marker", one["Key"]) for one in listed.get("DeleteMarkers", [])]
            + [("upload", one["Key"]) for one in uploads.get("Uploads", [])]
        )

    def put(self, key: str, body: bytes = b"audio", bucket: str = "") -> str:
        """Put an object; returns its version."""
        reply = self.oracle.put_object(Bucket=bucket or self.recordings, Key=key, Body=body)
        return str(reply.get("VersionId", "null"))
