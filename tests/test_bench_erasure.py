"""The measurement of erasure: it prints its tables, and what is left, or has no certificate, fails it."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from bench import erasure
from bench.erasure_rates import Shape
from deploy.local import Stack
from recording_svc.buckets import AudioBuckets, Refusal
from recording_svc.certificate import Signer
from recording_svc.remnants import Remnant

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("ASSENT_", "AWS_"))}
SMALL = erasure.Sizes(rounds=1, timed=2, at_once=(1, 2), on_stub=(Shape(1, 1500),), on_moto=(Shape(2, 3),))
RATES_ONLY = replace(SMALL, at_once=())


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    with Stack(folder, parts=("postgres", "moto"), environ=CLEAN, fsync=False) as stack:
        yield stack


async def test_one_short_round_prints_the_tables(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    assert await erasure.measure(stack, SMALL) == 0
    printed = capsys.readouterr().out
    for at_once in (1, 2):
        assert re.search(rf"^{at_once}( +-?[0-9.]+){{6}} +\d+%", printed, re.MULTILINE)
    for row in ("stub, 1 x 1,500", "moto, 2 x 3"):
        assert re.search(rf"^{row}( +[0-9.]+){{5}}", printed, re.MULTILINE)
    assert "7 recordings erased: 0 not certified, 0 objects left" in printed


async def test_what_was_left_by_a_deletion_that_nobody_checked_fails_it(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real_list, real_delete = AudioBuckets.versions_at, AudioBuckets.delete
    deleted = set[tuple[str, str]]()

    async def versions_at(self: AudioBuckets, bucket: str, key: str) -> list[Remnant]:
        return [] if (bucket, key) in deleted else await real_list(self, bucket, key)

    async def forget_one(self: AudioBuckets, bucket: str, remnants: Sequence[Remnant]) -> list[Refusal]:
        deleted.update((one.bucket, one.key) for one in remnants)
        return await real_delete(self, bucket, remnants[:-1])

    monkeypatch.setattr(AudioBuckets, "versions_at", versions_at)
    monkeypatch.setattr(AudioBuckets, "delete", forget_one)
    assert await erasure.measure(stack, RATES_ONLY) == 1
    assert re.search(r"0 not certified, [1-9]\d* objects left", capsys.readouterr().out)


async def test_a_certificate_that_does_not_hold_fails_it(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = Signer.sign

    def spoil(self: Signer, proof: Any) -> str:
        return real(self, proof)[:-8] + "AAAAAAAA"

    monkeypatch.setattr(Signer, "sign", spoil)
    assert await erasure.measure(stack, RATES_ONLY) == 1
    assert "3 recordings erased: 3 not certified, 0 objects left" in capsys.readouterr().out
