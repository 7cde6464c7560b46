"""Audio erased and proven gone: how soon after its transcript, and how many objects a second.

Both beside the bare S3 calls by the service's own client. From event to event it is timed through a real
recording_svc on moto. Objects a second are counted on buckets that cost next to nothing too, as moto is itself the
limit.
"""

import asyncio
import os
import secrets
import statistics
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from bench.erasure_proof import left_in, not_certified
from bench.erasure_rates import Contest, OnMoto, OnStub, Rates, Shape
from bench.erasure_times import Plan, Running, Times, play, tls_of
from bench.processes import usage
from bench.recordings import fresh_store, s3_of_service
from bench.servers import S3Stub
from deploy.local import Moto, Postgres, Stack
from deploy.local.buckets import Cloud
from deploy.local.keys import own_variables
from deploy.local.run_dir import RunDir
from recording_svc.certificate import Signer
from tests.recording.neighbours import Neighbours

P99_SECONDS = 1.0
"""At most, from TranscriptCompleted to AudioDeleted, S3's own time not counted."""
RATIO = 0.7
"""At least, of the bare loop's objects a second."""


@dataclass(frozen=True)
class Sizes:
    """Rounds of each contender; recordings of a round that are timed; shapes on each server."""

    rounds: int = 5
    timed: int = 20
    at_once: tuple[int, ...] = (1, 8)
    on_stub: tuple[Shape, ...] = (Shape(1, 2500), Shape(16, 2))
    # moto's time for deleting versions of one key grows with the cube of their number.
    on_moto: tuple[Shape, ...] = (Shape(1, 150), Shape(10, 2))


@dataclass
class Seen:
    """What was found in the end."""

    recordings: int = 0
    not_certified: int = 0
    left: int = 0


async def measure(stack: Stack, sizes: Sizes) -> int:
    """Print times and rates; 1 where an object is left or a certificate is missing. Aims missed are only printed."""
    postgres, moto = stack.parts["postgres"], stack.parts["moto"]
    assert isinstance(postgres, Postgres)
    assert isinstance(moto, Moto)
    # A directory of its own: another recording_svc of the stack must not take its events.
    run_dir, seen = RunDir(stack.run_dir.path / "erasure"), Seen()
    pids = {"bench": os.getpid(), "postgres": postgres.pid}
    if sizes.at_once:
        _print_times(await _times(run_dir, postgres, moto, sizes, pids, seen))
    before = usage(pids)
    rates = await _rates(run_dir, postgres, moto, sizes, seen)
    _print_rates(rates, (usage(pids) - before).others)
    print(f"\n{seen.recordings} recordings erased: {seen.not_certified} not certified, {seen.left} objects left")
    return int(seen.not_certified > 0 or seen.left > 0)


async def _times(
    run_dir: RunDir, postgres: Postgres, moto: Moto, sizes: Sizes, pids: Mapping[str, int | None], seen: Seen
) -> list[Times]:
    key = Path(own_variables(run_dir)["ASSENT_CERTIFICATE_PUBLIC_KEY_FILE"])
    async with AsyncExitStack() as leaving:
        running = Running(run_dir, postgres, moto)
        await running.start(leaving)
        plan = Plan(sizes.rounds, sizes.timed, await _fresh_buckets(moto, "bench-erasure-bare"), pids)
        await play(running, 1, replace(plan, rounds=1, a_round=min(sizes.timed, 8)))  # warms up
        times = []
        for at_once in sizes.at_once:
            of_these, recording_ids = await play(running, at_once, plan)
            times.append(of_these)
            seen.recordings += len(recording_ids)
            objects = dict.fromkeys(recording_ids, 2)
            seen.not_certified += len(await not_certified(running.recordings, key, objects))
        seen.left += await left_in(running.s3, *running.buckets, *plan.buckets)
    return times


async def _rates(run_dir: RunDir, postgres: Postgres, moto: Moto, sizes: Sizes, seen: Seen) -> list[Rates]:
    own = own_variables(run_dir)
    async with AsyncExitStack() as leaving:
        recordings = (await fresh_store(postgres, leaving)).recordings
        neighbours = await leaving.enter_async_context(Neighbours(tls_of(own)))
        neighbours.refuse()
        contest = Contest(recordings, neighbours, Signer.load(Path(own["ASSENT_CERTIFICATE_KEY_FILE"])))
        stub = await asyncio.to_thread(leaving.enter_context, S3Stub(run_dir))
        url = f"http://{stub.address}"
        on_stub = OnStub(await s3_of_service(Cloud(url, "us-east-1", "x", "x"), leaving), url)
        on_moto = OnMoto(await s3_of_service(moto.cloud, leaving), *await _fresh_buckets(moto, "bench-erasure-rates"))
        rates = [await contest.play(on_stub, shape, sizes.rounds) for shape in sizes.on_stub]
        rates += [await contest.play(on_moto, shape, sizes.rounds) for shape in sizes.on_moto]
        key = Path(own["ASSENT_CERTIFICATE_PUBLIC_KEY_FILE"])
        seen.not_certified += len(await not_certified(recordings, key, contest.objects))
    seen.recordings += len(contest.objects)
    seen.left += contest.left
    return rates


async def _fresh_buckets(moto: Moto, prefix: str) -> tuple[str, str]:
    names = await asyncio.to_thread(moto.fresh_buckets, f"{prefix}-{secrets.token_hex(4)}")
    return names["ASSENT_RECORDINGS_BUCKET"], names["ASSENT_AUDIO_BUCKET"]


def _print_times(rows: Sequence[Times]) -> None:
    print("\nms from TranscriptCompleted to AudioDeleted, on moto")
    print(f"{'':<9}" + "".join(f"{title:>17} " for title in ("assent", "S3 calls alone", "beside them")))
    print(f"{'at once':<9}" + f"{'p50':>8} {'p99':>8} " * 3 + f"{'others':>7}")
    for row in rows:
        figures = [(_part(row.assent, part), _part(row.s3, part)) for part in (0.5, 0.99)]
        (p50, p50_s3), (p99, p99_s3) = figures
        shown = (p50, p99, p50_s3, p99_s3, p50 - p50_s3, p99 - p99_s3)
        missed = "" if p99 - p99_s3 < P99_SECONDS else f"  above the aim of {P99_SECONDS:g} s"
        line = "".join(f"{1000 * seconds:>8.1f} " for seconds in shown)
        print(f"{row.at_once:<9}{line}{statistics.median(row.others):>7.0%}{missed}")


def _part(times: Sequence[float], part: float) -> float:
    """Seconds that this part of the times stays below."""
    return sorted(times)[int(len(times) * part)]


def _print_rates(rows: Sequence[Rates], others: float) -> None:
    print(f"\n{'objects a second':<18} {'bare':>8} {'S3 calls':>8} {'assent':>8} {'of bare':>8} {'of calls':>8}")
    for row in rows:
        bare, calls, assent = (statistics.median(it[1:] or it) for it in (row.bare, row.calls, row.assent))
        reached = "" if assent / bare >= RATIO else f"  below the aim of {RATIO}"
        figures = f"{bare:>8.0f} {calls:>8.0f} {assent:>8.0f} {assent / bare:>8.2f} {assent / calls:>8.2f}"
        print(f"{f'{row.server}, {row.shape}':<18} {figures}{reached}")
    print(f"S3 calls: those of an erasure and nothing else; others: {others:.0%}")
