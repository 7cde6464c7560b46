"""Parts are killed while people answer: nothing that anybody was told is lost, changed or out of order."""

import os
import sys
import time
from collections.abc import Mapping

import pytest

from deploy.local import Stack
from tests.chaos.clients import Clients
from tests.chaos.crash import Crash, crash_under_load
from tests.chaos.people import gather
from tests.chaos.presses import Tally
from tests.chaos.proof import LOST, OUT_OF_ORDER, faults
from tests.system.world import World

KILLS = int(os.environ.get("ASSENT_CHAOS_KILLS", "3"))
ANSWERS = int(os.environ.get("ASSENT_CHAOS_ANSWERS", "1000"))
LEARNS = 2.0
"""Seconds within which whoever answers learns how it went, also while parts are away."""
_AFTERWARDS = 0.5  # seconds for which what was refused before the first answer may still be on its way


@pytest.mark.timeout(120 + 20 * KILLS + ANSWERS // 20)
@pytest.mark.parametrize(
    ("part", "kills", "answers"),
    [
        ("postgres", KILLS, ANSWERS),
        ("consent_svc", (KILLS + 1) // 2, ANSWERS // 2),
        ("gateway", (KILLS + 1) // 2, ANSWERS // 2),
    ],
)
async def test_c1_c2_c3_no_acknowledged_answer_is_lost_or_out_of_order_however_often_a_part_is_killed(
    stack: Stack, world: World, capsys: pytest.CaptureFixture[str], part: str, kills: int, answers: int
) -> None:
    clients = Clients(world.env["ASSENT_GATEWAY_URL"], await gather(world, meetings=20, each=4))
    tally, began = clients.tally, time.monotonic()
    crashes = await crash_under_load(stack, part, clients, kills, answers)
    seconds = time.monotonic() - began
    found = await faults(world, tally)
    with capsys.disabled():
        sys.stdout.write(f"\n{_figures(part, crashes, tally, seconds, found)}\n")
    assert found == {}
    assert (tally.strange, tally.hanging) == ({}, 0)
    assert (tally.acknowledged >= answers, tally.under_way) == (True, 0)
    assert min(crash.under_way for crash in crashes) > 0, "nothing was under way when the part was killed"
    assert max((waited for _, waited in tally.refused), default=0) <= LEARNS + tally.lateness
    assert _while_all_was_well([at for at, _ in tally.refused], crashes, tally.lateness) == []
    assert _while_all_was_well(tally.disconnected, crashes if part == "gateway" else [], tally.lateness) == []


def _while_all_was_well(times: list[float], crashes: list[Crash], lateness: float) -> list[float]:
    late = _AFTERWARDS + lateness
    return [at for at in times if not any(one.killed <= at <= one.served + late for one in crashes)]


def _figures(part: str, crashes: list[Crash], tally: Tally, seconds: float, found: Mapping[str, int]) -> str:
    longest = max(crash.served - crash.returned for crash in crashes)
    refusal = max((waited for _, waited in tally.refused), default=0)
    return (
        f"kill -9 of {part}: {len(crashes)} kills, {tally.acknowledged} acknowledged, {tally.retried} retried "
        f"({tally.replies_lost} of them had been committed), "
        f"{tally.repeated} repeated late, {found.get(LOST, 0)} lost, {found.get(OUT_OF_ORDER, 0)} out of order, "
        f"{sum(found.values())} faults in all; {seconds:.1f} s, first 200 at most {longest:.2f} s after its return, "
        f"{len(tally.refused)} x 503 after at most {refusal:.2f} s"
    )
