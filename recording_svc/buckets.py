"""Lists and deletes in S3, version by version: the only code that may delete objects."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypedDict

from botocore.exceptions import BotoCoreError, ClientError

from recording_svc.domain.recordings import Arrival
from recording_svc.listings import Mark
from recording_svc.remnants import Remnant, RemnantKind

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client
    from types_aiobotocore_s3.type_defs import (
        DeleteMarkerEntryTypeDef,
        ErrorTypeDef,
        ListMultipartUploadsOutputTypeDef,
        ListObjectVersionsOutputTypeDef,
        MultipartUploadTypeDef,
        ObjectVersionTypeDef,
    )

_BATCH = 1000
"""Most keys that DeleteObjects takes, and that a page of a listing holds."""

_GONE_ALREADY = {"NoSuchKey", "NoSuchVersion", "NoSuchUpload"}
REFUSED = {"AccessDenied", "AllAccessDisabled", "MethodNotAllowed", "InvalidObjectState", "NoSuchBucket"}
"""Error codes that no repetition mends."""


class ListingError(BotoCoreError):
    """What came is no listing of what was asked for: that nothing is in it proves nothing."""

    fmt = "no listing of {bucket} {prefix!r}: {fault}"


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
        return [_arrival(one) for one in await self.versions_at(bucket, key) if one.kind is RemnantKind.VERSION]

    async def versions_at(self, bucket: str, key: str) -> list[Remnant]:
        """Every version and delete marker under exactly this key."""
        found: list[Remnant] = []
        async for page, _ in self.list_versions(bucket, prefix=key):
            found += [one for one in page if one.key == key]
            # Keys come in order: a longer one that begins alike means that ours is through.
            if page and max(one.key for one in page) > key:
                break
        return found

    async def uploads_at(self, bucket: str, key: str) -> list[Remnant]:
        """Every unfinished upload of exactly this key."""
        return [one for one in await self.list_uploads(bucket, key) if one.key == key]

    async def list_versions(
        self, bucket: str, after: Mark | None = None, prefix: str = ""
    ) -> AsyncIterator[tuple[list[Remnant], Mark | None]]:
        """The whole bucket's versions and delete markers, a page at a time, each with where the next one begins.

        Raises ListingError, beside botocore's errors.
        """
        while True:
            page = await self._s3.list_object_versions(
                Bucket=bucket, Prefix=prefix, MaxKeys=_BATCH, **_version_markers(after)
            )
            following = _next(page, "Name", bucket, prefix, ("NextKeyMarker", "NextVersionIdMarker"), after)
            yield _remnants(bucket, page), following
            if following is None:
                return
            after = following

    async def list_uploads(self, bucket: str, prefix: str = "") -> list[Remnant]:
        """Uploads that were begun and neither completed nor aborted. Raises ListingError, beside botocore's errors."""
        found: list[Remnant] = []
        after: Mark | None = None
        while True:
            page = await self._s3.list_multipart_uploads(Bucket=bucket, Prefix=prefix, **_upload_markers(after))
            found += [_upload(bucket, one) for one in page.get("Uploads", [])]
            after = _next(page, "Bucket", bucket, prefix, ("NextKeyMarker", "NextUploadIdMarker"), after)
            if after is None:
                return found

    async def delete(self, bucket: str, remnants: Sequence[Remnant]) -> list[Refusal]:
        """Ask S3 to remove these, all of one bucket. Whether they are gone tells only the next listing."""
        refusals: list[Refusal] = []
        objects = [one for one in remnants if one.kind is not RemnantKind.UPLOAD]
        for start in range(0, len(objects), _BATCH):
            refusals += await self._delete_batch(bucket, objects[start : start + _BATCH])
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


class _VersionMarkers(TypedDict, total=False):
    KeyMarker: str
    VersionIdMarker: str


class _UploadMarkers(TypedDict, total=False):
    KeyMarker: str
    UploadIdMarker: str


def _version_markers(after: Mark | None) -> _VersionMarkers:
    """S3 takes no empty marker of a version."""
    if after is None:
        return {}
    return (
        {"KeyMarker": after.key, "VersionIdMarker": after.version_id} if after.version_id else {"KeyMarker": after.key}
    )


def _upload_markers(after: Mark | None) -> _UploadMarkers:
    return {"KeyMarker": after.key, "UploadIdMarker": after.version_id} if after else {}


def _next(
    page: "ListObjectVersionsOutputTypeDef | ListMultipartUploadsOutputTypeDef",
    named: str,
    bucket: str,
    prefix: str,
    markers: tuple[str, str],
    after: Mark | None,
) -> Mark | None:
    """Where the listing goes on after this page; None at its end.

    Raises ListingError where the page does not say that it is what was asked for: whatever else answers with a
    200 (a proxy, another bucket's server) would otherwise pass for a bucket in which nothing lies.
    """
    said: dict[str, Any] = dict(page)
    # Not every server repeats the prefix.
    if said.get(named) != bucket or (said.get("Prefix") or prefix) != prefix:
        fault = f"it is of {said.get(named)!r} {said.get('Prefix')!r}"
    elif said.get("IsTruncated") is False:
        return None
    elif said.get("IsTruncated") is not True:
        fault = "it does not say whether it is whole"
    else:
        following = Mark(said.get(markers[0]) or "", said.get(markers[1]) or "")
        if following.key and following != after:
            return following
        fault = "it is not whole and does not say where it goes on"
    raise ListingError(bucket=bucket, prefix=prefix, fault=fault)


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
