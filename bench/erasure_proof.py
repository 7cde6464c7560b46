"""Whether everything is gone, by the bucket's own account, and every recording has a certificate that says so."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from recording_svc.certificate import CertificateError, load_public_key, verify
from recording_svc.domain.recordings import State
from recording_svc.store import Recordings

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client


async def left_in(s3: "S3Client", *buckets: str) -> int:
    """Versions, delete markers and unfinished uploads of these buckets, at most a page of each."""
    left = 0
    for bucket in buckets:
        versions = await s3.list_object_versions(Bucket=bucket)
        uploads = await s3.list_multipart_uploads(Bucket=bucket)
        left += len(versions.get("Versions", [])) + len(versions.get("DeleteMarkers", []))
        left += len(uploads.get("Uploads", []))
    return left


async def not_certified(recordings: Recordings, key_file: Path, objects: Mapping[str, int]) -> list[str]:
    """Which of these recordings are not erased with a certificate that holds and names so many objects."""
    key, missing = load_public_key(key_file), []
    for recording_id, number in objects.items():
        found = await recordings.get(recording_id)
        if not found or found.state is not State.ERASED or _named(found.certificate, key, recording_id) != number:
            missing.append(recording_id)
    return missing


def _named(certificate: str, key: Ed25519PublicKey, recording_id: str) -> int | None:
    """How many removed objects a certificate names; None where it does not hold for this recording."""
    try:
        statement = verify(certificate, key)
    except CertificateError:
        return None
    return len(statement["removed"]) if statement["recording_id"] == recording_id else None
