"""Lists and deletes in S3, version by version: the only code that may delete objects."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, TypedDict

from botocore.exceptions import ClientError

from recording_svc.domain.recordings import Arrival
from recording_svc.listings import Mark
from recording_svc.remnants import Remnant, RemnantKind

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client
    from types_aiobotocore_s3.type_defs import (
        DeleteMarkerEntryTypeDef,
        ErrorTypeDef,
        ListObjectVersionsOutputTypeDef,
        MultipartUploadTypeDef,
        ObjectVersionTypeDef,
    )

_BATCH = 1000
"""Most keys that DeleteObjects takes, and that a page of a listing holds."""

_GONE_ALREADY = {"NoSuchKey", "NoSuchVersion", "NoSuchUpload"}
REFUSED = {"AccessDenied", "AllAccessDisabled", "MethodNotAllowed", "InvalidObjectState", "NoSuchBucket"}
"""Error codes that no repetition mends."""


class _Where(TypedDict):
    Bucket: str
    Key: str
    VersionId: str


@dataclass(frozen=True)
class Refusal:
    """A deletion that S3 did not carry out, by its own code and words."""

    remnant: Remnant
    code: str
    message: str

    @property
    def is_final(self) -> bool:
        """Whether somebody has to change something before it can succeed."""
        return self.code in REFUSED


@dataclass(frozen=True)
class Lock:
    """What Object Lock holds a version by, as far as S3 says: a retention until a date, a legal hold, or neither."""

    until: datetime | None = None
    is_held: bool = False


class AudioBuckets:
    """Every object version, delete marker and unfinished upload of the audio, over one S3 client."""

    def __init__(self, s3: "S3Client") -> None:
        self._s3 = s3

    async def versions_of(self, bucket: str, key: str) -> list[Arrival]:
        """The versions that a key has now, newest first. In a bucket without versions the id is "null"."""
        return [_arrival(one) for one in await self.list_key(bucket, key) if one.kind is RemnantKind.VERSION]

    async def list_key(self, bucket: str, key: str) -> list[Remnant]:
        """Everything that lies under exactly this key."""
        found: list[Remnant] = []
        async for page in self._version_pages(bucket, key):
            found += [one for one in page if one.key == key]
            # Keys come in order: a longer one that begins alike means that ours is through.
            if page and max(one.key for one in page) > key:
                break
        return found + [one for one in await self.list_uploads(bucket, key) if one.key == key]

    async def list_versions(
        self, bucket: str, after: Mark | None = None
    ) -> AsyncIterator[tuple[list[Remnant], Mark | None]]:
        """The whole bucket's versions and delete markers, a page at a time, each with where the next one begins."""
        while True:
            page = await self._s3.list_object_versions(Bucket=bucket, MaxKeys=_BATCH, **_markers(after))
            after = _mark(page) if page.get("IsTruncated") else None
            yield _remnants(bucket, page), after
            if after is None:
                return

    async def list_uploads(self, bucket: str, prefix: str = "") -> list[Remnant]:
        """Uploads that were begun and neither completed nor aborted."""
        pages = self._s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix)
        return [_upload(bucket, one) async for page in pages for one in page.get("Uploads", [])]

    async def delete(self, remnants: Sequence[Remnant]) -> list[Refusal]:
        """Ask S3 to remove these. Whether they are gone tells only the next listing."""
        refusals: list[Refusal] = []
        objects = [one for one in remnants if one.kind is not RemnantKind.UPLOAD]
        for bucket, group in groupby(sorted(objects, key=lambda one: one.bucket), key=lambda one: one.bucket):
            of_bucket = list(group)
            for start in range(0, len(of_bucket), _BATCH):
                refusals += await self._delete_batch(bucket, of_bucket[start : start + _BATCH])
        for upload in remnants:
            if upload.kind is RemnantKind.UPLOAD:
                refusals += await self._abort(upload)
        return refusals

    async def lock_of(self, version: Remnant) -> Lock:
        """What holds a version. Where we may not ask, nothing is known and it looks free."""
        where: _Where = {"Bucket": version.bucket, "Key": version.key, "VersionId": version.version_id}
        return Lock(await self._retained_until(where), await self._is_held(where))

    async def _retained_until(self, where: _Where) -> datetime | None:
        try:
            retention = (await self._s3.get_object_retention(**where))["Retention"]
        except ClientError:
            return None
        until = retention.get("RetainUntilDate")
        return _utc(until) if until else None

    async def _is_held(self, where: _Where) -> bool:
        try:
            return (await self._s3.get_object_legal_hold(**where))["LegalHold"].get("Status") == "ON"
        except ClientError:
            return False

    async def _version_pages(self, bucket: str, prefix: str) -> AsyncIterator[list[Remnant]]:
        pages = self._s3.get_paginator("list_object_versions").paginate(
            Bucket=bucket, Prefix=prefix, PaginationConfig={"PageSize": _BATCH}
        )
        async for page in pages:
            yield _remnants(bucket, page)

    async def _delete_batch(self, bucket: str, batch: Sequence[Remnant]) -> list[Refusal]:
        by_id = {(one.key, one.version_id): one for one in batch}
        try:
            reply = await self._s3.delete_objects(
                Bucket=bucket,
                Delete={"Objects": [{"Key": key, "VersionId": version} for key, version in by_id], "Quiet": True},
            )
        except ClientError as error:
            if error.response["Error"]["Code"] not in REFUSED:
                raise
            return [_refusal(one, error) for one in batch]
        return [refusal for fault in reply.get("Errors", []) if (refusal := _fault(by_id, batch, fault))]

    async def _abort(self, upload: Remnant) -> list[Refusal]:
        try:
            await self._s3.abort_multipart_upload(Bucket=upload.bucket, Key=upload.key, UploadId=upload.version_id)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _GONE_ALREADY:
                return []
            if code in REFUSED:
                return [_refusal(upload, error)]
            raise
        return []


