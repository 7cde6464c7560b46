"""A comparison of buckets and tables as a test wants it, and what it told Prometheus."""

from typing import Any

from recording_svc.metrics import Metrics
from recording_svc.reconciliation import Reconciliation
from tests.recording.memory_listings import MemoryListings
from tests.recording.world import World


class Overlaid:
    """Something whose attributes are replaced where a test says so."""

    def __init__(self, real: Any, **instead: Any) -> None:
        self._real = real
        vars(self).update(instead)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def comparing(world: World, audio: Any = None, recordings: Any = None, metrics: Metrics | None = None) -> Any:
    """A comparison with another view of the buckets, or another store."""
    listed, buckets = audio or world.reconciliation._audio, (world.cloud.recordings, world.cloud.audio)
    store = recordings or world.recordings
    return Reconciliation(listed, *buckets, store, MemoryListings(), world.intake.take_in, world.clock, metrics)


def orphans(metrics: Metrics) -> dict[str, float]:
    """What the last one found, by kind."""
    samples = [one for metric in metrics.registry.collect() for one in metric.samples]
    return {one.labels["kind"]: one.value for one in samples if one.name == "assent_recording_orphans"}
