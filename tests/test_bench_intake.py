"""The measurement of intake: it prints its tables, and a recording that got lost fails it."""

import os
import re
from collections.abc import Iterator
from typing import Any

import pytest

from bench import intake
from deploy.local import Stack
from recording_svc.store.postgres import PostgresRecordings

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("ASSENT_", "AWS_"))}
SMALL = intake.Sizes(rounds=1, on_stub=30, on_moto=20, puts=2)


@pytest.fixture
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    with Stack(folder, parts=("postgres", "moto"), environ=CLEAN, fsync=False) as stack:
        yield stack


async def test_one_short_round_prints_the_tables(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    assert await intake.measure(stack, SMALL) == 0
    printed = capsys.readouterr().out
    for queue in ("stub", "moto"):
        assert re.search(rf"^{queue}( +[0-9.]+){{3}}", printed, re.MULTILINE)
    assert re.search(r"^to row \(assent\)( +[0-9.]+){2}$", printed, re.MULTILINE)
    assert "52 rows of 52 recordings, 0 messages left" in printed


async def test_a_recording_that_got_lost_fails_it(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    real = PostgresRecordings.take_in

    async def lose_one(self: PostgresRecordings, arrivals: Any, now: Any) -> Any:
        return await real(self, arrivals if len(arrivals) == 1 else arrivals[1:], now)

    monkeypatch.setattr(PostgresRecordings, "take_in", lose_one)
    assert await intake.measure(stack, SMALL) == 1