def _fault(by_id: dict[tuple[str, str], Remnant], batch: Sequence[Remnant], fault: "ErrorTypeDef") -> Refusal | None:
    code = fault.get("Code", "Unknown")
    if code in _GONE_ALREADY:
        return None
    # Some servers leave the version out: whichever it was, the listing will show it.
    remnant = by_id.get((fault.get("Key", ""), fault.get("VersionId", "")), batch[0])
    return Refusal(remnant, code, fault.get("Message") or "")


def _refusal(remnant: Remnant, error: ClientError) -> Refusal:
    # Not every server has words for it.
    return Refusal(remnant, error.response["Error"]["Code"], error.response["Error"].get("Message") or "")


class _Markers(TypedDict, total=False):
    KeyMarker: str
    VersionIdMarker: str


def _markers(after: Mark | None) -> _Markers:
    """S3 takes no empty marker of a version."""
    if after is None:
        return {}
    return (
        {"KeyMarker": after.key, "VersionIdMarker": after.version_id} if after.version_id else {"KeyMarker": after.key}
    )


def _mark(page: "ListObjectVersionsOutputTypeDef") -> Mark:
    return Mark(page["NextKeyMarker"], page.get("NextVersionIdMarker", ""))


def _remnants(bucket: str, page: "ListObjectVersionsOutputTypeDef") -> list[Remnant]:
    versions = [_version(bucket, one) for one in page.get("Versions", [])]
    return versions + [_marker(bucket, one) for one in page.get("DeleteMarkers", [])]


def _version(bucket: str, one: "ObjectVersionTypeDef") -> Remnant:
    identity = one.get("VersionId") or "null"
    return Remnant(RemnantKind.VERSION, bucket, one["Key"], identity, one.get("Size", 0), _utc(one["LastModified"]))


def _marker(bucket: str, one: "DeleteMarkerEntryTypeDef") -> Remnant:
    identity = one.get("VersionId") or "null"
    return Remnant(RemnantKind.DELETE_MARKER, bucket, one["Key"], identity, 0, _utc(one["LastModified"]))


def _upload(bucket: str, one: "MultipartUploadTypeDef") -> Remnant:
    return Remnant(RemnantKind.UPLOAD, bucket, one["Key"], one["UploadId"], 0, _utc(one["Initiated"]))


def _arrival(one: Remnant) -> Arrival:
    return Arrival(one.bucket, one.key, one.version_id, one.size_bytes)


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)
