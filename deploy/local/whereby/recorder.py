"""Puts a recording into a meeting's bucket, under the name that Whereby would give it."""

import asyncio
import io
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from deploy.local.sample import MEETING
from deploy.local.whereby.meetings import Destination

KEY_FORMAT = "{room}-{start}.{extension}"


@dataclass(frozen=True)
class File:
    """Which file to put there, and how to name it; see the package's docstring."""

    path: Path = MEETING
    key_format: str = KEY_FORMAT
    announce: bool = True

    @classmethod
    def of(cls, asked: dict[str, Any]) -> "File":
        """Read from the body of a control call.

        Raises:
            ValueError: there is no such file.
        """
        file = cls(
            Path(asked.get("path", MEETING)),
            str(asked.get("key_format", KEY_FORMAT)),
            bool(asked.get("announce", True)),
        )
        if not file.path.is_file():
            raise ValueError(f"no file {file.path}: name one that this machine has, or leave `path` out for the sample")
        return file


def key(file: File, room: str, start: datetime, extension: str) -> str:
    """The object's key: `<room name>-<start, ISO 8601 with zone>.mp4` unless the file says otherwise."""
    utc = start.astimezone(UTC)
    offset = start.astimezone(timezone(timedelta(hours=2)))
    return file.key_format.format(
        room=room,
        start=utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        start_ms=utc.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        start_offset=offset.isoformat(timespec="seconds"),
        extension=extension,
    )


async def put(file: File, room: str, start: datetime, destination: Destination) -> dict[str, str]:
    """Upload the recording. Returns bucket, key, version and start of what lies there now."""
    name = key(file, room, start, destination.file_format)
    body = await asyncio.to_thread(content, file.path, destination.file_format)
    from aiobotocore.session import get_session  # takes half a second, which a room should not wait for

    async with get_session().create_client(
        "s3",
        endpoint_url=os.environ.get("AWS_ENDPOINT_URL"),
        region_name=os.environ.get("AWS_REGION"),
        aws_access_key_id=destination.access_key_id,
        aws_secret_access_key=destination.secret_access_key,
    ) as s3:
        done = await s3.put_object(Bucket=destination.bucket, Key=name, Body=body, ContentType="video/mp4")
    version = done.get("VersionId", "null")
    return {"bucket": destination.bucket, "key": name, "version_id": version, "start_time": _zulu(start)}


def _zulu(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def content(path: Path, wanted: str) -> bytes:
    """The file's bytes, in another container if another one is wanted."""
    if path.suffix == f".{wanted}" or wanted == "mp4":
        return path.read_bytes()
    import av

    target = io.BytesIO()
    with av.open(str(path)) as source, av.open(target, "w", format="matroska") as copy:
        streams = {stream: copy.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None:  # the demuxer ends every stream with an empty packet
                packet.stream = streams[packet.stream]
                copy.mux(packet)
    return target.getvalue()
