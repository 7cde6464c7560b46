"""Objects erased a second, beside a loop that only sends DeleteObjects, on moto and on buckets that cost nothing.

Assent's side is all that recording_svc does for a recording that is due: it asks for transcript and verdict (stand-ins
in this process, over gRPC), commits why it erases, lists, commits what it found, deletes, lists again, signs, commits.
The loop is told every version beforehand and deletes by the thousand, by the same client and with as many calls at
once; it neither lists nor verifies. In between stand the S3 calls of an erasure, listings included, and nothing else.
"""

import asyncio
import json
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from bench.erasure_proof import left_in
from bench.erasure_times import Bare, fresh_key, put, several
from recording_svc.buckets import AudioBuckets
from recording_svc.certificate import Signer
from recording_svc.domain.recordings import Arrival, CopyKind
from recording_svc.domain.settling import Times
from recording_svc.erasure import Erasure
from recording_svc.remnants import Place
from recording_svc.settlement import Settlement
from recording_svc.store import Recordings
from tests.recording.neighbours import Neighbours

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client

AT_ONCE = 8
"""Recordings that recording_svc settles at the same time."""
_BATCH = 1000
_PUTS_AT_ONCE = 8
Version = tuple[str, str, str]
"""Bucket, key and id."""


@dataclass(frozen=True)
class Shape:
    """So many recordings with so many objects each: an original, and versions of its mp3's key."""

    recordings: int
    objects: int

    @property
    def at_once(self) -> int:
        return min(AT_ONCE, self.recordings)

    def __str__(self) -> str:
        return f"{self.recordings} x {self.objects:,}"


@dataclass
class Rates:
    """Objects a second of each contender, round by round."""

    server: str
    shape: Shape
    bare: list[float] = field(default_factory=list)
    # The same S3 calls as Assent's, and nothing else.
    calls: list[float] = field(default_factory=list)
    assent: list[float] = field(default_factory=list)


class Buckets(Protocol):
    """An S3 server with the two buckets, and its client."""

    name: str
    s3: "S3Client"
    recordings: str
    audio: str

    async def put(self, bucket: str, key: str, number: int) -> list[str]:
        """Put so many versions of a key; returns their ids."""

    async def left(self) -> int:
        """What lies in the buckets, by their own account."""


class OnMoto:
    """moto, where each version is put as Whereby would put it."""

    name = "moto"

    def __init__(self, s3: "S3Client", recordings: str, audio: str) -> None:
        self.s3 = s3
        self.recordings, self.audio = recordings, audio

    async def put(self, bucket: str, key: str, number: int) -> list[str]:
        return await several(lambda _: put(self.s3, bucket, key), range(number), _PUTS_AT_ONCE)

    async def left(self) -> int:
        return await left_in(self.s3, self.recordings, self.audio)


class OnStub:
    """`bench.s3_stub`, which is filled by request."""

    name = "stub"
    recordings, audio = "recordings", "audio"

    def __init__(self, s3: "S3Client", url: str) -> None:
        self.s3 = s3
        self._url = url

    async def put(self, bucket: str, key: str, number: int) -> list[str]:
        versions = await asyncio.to_thread(self._ask, "fill", {"bucket": bucket, "key": key, "number": number})
        return [str(one) for one in versions]

    async def left(self) -> int:
        return int(await asyncio.to_thread(self._ask, "left", {}))

    def _ask(self, what: str, of: object) -> Any:
        return json.load(urllib.request.urlopen(f"{self._url}/{what}", json.dumps(of).encode()))  # noqa: S310  our own


class Contest:
    """Both contenders on one store and the servers they are given."""

    def __init__(self, recordings: Recordings, neighbours: Neighbours, signer: Signer) -> None:
        self._recordings = recordings
        self._neighbours = neighbours
        self._signer = signer
        # Objects of every recording that was to be erased.
        self.objects: dict[str, int] = {}
        self.left = 0

    async def play(self, buckets: Buckets, shape: Shape, rounds: int) -> Rates:
        """Rounds in turn; after each of them the buckets are counted."""
        rates, objects = Rates(buckets.name, shape), shape.recordings * shape.objects
        for _ in range(rounds):
            versions = [one for recording in await _fill(buckets, shape) for one in recording]
            rates.bare.append(objects / await _bare(buckets.s3, versions, shape.at_once))
            self.left += await buckets.left()
            rates.calls.append(objects / await _calls(buckets.s3, await _fill(buckets, shape), shape.at_once))
            self.left += await buckets.left()
            rates.assent.append(objects / await self._assent(buckets, shape))
            self.left += await buckets.left()
        return rates

    async def _assent(self, buckets: Buckets, shape: Shape) -> float:
        """Seconds until all of them are erased and certified."""
        due = [await self._take_in(buckets, versions) for versions in await _fill(buckets, shape)]
        self.objects |= dict.fromkeys(due, shape.objects)
        erasure = Erasure(AudioBuckets(buckets.s3), _now)
        consent, transcripts = self._neighbours.consent, self._neighbours.transcripts
        settlement = Settlement(self._recordings, consent, transcripts, erasure, self._signer, Times(), _now)
        began = time.perf_counter()
        await several(settlement.settle, due, shape.at_once)
        return time.perf_counter() - began

    async def _take_in(self, buckets: Buckets, versions: Sequence[Version]) -> str:
        (taken,) = await self._recordings.take_in([Arrival(*versions[0], 5)], _now())
        mp3 = f"{taken.object_key}.mp3"
        await self._recordings.register(taken.recording_id, CopyKind.MP3, buckets.audio, mp3, _now())
        return taken.recording_id


async def _fill(buckets: Buckets, shape: Shape) -> list[list[Version]]:
    """The versions of each recording, the original's first."""

    async def one(key: str) -> list[Version]:
        originals = await buckets.put(buckets.recordings, key, 1)
        mp3s = await buckets.put(buckets.audio, f"{key}.mp3", shape.objects - 1)
        named = [(buckets.recordings, key, version) for version in originals]
        return named + [(buckets.audio, f"{key}.mp3", version) for version in mp3s]

    return await several(one, [fresh_key() for _ in range(shape.recordings)], AT_ONCE)


async def _calls(s3: "S3Client", recordings: Sequence[list[Version]], at_once: int) -> float:
    """Seconds for the S3 calls of their erasures."""
    places = [(Place(*versions[0]), Place(*versions[1][:2])) for versions in recordings]
    began = time.perf_counter()
    await several(Bare(s3).erase, places, at_once)
    return time.perf_counter() - began


async def _bare(s3: "S3Client", versions: Sequence[Version], at_once: int) -> float:
    """Seconds for DeleteObjects, a thousand of one bucket at a time."""
    batches = []
    for bucket in dict.fromkeys(bucket for bucket, _, _ in versions):
        of_bucket = [(key, version) for it, key, version in versions if it == bucket]
        batches += [(bucket, of_bucket[start : start + _BATCH]) for start in range(0, len(of_bucket), _BATCH)]

    async def delete(batch: tuple[str, list[tuple[str, str]]]) -> None:
        bucket, objects = batch
        named = [{"Key": key, "VersionId": version} for key, version in objects]
        reply = await s3.delete_objects(Bucket=bucket, Delete={"Objects": named, "Quiet": True})  # type: ignore[typeddict-item]
        if reply.get("Errors"):
            raise AssertionError(f"not deleted: {reply['Errors'][:3]}")

    began = time.perf_counter()
    await several(delete, batches, at_once)
    return time.perf_counter() - began


def _now() -> datetime:
    return datetime.now(UTC)
