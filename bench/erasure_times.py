"""From TranscriptCompleted to AudioDeleted through a real recording_svc, beside the same S3 calls and nothing else.

Only consent_svc and transcript_svc are stand-ins, the tests' own, which answer at once, over gRPC.
"""

import asyncio
import itertools
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from assent.recording.v1 import recording_pb2
from assent.recording.v1.recording_events_pb2 import AudioDeleted
from assent.recording.v1.recording_service_pb2 import RegisterCopyRequest
from assent.recording.v1.recording_service_pb2_grpc import RecordingServiceStub
from assent.transcript.v1.transcript_events_pb2 import TranscriptCompleted

from bench.processes import usage
from bench.recordings import ROLE, fresh_store, s3_of_service
from chassis.bus import Bus, Delivery
from chassis.channel import Tls, connect
from deploy.local import Moto, Nats, Postgres
from deploy.local.keys import own_variables
from deploy.local.run_dir import RunDir
from deploy.local.services import Service
from recording_svc.buckets import AudioBuckets
from recording_svc.domain.recordings import State
from recording_svc.erasure import Erasure, Gone
from recording_svc.remnants import Place, Remnant
from tests.recording.neighbours import COMPLETED, PROCESSING, Neighbours

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client

_PATIENCE = 60.0
_PUT_AT_ONCE = 8
T = TypeVar("T")
R = TypeVar("R")
_numbers = itertools.count(1)


@dataclass
class Times:
    """Seconds that each recording took, and what strangers used of the machine meanwhile, round by round."""

    at_once: int
    assent: list[float] = field(default_factory=list)
    # The same S3 calls, and nothing else.
    s3: list[float] = field(default_factory=list)
    others: list[float] = field(default_factory=list)


class Running:
    """A recording_svc of its own, with a NATS, a database and buckets of its own, and whoever speaks to it."""

    def __init__(self, run_dir: RunDir, postgres: Postgres, moto: Moto) -> None:
        self._run_dir, self._postgres, self._moto = run_dir, postgres, moto
        self._own = own_variables(run_dir)
        self._tls = tls_of(self._own)
        self._deleted: dict[str, asyncio.Future[float]] = {}

    async def start(self, leaving: AsyncExitStack) -> None:
        """Start everything; `leaving` stops it."""
        nats = await asyncio.to_thread(leaving.enter_context, Nats(self._run_dir))
        database, _, self.recordings = await fresh_store(self._postgres, leaving)
        self._neighbours = await leaving.enter_async_context(Neighbours(self._tls))
        self._neighbours.written.default = PROCESSING
        names = await asyncio.to_thread(self._moto.fresh_buckets, f"bench-erasure-{uuid.uuid4()}")
        self.buckets = (names["ASSENT_RECORDINGS_BUCKET"], names["ASSENT_AUDIO_BUCKET"])
        variables = self._own | names | nats.env() | self._addresses(database)
        service = Service(self._run_dir, "recording_svc", lambda: variables | service.env())
        await asyncio.to_thread(leaving.enter_context, service)
        channel = await leaving.enter_async_context(connect(service.address, self._tls))
        self._service = RecordingServiceStub(channel)
        self._bus = await leaving.enter_async_context(Bus(nats.url))
        await self._bus.connected()
        self._bus.consume(AudioDeleted, consumer="bench", handle=self._note)
        self.s3 = await s3_of_service(self._moto.cloud, leaving)

    def _addresses(self, database: str) -> dict[str, str]:
        return {
            "ASSENT_CONSENT_ADDRESS": self._neighbours.address,
            "ASSENT_TRANSCRIPT_ADDRESS": self._neighbours.address,
            "ASSENT_RECORDING_DATABASE_URL": self._postgres.url(database, role=ROLE),
            "ASSENT_RECORDING_MIGRATION_DATABASE_URL": self._postgres.url(database),
        }

    async def prepare(self, number: int) -> list[str]:
        """So many recordings whose transcript is under way, with an mp3 each, of a meeting that is refused then."""
        meeting_id, recordings, audio = f"meeting-{next(_numbers)}", *self.buckets
        keys = [fresh_key() for _ in range(number)]
        self._neighbours.answers.meetings |= {key: [meeting_id] for key in keys}
        await several(lambda key: put(self.s3, recordings, key), keys, _PUT_AT_ONCE)
        recording_ids = await self._taken_in(keys)
        await several(lambda one: self._write_mp3(one, audio), recording_ids, _PUT_AT_ONCE)
        self._neighbours.refuse(meeting_id)
        return recording_ids

    async def _taken_in(self, keys: Sequence[str]) -> list[str]:
        async with asyncio.timeout(_PATIENCE):
            while True:
                found = await self.recordings.of_versions(self.buckets[0], keys)
                if sum(one.state is State.TRANSCRIBING for one in found) == len(keys):
                    return [one.recording_id for one in found]
                await asyncio.sleep(0.05)  # it tells nobody

    async def _write_mp3(self, recording_id: str, bucket: str) -> None:
        place = {"recording_id": recording_id, "bucket": bucket, "key": f"{recording_id}.mp3"}
        await self._service.RegisterCopy(RegisterCopyRequest(kind=recording_pb2.COPY_KIND_MP3, **place), timeout=10)
        await put(self.s3, bucket, place["key"])

    async def erase(self, recording_id: str) -> float:
        """Say that the transcript is completed; seconds until NATS has brought AudioDeleted."""
        self._neighbours.written.status[recording_id] = COMPLETED
        self._deleted[recording_id] = asyncio.get_running_loop().create_future()
        began = time.perf_counter()
        await self._bus.publish(
            TranscriptCompleted(
                transcript_id=f"transcript-of-{recording_id}", recording_id=recording_id, duration_ms=35_000
            )
        )
        async with asyncio.timeout(_PATIENCE):
            return await self._deleted[recording_id] - began

    async def _note(self, delivery: Delivery[AudioDeleted]) -> None:
        waiting = self._deleted[delivery.message.recording_id]
        if not waiting.done():
            waiting.set_result(time.perf_counter())


