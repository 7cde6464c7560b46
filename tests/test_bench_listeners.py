"""The measurement of a fan-out: it prints its tables, and a delivery that is lost, repeated or wrong fails it."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bench import listeners
from bench.deliveries import Round, Series, print_faults, print_tables
from bench.listening import Audience, Plan
from bench.processes import Usage
from deploy.local import Stack
from gateway.frames import text_frame

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("ASSENT_", "AWS_"))}
PARTS = ("postgres", "nats", "moto", "issuer", "transcript_svc", "gateway")
SMALL = listeners.Sizes(listeners=5, rounds=1, single=2, at_once=3, beat_seconds=0.05)
TEXTS = ["came", "one", "two " * 40, "three" * 20_000, "last"]
CAME, ONE, TWO, THREE, LAST = map(text_frame, TEXTS)
PING, CLOSE = b"\x89\x04ping", b"\x88\x02\x03\xf5"


@asynccontextmanager
async def server(frames: bytes) -> AsyncIterator[int]:
    """Sends these bytes, in pieces, to whoever comes and says something."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        for start in range(0, len(frames), 777):
            writer.write(frames[start : start + 777])
            await writer.drain()
        await reader.read()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    ("frames", "faults"),
    [
        ((ONE, PING, TWO, THREE), {}),
        ((ONE, THREE), {"lost": 1}),
        ((), {"lost": 3}),
        ((ONE, ONE, TWO, THREE), {"repeated": 1}),
        ((ONE, TWO, THREE, ONE), {"repeated": 1}),
        ((TWO, ONE, THREE), {"out of order": 1}),
        ((ONE, text_frame("else"), TWO, THREE), {"unlike what was sent": 1}),
        ((ONE, TWO, CLOSE, THREE), {"closed with 1013": 1}),
    ],
)
async def test_what_is_not_heard_once_and_in_order_is_a_fault(
    frames: tuple[bytes, ...], faults: dict[str, int], tmp_path: Path
) -> None:
    async with server(b"".join((CAME, *frames, LAST))) as port:
        plan = Plan("127.0.0.1", port, 1, "", TEXTS, [4], str(tmp_path / "arrivals"))
        async with Audience(plan) as audience:
            assert await audience.had_by_all(0)
            assert await audience.had_by_all(4)
            heard, arrivals = await audience.leave()
    assert heard.faults == faults
    assert sum(1 for moment in arrivals if not moment) == faults.get("lost", 0)


def series(*rounds: tuple[float, list[float]]) -> Series:
    """Two listeners, and for each round its CPU seconds and the six moments, behind its beginning, of three frames."""
    played, arrivals = [], [0.0, 0.0]
    for number, (cpu, late) in enumerate(rounds):
        first, began = 1 + 3 * number, 100.0 * number
        groups = {"server": cpu, "listeners": cpu, "bench": cpu, "postgres": 0.0}
        played.append(Round({first: began}, range(first + 1, first + 3), began, Usage(1.0, groups, cpu)))
        arrivals += [began + moment for moment in late]
    return Series("any", 2, played, arrivals)


def test_figures_are_medians_of_the_rounds_behind_the_first_and_ratios_those_of_pairs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    slow, quick = (99.0, [8.0, 9.0, 9.0, 9.0, 9.0, 9.0]), (0.6, [0.1, 0.2, 0.5, 0.5, 0.5, 1.0])
    ours = series(slow, quick, (1.2, [0.3, 0.4, 0.5, 0.5, 0.5, 2.0]))
    assert ours.latency(0.99) == pytest.approx(0.3)
    assert ours.latency(0.0) == pytest.approx(0.2)
    assert ours.rate == pytest.approx((4 / 1.0 + 4 / 2.0) / 2)
    assert ours.cost("server") == pytest.approx(0.15)
    print_tables(ours, series(slow, slow, quick))
    # Of the pairs 9 and 0.5 for the rate; 0.2 / 9 and 0.4 / 0.2 for what nearly all stay below.
    assert "any of any: rate 4.75 (aim 0.6), p50 1.01, p99 1.01 (aim below 1.5)" in capsys.readouterr().out


def test_what_is_had_before_its_telling_was_noted_took_no_time_but_no_less_either() -> None:
    early = series((0.6, [-0.3, -0.2, -0.5, -0.4, -0.3, -0.1]))
    assert (early.latency(0.0), early.latency(0.99)) == pytest.approx((0.0, 0.1))
    assert early.rate == pytest.approx(4 / 0.4)
    assert series((0.6, [-0.3] * 6)).rate > 0


def test_any_fault_of_any_contender_fails_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert print_faults([Series("ours", 2), Series("plain", 2)]) == 0
    assert print_faults([Series("ours", 2), Series("plain", 2, faults={"lost": 2})]) == 1
    assert "      2 x plain: lost" in capsys.readouterr().out


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("stack"), parts=PARTS, environ=CLEAN, fsync=False) as stack:
        yield stack


async def test_one_short_round_prints_the_tables(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    assert await listeners.measure(stack, SMALL) == 0
    printed = capsys.readouterr().out
    for name in ("gateway", "plain sockets"):
        assert re.search(rf"^{name} +[0-9,]+( +-?[0-9.]+){{4}} +\d+%$", printed, re.MULTILINE)
    assert re.search(r"^gateway of plain sockets: rate [0-9.]+ .*p99 [0-9.]+", printed, re.MULTILINE)
    assert "60 deliveries: 0 lost, repeated or wrong" in printed


async def test_more_listeners_than_files_may_be_open_are_refused_with_a_reason(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    too_many = listeners.Sizes(listeners=10**9)
    assert await listeners.measure(stack, too_many) == 1
    assert "the hard limit is" in capsys.readouterr().out
