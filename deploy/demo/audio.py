"""Looks for audio itself, past every service: in both buckets, in scratch, and inside an mp3."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from botocore.exceptions import BotoCoreError, ClientError

from deploy.demo.api import UnexpectedError
from deploy.local.buckets import Cloud


@dataclass(frozen=True)
class Found:
    """Something that S3 has: a version, a delete marker, or an upload that was never completed."""

    kind: str
    bucket: str
    key: str
    version_id: str
    size: int = 0  # bytes


class Places:
    """Every place where audio may lie."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.buckets = (variables["ASSENT_RECORDINGS_BUCKET"], variables["ASSENT_AUDIO_BUCKET"])
        self._scratch = Path(variables["ASSENT_SCRATCH_DIR"])
        names = ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        endpoint, region, key_id, secret = (variables.get(name) for name in names)
        self._s3 = Cloud(endpoint, region or "us-east-1", key_id, secret).client("s3")

    def listed(self) -> set[Found]:
        """All that both buckets have: `list_object_versions` and `list_multipart_uploads`, to the last page."""
        try:
            return {found for bucket in self.buckets for found in (*self._versions(bucket), *self._uploads(bucket))}
        except (BotoCoreError, ClientError) as error:
            raise UnexpectedError(f"Expected S3 to list its buckets.\nWhat came instead: {error}.") from error

    def scratch(self) -> list[str]:
        """The files in the folder where audio lies while it is worked on."""
        return sorted(str(path) for path in self._scratch.rglob("*") if path.is_file())

    def _versions(self, bucket: str) -> list[Found]:
        pages = list(self._s3.get_paginator("list_object_versions").paginate(Bucket=bucket))
        versions = [one for page in pages for one in page.get("Versions", [])]
        markers = [one for page in pages for one in page.get("DeleteMarkers", [])]
        return [Found("version", bucket, one["Key"], one["VersionId"], one["Size"]) for one in versions] + [
            Found("delete marker", bucket, one["Key"], one["VersionId"]) for one in markers
        ]

    def _uploads(self, bucket: str) -> list[Found]:
        pages = self._s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket)
        uploads = [one for page in pages for one in page.get("Uploads", [])]
        return [Found("unfinished upload", bucket, one["Key"], one["UploadId"]) for one in uploads]


@dataclass(frozen=True)
class Sound:
    """What an audio file turns out to hold."""

    seconds: float
    loudest: float  # 0 to 1


def decode(content: bytes) -> Sound:
    """Play an audio file to its end, silently. Raises UnexpectedError where it does not play."""
    samples, loudest = 0, 0.0
    try:
        with av.open(io.BytesIO(content), mode="r") as file:
            rate = file.streams.audio[0].rate
            for frame in file.decode(audio=0):
                samples += frame.samples
                loudest = max(loudest, float(np.abs(frame.to_ndarray()).max()))
    except (av.FFmpegError, IndexError) as error:
        raise UnexpectedError(f"Expected an mp3 that plays.\nWhat came instead: {error!r}.") from error
    return Sound(samples / rate, loudest)


def length(path: Path) -> float:
    """How long a recording is, in seconds, by its own account."""
    with av.open(str(path)) as file:
        assert file.duration is not None, f"{path} does not say how long it is"
        return file.duration / 1_000_000
