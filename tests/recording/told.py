"""One recording's story around a real recording_svc, and what has to be left of it in the end."""

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from assent.consent.v1.consent_events_pb2 import AnswerSubmitted
from assent.recording.v1 import recording_pb2 as pb
from assent.recording.v1 import recording_service_pb2 as rpc
from assent.recording.v1.recording_events_pb2 import AudioDeleted
from assent.transcript.v1.transcript_events_pb2 import TranscriptCompleted
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError
from sqlalchemy import text

from chassis.bus import Bus
from chassis.database import Database
from chassis.errors import Unavailable
from recording_svc.certificate import verify
from recording_svc.domain.recordings import Recording, State
from recording_svc.store.postgres import PostgresRecordings
from tests.eventually import eventually
from tests.recording.neighbours import COMPLETED, Neighbours
from tests.recording.surroundings import Cloud
from tests.recording.test_intake import KEY, waiting

if TYPE_CHECKING:
    from assent.recording.v1.recording_service_pb2_grpc import RecordingServiceAsyncStub

BYTES = b"audio of a meeting"


@dataclass
class Story:
    """What happens around one recording; whether recording_svc runs at the moment or not, it happens."""

    cloud: Cloud
    database: Database
    neighbours: Neighbours
    bus: Bus
    service: "RecordingServiceAsyncStub"
    stream: JetStreamContext
    meeting_id: str
    recording_id: str = field(init=False)

    def arrives(self) -> None:
        """Whereby puts the object; another upload of it is left unfinished. Nobody has begun a transcript."""
        self.neighbours.written.default = None
        self.neighbours.answers.default_meetings = [self.meeting_id]
        self.cloud.oracle.create_multipart_upload(Bucket=self.cloud.recordings, Key=KEY)
        self.cloud.put(KEY, BYTES)

    async def is_transcribed(self, *, refused: bool) -> None:
        """transcript_svc registers its mp3, writes it, and is done; what was answered by then, counts."""
        recording = await eventually(self._looked_at)
        assert recording is not None
        self.recording_id = recording.recording_id
        place = {"bucket": self.cloud.audio, "key": self._mp3}
        copy = rpc.RegisterCopyRequest(recording_id=self.recording_id, kind=pb.COPY_KIND_MP3, **place)
        await eventually(lambda: self._registered(copy))
        self.cloud.put(self._mp3, b"mp3", self.cloud.audio)
        if refused:
            self.neighbours.refuse(self.meeting_id)
        self.neighbours.written.status[self.recording_id] = COMPLETED
        await self.bus.publish(TranscriptCompleted(recording_id=self.recording_id))

    async def is_refused(self) -> None:
        """Somebody changes their mind."""
        self.neighbours.refuse(self.meeting_id)
        await self.bus.publish(AnswerSubmitted(meeting_id=self.meeting_id))

    async def becomes(self, state: State) -> None:
        """It comes to this state, nothing of it waits to be told, and no message of it is left."""

        async def is_there() -> bool:
            recording = await self._taken_in()
            return recording is not None and recording.state is state and await self._rests()

        await eventually(is_there, every=0.1)

    async def now(self) -> Recording:
        """As it is stored."""
        recording = await self._taken_in()
        assert recording is not None
        return recording

    async def check(self, key: Ed25519PublicKey) -> None:
        """Hold what is left, by the buckets' own account, against what is said of it."""
        recording = await self.now()
        lying = self.cloud.lying(self.cloud.recordings) + self.cloud.lying(self.cloud.audio)
        everything = [("upload", KEY), ("version", KEY), ("version", self._mp3)]
        assert waiting(self.cloud, self.cloud.dead_letters) == 0
        if recording.state is State.ERASED:
            statement = verify(recording.certificate, key)
            assert statement["recording_id"] == self.recording_id
            removed = {(one["kind"], one["key"]) for one in statement["removed"]}
            assert removed == set(everything), f"the certificate names {removed} alone"
            assert not lying, f"{lying} is there"
            times, expected = await self._told_deleted(), 1
        else:
            there = self.cloud.oracle.get_object(Bucket=self.cloud.recordings, Key=KEY)["Body"].read()
            assert (lying, there) == (everything, BYTES), f"of what is kept {lying} is there"
            times, expected = await self._told_deleted(), 0
        assert times == expected, f"AudioDeleted was told {times} times"

    @property
    def _mp3(self) -> str:
        return f"{self.recording_id}.mp3"

    async def _taken_in(self) -> Recording | None:
        found = await PostgresRecordings(self.database, self.database).of_versions(self.cloud.recordings, {KEY})
        assert len(found) <= 1, "one object, two recordings"
        return found[0] if found else None

    async def _looked_at(self) -> Recording | None:
        """Once it is known that there is no transcript yet: whether that is seen must not be a matter of chance."""
        recording = await self._taken_in()
        return recording if recording and recording.match.meeting_ids else None

    async def _registered(self, copy: rpc.RegisterCopyRequest) -> bool:
        try:
            await self.service.RegisterCopy(copy)
        except Unavailable:
            return False
        return True

    async def _rests(self) -> bool:
        async with self.database.begin() as connection:
            untold = await connection.scalar(text("SELECT count(*) FROM outbox"))
        return not untold and not await asyncio.to_thread(waiting, self.cloud, self.cloud.queue)

    async def _told_deleted(self) -> int:
        """How many messages the stream holds that say so."""
        subject, found, after = AudioDeleted.DESCRIPTOR.full_name, 0, 0
        while True:
            try:
                message = await self.stream.get_msg("RECORDING", after + 1, subject, next=True)
            except NotFoundError:
                return found
            found += AudioDeleted.FromString(message.data or b"").recording_id == self.recording_id
            after = message.seq or after + 1