class Bare:
    """The S3 calls of an erasure, by the service's own client and in its order, with nothing to commit between."""

    def __init__(self, s3: "S3Client") -> None:
        self._s3 = s3
        self._erasure = Erasure(AudioBuckets(s3), lambda: datetime.now(UTC))

    async def prepare(self, number: int, recordings: str, audio: str) -> list[tuple[Place, Place]]:
        """The places of so many recordings in these two buckets, an original and an mp3 each."""

        async def one(key: str) -> tuple[Place, Place]:
            version = await put(self._s3, recordings, key)
            await put(self._s3, audio, f"{key}.mp3")
            return Place(recordings, key, version), Place(audio, f"{key}.mp3")

        return await several(one, [fresh_key() for _ in range(number)], _PUT_AT_ONCE)

    async def erase(self, places: tuple[Place, Place]) -> float:
        """Seconds that the calls take."""

        async def note_nothing(remnants: Sequence[Remnant]) -> None:
            pass

        began = time.perf_counter()
        outcome = await self._erasure.erase(places, note_nothing)
        if not isinstance(outcome, Gone):
            raise AssertionError(f"not erased: {outcome}")
        return time.perf_counter() - began


@dataclass(frozen=True)
class Plan:
    """How the times are taken; the buckets are those of the bare calls, as large as the service's own."""

    rounds: int
    a_round: int
    buckets: tuple[str, str]
    pids: Mapping[str, int | None]


async def play(running: Running, at_once: int, plan: Plan) -> tuple[Times, list[str]]:
    """Rounds in turn, each with buckets that hold nothing but its recordings. Returns the recordings too."""
    times, recording_ids, bare = Times(at_once), list[str](), Bare(running.s3)
    for _ in range(plan.rounds):
        ours, theirs = await running.prepare(plan.a_round), await bare.prepare(plan.a_round, *plan.buckets)
        before = usage(plan.pids)
        times.assent += await several(running.erase, ours, at_once)
        times.s3 += await several(bare.erase, theirs, at_once)
        times.others.append((usage(plan.pids) - before).others)
        recording_ids += ours
    return times, recording_ids


async def several(work: Callable[[T], Awaitable[R]], over: Sequence[T], at_once: int) -> list[R]:
    """Do it for each of them, so many at a time; what each returned."""
    turns = asyncio.Semaphore(at_once)

    async def one(it: T) -> R:
        async with turns:
            return await work(it)

    return await asyncio.gather(*map(one, over))


def tls_of(variables: Mapping[str, str]) -> Tls:
    """The certificates that these variables name."""
    return Tls(*(Path(variables[f"ASSENT_TLS_{part}"]) for part in ("CA", "CERT", "KEY")))


def fresh_key() -> str:
    """A key as Whereby names objects, like no other."""
    return f"room-{uuid.uuid4()}-2026-11-22T11:20:00Z.mp4"


async def put(s3: "S3Client", bucket: str, key: str) -> str:
    """Put a small object; returns its version."""
    return (await s3.put_object(Bucket=bucket, Key=key, Body=b"audio"))["VersionId"]
