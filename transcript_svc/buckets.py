"""Reads recordings from S3 and puts and reads the mp3. It has no right to delete anything there."""

import asyncio
import errno
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError

from chassis.errors import Unavailable
from chassis.settings import AwsSettings
from transcript_svc.domain import Audio, Recording

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client

MP3 = "audio/mpeg"
PIECE = 256 * 1024
# The last one answers a GET of a delete marker.
NOT_THERE = {"NoSuchKey", "NoSuchVersion", "MethodNotAllowed"}

# So long a listener waits for the first byte before hearing that the storage is away.
FIRST_BYTE_SECONDS = 4.0

_WORKING = AioConfig(
    connect_timeout=3,
    read_timeout=20,
    retries={"mode": "standard", "max_attempts": 3},
    # A checksum over the whole body would be reckoned in the event loop before its first byte is sent.
    request_checksum_calculation="when_required",
    s3={"payload_signing_enabled": False},
)
# A listener who plays holds a connection for as long as that takes, and must keep none from the next.
_PLAYING = AioConfig(
    connect_timeout=1,
    read_timeout=10,
    retries={"mode": "standard", "total_max_attempts": 2},
    max_pool_connections=200,
)


class Gone(Exception):
    """There is no such object version any more."""


class Buckets:
    """The recordings bucket, to read, and the audio bucket, to write and read. `playing` has less patience."""

    def __init__(self, s3: "S3Client", playing: "S3Client", audio_bucket: str) -> None:
        self.s3 = s3
        self.playing = playing
        self.audio_bucket = audio_bucket

    async def download(self, recording: Recording, path: Path) -> None:
        """Exactly this version, streamed to a file. Raises Gone and Unavailable, and OSError where it does not fit."""
        place = (recording.bucket, recording.object_key, recording.version_id)
        pieces = _pieces(self.s3, *place, first=partial(_ensure_room, path.parent))
        with path.open("xb") as file:
            async with aclosing(pieces):
                async for piece in pieces:
                    await asyncio.to_thread(file.write, piece)

    async def upload(self, path: Path, key: str) -> Audio:
        """Put the mp3 in one request, so that no parts of it can be left behind. Raises Unavailable."""
        size = await asyncio.to_thread(lambda: path.stat().st_size)
        with path.open("rb") as file, _translated():
            put = await self.s3.put_object(
                Bucket=self.audio_bucket, Key=key, Body=file, ContentType=MP3, CacheControl="no-store"
            )
        return Audio(self.audio_bucket, key, put.get("VersionId", "null"), size, put["ETag"].strip('"'))

    async def stream(self, audio: Audio, offset: int, length: int) -> AsyncGenerator[bytes, None]:
        """A range of the mp3, piece by piece, the first one soon. Raises Gone and Unavailable."""
        wanted = f"bytes={offset}-{offset + length - 1}"
        place = (audio.bucket, audio.object_key, audio.version_id)
        async with aclosing(_pieces(self.playing, *place, Range=wanted)) as pieces:
            with _translated():
                async with asyncio.timeout(FIRST_BYTE_SECONDS):
                    first = await anext(pieces, b"")
            yield first
            async for piece in pieces:
                yield piece


@asynccontextmanager
async def open_buckets(settings: AwsSettings, audio_bucket: str) -> AsyncIterator[Buckets]:
    """The buckets, over S3 clients that live as long as the block."""

    def client(config: AioConfig) -> "AbstractAsyncContextManager[S3Client]":
        return get_session().create_client(
            "s3",
            endpoint_url=settings.aws_endpoint_url,
            region_name=settings.aws_region,
            aws_access_key_id=settings.aws_access_key_id,
            aws_secret_access_key=settings.aws_secret_access_key,
            config=config,
        )

    async with client(_WORKING) as working, client(_PLAYING) as playing:
        yield Buckets(working, playing, audio_bucket)


async def _pieces(
    s3: "S3Client",
    bucket: str,
    key: str,
    version_id: str,
    first: Callable[[int], None] = lambda size: None,
    **options: Any,
) -> AsyncGenerator[bytes, None]:
    """Calls `first` with how many bytes there will be."""
    with _translated():
        got = await s3.get_object(Bucket=bucket, Key=key, VersionId=version_id, **options)
        async with got["Body"] as body:
            first(got["ContentLength"])
            async for piece in body.iter_chunks(PIECE):
                yield piece


def _ensure_room(folder: Path, size: int) -> None:
    # Not only when the disk is full: others' work lies there too, and this would be fetched again and again.
    free = shutil.disk_usage(folder).free
    if size > free:
        raise OSError(errno.ENOSPC, f"the recording has {size} bytes, and there is room for {free}", str(folder))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in NOT_THERE:
            raise Gone from error
        raise Unavailable(f"the audio's storage refused: {code}", reason="STORAGE_UNAVAILABLE") from error
    except (BotoCoreError, aiohttp.ClientError, TimeoutError) as error:
        raise Unavailable("the audio's storage cannot be reached", reason="STORAGE_UNAVAILABLE") from error
