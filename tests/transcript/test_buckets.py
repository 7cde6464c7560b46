"""A store of objects that hangs: a listener is told soon, the work has patience."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from chassis.errors import Unavailable
from chassis.settings import AwsSettings
from tests.transcript.begun import AUDIO, RECORDING
from transcript_svc.buckets import Buckets, open_buckets

HEAD = b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: "x"\r\n\r\n'


@dataclass
class Hanging:
    """S3 that takes a request and says nothing, or no more than the head of its answer, until it may."""

    says_at_once: bytes = b""
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(self.says_at_once)
        await self.may_answer.wait()
        writer.write((HEAD + b"sound").removeprefix(self.says_at_once))
        writer.close()


@pytest.fixture(params=[b"", HEAD], ids=["says nothing", "stops after the head"])
async def hanging(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Hanging, Buckets]]:
    hanging = Hanging(request.param)
    server = await asyncio.start_server(hanging.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings = AwsSettings.model_validate(
        {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x",
        }
    )
    async with server, open_buckets(settings, "audio") as buckets:
        yield hanging, buckets
        hanging.may_answer.set()


async def test_a_listener_is_told_within_five_seconds_and_a_worker_waits(
    hanging: tuple[Hanging, Buckets], tmp_path: Path
) -> None:
    s3, buckets = hanging
    downloading = asyncio.create_task(buckets.download(RECORDING, tmp_path / "source"))
    began = time.monotonic()
    with pytest.raises(Unavailable) as error:
        await anext(buckets.stream(AUDIO, 0, 5))
    assert error.value.reason == "STORAGE_UNAVAILABLE"
    assert time.monotonic() - began < 5
    assert not downloading.done()
    s3.may_answer.set()
    await downloading
    assert (tmp_path / "source").read_bytes() == b"sound"
