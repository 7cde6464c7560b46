"""Erases places of a test's buckets and collects what was noted before."""

from collections.abc import Sequence
from typing import Any

from recording_svc.buckets import AudioBuckets
from recording_svc.erasure import Erasure
from recording_svc.remnants import Place, Remnant
from tests.recording.surroundings import Clock, Cloud


class Notes:
    """Collects what an erasure commits before it removes."""

    def __init__(self) -> None:
        self.found: list[Remnant] = []

    async def __call__(self, remnants: Sequence[Remnant]) -> None:
        self.found += remnants


async def erase(cloud: Cloud, clock: Clock, *places: Place, s3: Any = None) -> tuple[object, Notes]:
    notes = Notes()
    return await Erasure(AudioBuckets(s3 or cloud.s3), clock).erase(places, notes), notes
