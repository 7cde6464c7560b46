"""Recordings taken in, beside a loop that receives and deletes messages and does no work.

On moto, which is itself the limit, and on a queue that costs next to nothing. Both contenders use the same client, the
same bodies and as many calls at once; rounds alternate. From put to row is timed on moto, where events name no version,
so that the bucket is asked as well.
"""

import asyncio
import json
import statistics
import time
import urllib.request
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiobotocore.session import get_session
from sqlalchemy import text

from bench.recordings import fresh_store
from bench.servers import QueueStub
from deploy.local import Moto, Postgres, Stack
from deploy.local.buckets import Cloud
from recording_svc.buckets import AudioBuckets
from recording_svc.intake import Intake, Pace, Queues
from recording_svc.store.postgres import PostgresRecordings

AIM = 0.8
_RECEIVERS = 2
_AT_ONCE = _RECEIVERS * Pace().batches


@dataclass(frozen=True)
class Sizes:
    """Rounds of each contender (the first is thrown away), messages in a round, and objects put one by one."""

    rounds: int = 5
    on_stub: int = 2000
    on_moto: int = 100
    puts: int = 60


class Counting:
    """A client of SQS that tells when so many messages have been deleted."""

    def __init__(self, sqs: Any, expected: int) -> None:
        self._sqs = sqs
        self._left = expected
        self.done = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sqs, name)

    async def delete_message_batch(self, **asked: Any) -> Any:
        reply = await self._sqs.delete_message_batch(**asked)
        self._left -= len(reply["Successful"])
        if self._left <= 0:
            self.done.set()
        return reply


class Bench:
    """The clients, the store and the bucket that a contender uses."""

    def __init__(self, s3: Any, recordings: PostgresRecordings, names: dict[str, str]) -> None:
        self._audio = AudioBuckets(s3)
        self._s3 = s3
        self.recordings = recordings
        self.queue = names["ASSENT_RECORDINGS_QUEUE_URL"]
        self._bucket = names["ASSENT_RECORDINGS_BUCKET"]
        self._dead_letters = names["ASSENT_RECORDINGS_DLQ_URL"]

    def body(self) -> str:
        """What AWS says of one new object; in a bucket with versions it names the version."""
        key = f"room-{uuid.uuid4()}-2026-11-22T11%3A20%3A00Z.mp4"
        described = {"key": key, "size": 5, "versionId": "v1"}
        s3 = {"bucket": {"name": self._bucket}, "object": described}
        return json.dumps({"Records": [{"eventName": "ObjectCreated:Put", "s3": s3}]})

    async def assent(self, sqs: Any, queue: str, done: asyncio.Event, recordings: Any = None) -> None:
        """Intake as the service runs it, until `done`."""
        queues, store = Queues(queue, self._dead_letters), recordings or self.recordings
        intake = Intake(sqs, queues, self._bucket, self._audio, store, lambda: datetime.now(UTC), lambda: None)
        await _until(done, [intake.run] * _RECEIVERS)

    async def bare(self, sqs: Any, queue: str, done: asyncio.Event, received: Callable[[Any], object] = id) -> None:
        """Receive and delete, as many calls at once, until `done`."""

        async def loop() -> None:
            while True:
                reply = await sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=20)
                messages = reply.get("Messages", [])
                if messages:
                    received(messages)
                    entries = [{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(messages)]
                    await sqs.delete_message_batch(QueueUrl=queue, Entries=entries)

        await _until(done, [loop] * _AT_ONCE)

    async def put(self) -> str:
        """One object into the bucket; returns its key."""
        key = f"room-{uuid.uuid4()}-2026-11-22T11:20:00Z.mp4"
        await self._s3.put_object(Bucket=self._bucket, Key=key, Body=b"audio")
        return key


async def _until(done: asyncio.Event, loops: Sequence[Callable[[], Awaitable[None]]]) -> None:
    tasks = [asyncio.ensure_future(loop()) for loop in loops]
    waiting = asyncio.ensure_future(done.wait())
    await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED, timeout=120)
    for task in (waiting, *tasks):
        task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    if failed := [one for one in ended if isinstance(one, Exception)]:
        raise failed[0]
    if not done.is_set():
        raise TimeoutError("not everything was received and deleted within 120 s")


async def measure(stack: Stack, sizes: Sizes) -> int:
    """Print rates and times; 1 where a message is left or a row is missing. Whether the aim is reached is printed."""
    postgres, moto = stack.parts["postgres"], stack.parts["moto"]
    assert isinstance(postgres, Postgres)
    assert isinstance(moto, Moto)
    async with AsyncExitStack() as leaving:
        _, database, recordings = await fresh_store(postgres, leaving)
        # A bucket for each: a long poll that was given up still takes messages in moto.
        names = [await asyncio.to_thread(moto.fresh_buckets, f"bench-{one}") for one in ("bare", "assent")]
        s3, sqs = [await leaving.enter_async_context(_client(moto.cloud, kind)) for kind in ("s3", "sqs")]
        bare, bench = [Bench(s3, recordings, one) for one in names]
        stub = f"http://{leaving.enter_context(QueueStub(stack.run_dir)).address}"
        stub_sqs = await leaving.enter_async_context(_client(Cloud(stub, "us-east-1", "x", "x"), "sqs"))
        times = {"bare": await _from_put_to_message(bare, sqs, sizes.puts)}
        times["assent"] = await _from_put_to_row(bench, sqs, sizes.puts)
        rates = {"stub": await _rounds(bench, stub_sqs, sizes.rounds, sizes.on_stub, _filler(stub))}
        rates["moto"] = await _rounds(bench, sqs, sizes.rounds, sizes.on_moto, _sender(sqs))
        left = (await asyncio.to_thread(_ask, f"{stub}/left", {}))["left"]
        expected = sizes.rounds * (sizes.on_stub + sizes.on_moto) + sizes.puts
        async with database.begin() as connection:
            rows = await connection.scalar(text("SELECT count(*) FROM recordings"))
    _print(rates, times)
    print(f"\n{rows} rows of {expected} recordings, {left} messages left")
    return int(rows != expected or left != 0)


