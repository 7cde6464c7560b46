"""Assent from the outside: people who open rooms and answer, a Whereby that records, an oracle that reads buckets."""

import datetime as dt
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from aiobotocore.session import get_session
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from deploy.local import Stack
from tests.eventually import eventually

Json = dict[str, Any]
SAMPLE = Path(__file__).parents[2] / "deploy/local/sample/meeting.mp4"
SAMPLE_TEXT = SAMPLE.with_suffix(".txt")
LENGTH = dt.timedelta(seconds=40)
"""How long a call lasts: a little longer than the sample."""
HEARD_OF = 120.0
"""Seconds until news of a file is dealt with at the latest.

The local queue hands messages to a receiver that was killed while it polled; they come again when that one's time is
over (60 s).
"""


@dataclass
class Person:
    """Someone in a call, known by a token of ours."""

    participant_id: str
    token: str


@dataclass
class Call:
    """One meeting that people are in."""

    room: str
    meeting_id: str
    whereby_room: str
    began: dt.datetime
    people: dict[str, Person] = field(default_factory=dict)


class World:
    """One running stack."""

    def __init__(self, stack: Stack, gateway: httpx.AsyncClient, whereby: httpx.AsyncClient) -> None:
        self.stack = stack
        self.env = stack.env()
        self.gateway = gateway
        self.whereby = whereby

    @classmethod
    @asynccontextmanager
    async def of(cls, stack: Stack) -> AsyncIterator["World"]:
        """Clients for a stack that is up."""
        env = stack.env()
        stand_in = env["ASSENT_WHEREBY_API_URL"].removesuffix("/v1")
        async with (
            httpx.AsyncClient(base_url=env["ASSENT_GATEWAY_URL"], timeout=30) as gateway,
            httpx.AsyncClient(base_url=stand_in, timeout=60) as whereby,
        ):
            yield cls(stack, gateway, whereby)

    async def restart(self, service: str) -> None:
        """Kill a part as a power cut would, start it again, and wait until the gateway has found it."""
        self.stack.kill(service)
        self.stack.start(service)
        await eventually(self._is_ready)

    async def _is_ready(self) -> bool:
        return (await self.gateway.get("/readyz")).status_code == 200

    # People

    async def ask(self, method: str, path: str, token: str | None = None, **request: Any) -> httpx.Response:
        """One HTTP request to the gateway; the owner's token unless another is given."""
        headers = {"Authorization": f"Bearer {token or self.env['ASSENT_OWNER_TOKEN']}", **request.pop("headers", {})}
        return await self.gateway.request(method, path, headers=headers, **request)

    async def get(self, path: str, token: str | None = None) -> Json:
        """The JSON of something that must be there."""
        response = await self.ask("GET", path, token)
        assert response.status_code == 200, response.text
        return dict(response.json())

    async def make_room(self, **settings: Any) -> str:
        """A new room of the owner's."""
        name = f"room-{uuid.uuid4().hex[:10]}"
        response = await self.ask("POST", "/v1/rooms", json={"name": name, **settings})
        assert response.status_code == 201, response.text
        return name

    async def open(self, room: str) -> Json:
        """What a browser gets that opens the room for the first time."""
        response = await self.gateway.post(f"/v1/rooms/{room}/meeting")
        assert response.status_code == 200, response.text
        return dict(response.json())

    async def call(self, *names: str, room: str | None = None) -> Call:
        """People in a new meeting, the recorder with them, begun long enough ago for the sample to fit."""
        room = room or await self.make_room()
        began = dt.datetime.now(dt.UTC) - LENGTH
        call: Call | None = None
        for name in names:
            opened = await self.open(room)
            meeting = opened["meeting"]
            call = call or Call(room, meeting["id"], meeting["room_name"].lstrip("/"), began)
            call.people[name] = Person(opened["participant"]["id"], opened["participant"]["token"])
            joins = {"displayName": name, "externalId": opened["participant"]["id"], "at": began.isoformat()}
            await self._control(call, "join", joins)
        assert call is not None
        return call

    async def answer(self, call: Call, name: str, given: bool, key: str | None = None) -> Json:
        """Press one of the two buttons."""
        response = await self.ask(
            "POST",
            f"/v1/meetings/{call.meeting_id}/consent",
            call.people[name].token,
            json={"consent_given": given},
            headers={"Idempotency-Key": key or str(uuid.uuid4())},
        )
        assert response.status_code == 200, response.text
        return dict(response.json())

    async def hang_up(self, call: Call, **file: Any) -> Json:
        """Everybody leaves; Whereby has put the file when this returns."""
        recording = (await self._control(call, "end", file))["recording"]
        assert recording, "the stand-in did not record"
        return dict(recording)

    async def _control(self, call: Call, action: str, body: Json) -> Json:
        response = await self.whereby.post(f"/control/rooms/{call.whereby_room}/{action}", json=body)
        assert response.status_code == 200, response.text
        return dict(response.json())

    # What becomes of it

    async def recordings(self, meeting_id: str) -> list[Json]:
        """The recordings of a meeting, as its owner sees them."""
        return list((await self.get(f"/v1/recordings?meeting_id={meeting_id}"))["recordings"])

    async def recording(self, call: Call, *states: str, within: float = HEARD_OF + 30) -> Json:
        """The call's one recording, once it is in one of these states."""
        return await self.recording_of(call.meeting_id, *states, within=within)

    async def recording_of(self, meeting_id: str, *states: str, within: float = HEARD_OF + 30) -> Json:
        """The meeting's one recording, once it is in one of these states."""

        async def look() -> Json | None:
            found = await self.recordings(meeting_id)
            assert len(found) <= 1, found
            return found[0] if found and found[0]["state"] in states else None

        seen = await eventually(look, within=within, every=0.2)
        assert seen
        return seen

    async def transcribing(self, call: Call) -> Json:
        """The recording, once its transcript is being made and somebody can watch it."""

        async def look() -> Json | None:
            found = await self.recordings(call.meeting_id)
            if not found or not found[0]["transcript_id"]:
                return None
            # Whose it is, transcript_svc hears a moment after the recording's own service knows.
            there = await self.ask("GET", f"/v1/transcripts/{found[0]['transcript_id']}")
            return found[0] if there.status_code == 200 else None

        seen = await eventually(look, within=HEARD_OF)
        assert seen
        return seen

    async def watch(self, transcript_id: str, token: str | None = None) -> AsyncIterator[Json]:
        """The live events of a transcript, from its beginning."""
        address = self.env["ASSENT_GATEWAY_URL"].replace("http", "ws", 1)
        bearer = Subprotocol(f"bearer.{token or self.env['ASSENT_OWNER_TOKEN']}")
        path = f"{address}/v1/transcripts/{transcript_id}/events"
        async with connect(path, subprotocols=[Subprotocol("assent.v1"), bearer]) as socket:
            async for message in socket:
                yield json.loads(message)

    async def until_half_way(self, transcript_id: str) -> None:
        """Return while the transcript is being made, with some of it done and some not."""
        async for event in self.watch(transcript_id):
            if event["event"] == "PROGRESS" and event["data"]["percent"] > 0:
                return

    # The oracle: reads the buckets and the disk, never our tables

    @asynccontextmanager
    async def s3(self) -> AsyncIterator[Any]:
        """A client with the operator's rights."""
        async with self._client("s3") as client:
            yield client

    @asynccontextmanager
    async def sqs(self) -> AsyncIterator[Any]:
        """The same for queues."""
        async with self._client("sqs") as client:
            yield client

    @asynccontextmanager
    async def _client(self, kind: str) -> AsyncIterator[Any]:
        session: Any = get_session()
        async with session.create_client(
            kind,
            endpoint_url=self.env["AWS_ENDPOINT_URL"],
            region_name=self.env["AWS_REGION"],
            aws_access_key_id=self.env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.env["AWS_SECRET_ACCESS_KEY"],
        ) as client:
            yield client

    async def stored(self, recording: Json) -> list[str]:
        """Everything that either bucket holds of a recording: versions, delete markers, unfinished uploads."""
        found: list[str] = []
        places = [(self.env["ASSENT_RECORDINGS_BUCKET"], recording["object_key"])]
        places += [(copy["bucket"], copy["key"]) for copy in recording["copies"] if copy["kind"] == "mp3"]
        async with self.s3() as s3:
            for bucket, key in places:
                versions = await s3.list_object_versions(Bucket=bucket, Prefix=key)
                found += [f"{bucket}/{key} {it['VersionId']}" for it in versions.get("Versions", [])]
                found += [f"{bucket}/{key} marker" for it in versions.get("DeleteMarkers", [])]
                uploads = await s3.list_multipart_uploads(Bucket=bucket)
                found += [f"{bucket}/{key} upload" for it in uploads.get("Uploads", []) if it["Key"] == key]
        return found

    def scratch(self) -> list[Path]:
        """Files that lie in the scratch directory."""
        return [path for path in Path(self.env["ASSENT_SCRATCH_DIR"]).rglob("*") if path.is_file()]

    def files_with(self, pieces: list[bytes]) -> list[str]:
        """Files below the stack's directory, data of Postgres and NATS included, that hold one of these pieces."""
        return [
            f"{path}"
            for path in _files(self.stack.run_dir.path)
            if any(piece in (content := _content(path)) or piece.hex().encode() in content for piece in pieces)
        ]

    def searched(self) -> set[str]:
        """Names of the files that `files_with` looks into."""
        return {path.name for path in _files(self.stack.run_dir.path)}


def _files(folder: Path) -> Iterator[Path]:
    seen: set[Path] = set()
    for path in [*folder.iterdir(), *(link.resolve() for link in folder.iterdir() if link.is_symlink())]:
        for file in path.rglob("*") if path.is_dir() else [path]:
            if file.is_file() and file.resolve() not in seen:
                seen.add(file.resolve())
                yield file


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:  # a database removed it since it was listed: it holds nothing any more
        return b""


def slices(content: bytes, *, many: int = 40, length: int = 24) -> list[bytes]:
    """Short pieces from all over a file, none of them monotonous."""
    step = max(1, len(content) // many)
    pieces = [content[at : at + length] for at in range(step // 2, len(content) - length, step)]
    return [piece for piece in pieces if len(set(piece)) > length // 2]
