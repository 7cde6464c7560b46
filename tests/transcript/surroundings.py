"""What a worker stands on: a store, buckets, a recording_svc."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf.message import Message

from chassis.server import Server
from tests.transcript.recording_service import FakeRecordings
from transcript_svc.store import Transcripts

if TYPE_CHECKING:
    from assent.recording.v1.recording_service_pb2_grpc import RecordingServiceAsyncStub


@dataclass
class Store:
    """A store, and the news that it has committed for other services."""

    transcripts: Transcripts
    news: Callable[[], Awaitable[list[Message]]]

    async def news_of(self, kind: type[Message]) -> list[Message]:
        """The committed news of one kind, in order."""
        return [message for message in await self.news() if isinstance(message, kind)]


@dataclass
class Cloud:
    """Two versioned buckets of the test's own."""

    s3: Any
    recordings: str
    audio: str
    env: dict[str, str]

    def put(self, key: str, content: bytes) -> str:
        """Lay a recording into its bucket, as Whereby does; its version."""
        version: str = self.s3.put_object(Bucket=self.recordings, Key=key, Body=content)["VersionId"]
        return version

    def audio_versions(self) -> list[tuple[str, str]]:
        """Key and version of everything in the audio bucket."""
        listed = self.s3.list_object_versions(Bucket=self.audio).get("Versions", [])
        return [(version["Key"], version["VersionId"]) for version in listed]


@dataclass
class RecordingSvc:
    """A recording_svc that listens, and the stub to call it with."""

    fake: FakeRecordings
    stub: "RecordingServiceAsyncStub"
    address: str
    server: Server