def _client(cloud: Cloud, kind: str) -> Any:
    return get_session().create_client(
        kind,  # type: ignore[call-overload]  # the stubs want a literal
        region_name=cloud.region,
        endpoint_url=cloud.endpoint,
        aws_access_key_id=cloud.access_key_id,
        aws_secret_access_key=cloud.secret_access_key,
    )


_Fill = Callable[[list[str]], Awaitable[str]]
"""Puts these bodies into a queue and returns its URL."""


def _ask(url: str, what: object) -> Any:
    return json.load(urllib.request.urlopen(url, json.dumps(what).encode()))  # noqa: S310  our own stub


def _filler(stub: str) -> _Fill:
    async def fill(bodies: list[str]) -> str:
        await asyncio.to_thread(_ask, f"{stub}/fill", bodies)
        return f"{stub}/queue"

    return fill


def _sender(sqs: Any) -> _Fill:
    async def fill(bodies: list[str]) -> str:
        queue = str((await sqs.create_queue(QueueName=f"bench-{uuid.uuid4()}"))["QueueUrl"])
        for start in range(0, len(bodies), 10):
            entries = [{"Id": str(i), "MessageBody": body} for i, body in enumerate(bodies[start : start + 10])]
            await sqs.send_message_batch(QueueUrl=queue, Entries=entries)
        return queue

    return fill


async def _rounds(bench: Bench, sqs: Any, rounds: int, messages: int, fill: _Fill) -> dict[str, list[float]]:
    """Messages a second of each contender, round by round."""
    rates: dict[str, list[float]] = {"bare": [], "assent": []}
    for _ in range(rounds):
        for name, contender in (("bare", bench.bare), ("assent", bench.assent)):
            queue = await fill([bench.body() for _ in range(messages)])
            counting = Counting(sqs, messages)
            began = time.perf_counter()
            await contender(counting, queue, counting.done)
            rates[name].append(messages / (time.perf_counter() - began))
    return rates


class _Committed:
    """A store that notes when each key was committed."""

    def __init__(self, recordings: PostgresRecordings) -> None:
        self._recordings = recordings
        self.at: dict[str, float] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._recordings, name)

    async def take_in(self, arrivals: Any, now: datetime) -> Any:
        new = await self._recordings.take_in(arrivals, now)
        self.at.update({one.object_key: time.perf_counter() for one in new})
        return new


async def _from_put_to_row(bench: Bench, sqs: Any, puts: int) -> list[float]:
    """Seconds from an object's put to its row."""
    committed, done = _Committed(bench.recordings), asyncio.Event()
    running = asyncio.ensure_future(bench.assent(sqs, bench.queue, done, committed))
    times = [await _one_put(bench, committed.at) for _ in range(puts)]
    done.set()
    await running
    return times


async def _from_put_to_message(bench: Bench, sqs: Any, puts: int) -> list[float]:
    """Seconds from an object's put to its message in the hands of the bare loop."""
    received, done = dict[str, float](), asyncio.Event()

    def note(messages: Any) -> None:
        for message in messages:
            for record in json.loads(message["Body"]).get("Records", []):
                received[record["s3"]["object"]["key"].replace("%3A", ":")] = time.perf_counter()

    running = asyncio.ensure_future(bench.bare(sqs, bench.queue, done, note))
    times = [await _one_put(bench, received) for _ in range(puts)]
    done.set()
    await running
    return times


async def _one_put(bench: Bench, seen: dict[str, float]) -> float:
    began = time.perf_counter()
    key = await bench.put()
    async with asyncio.timeout(30):
        while key not in seen:  # noqa: ASYNC110  both contenders note it as they can
            await asyncio.sleep(0.001)
    return seen[key] - began


def _print(rates: dict[str, dict[str, list[float]]], times: dict[str, list[float]]) -> None:
    print(f"\n{'recordings a second':<22} {'bare':>8} {'assent':>8} {'of bare':>8}")
    for queue, of_queue in rates.items():
        bare, assent = (statistics.median(of_queue[name][1:] or of_queue[name]) for name in ("bare", "assent"))
        reached = "" if assent / bare >= AIM else f"  below the aim of {AIM}"
        print(f"{queue:<22} {bare:>8.0f} {assent:>8.0f} {assent / bare:>8.2f}{reached}")
    print(f"\n{'from put, on moto':<22} {'p50 ms':>8} {'p99 ms':>8}")
    for name, told in (("bare", "to message (bare)"), ("assent", "to row (assent)")):
        ordered = sorted(times[name])
        p50, p99 = (1000 * ordered[int(len(ordered) * part)] for part in (0.5, 0.99))
        print(f"{told:<22} {p50:>8.1f} {p99:>8.1f}")
