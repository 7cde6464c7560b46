"""What recording_svc counts, for Prometheus."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge

from recording_svc.domain.recordings import State

_OF_THE_STORE = {
    State.BLOCKED: "Recordings whose bucket refuses their erasure.",
    State.UNMATCHED: "Recordings that no meeting fits.",
    State.UNDECIDED: "Recordings whose meetings' answers are not known, or awaited.",
}


@dataclass(frozen=True)
class Figures:
    """What the store holds at one moment. `oldest_denied_at`: of those to be erased and not verified as gone."""

    recordings: Mapping[State, int]
    oldest_denied_at: datetime | None
    outbox_rows: int


class Metrics:
    """One process's figures, in a registry of their own. What is not known yet is NaN, never 0."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.registry = CollectorRegistry()
        self._now = now
        self._figures: Figures | None = None
        self._read_at = now()
        self._canary_at: datetime | None = None
        self.notifications = Counter(
            "assent_recording_notifications", "Messages from S3, by what they were.", ["outcome"],
            registry=self.registry,
        )  # fmt: skip
        self.orphans = Gauge(
            "assent_recording_orphans", "What the last comparison found in the buckets and nobody accounts for.",
            ["kind"], registry=self.registry,
        )  # fmt: skip
        self._recordings = Gauge(
            "assent_recording_recordings", "Recordings by state.", ["state"], registry=self.registry
        )
        self.dead_letters = self._gauge("dead_letters", "Messages in the dead-letter queue, about.")
        self.dead_letters.set(math.nan)
        self._derive()

    def canary_came_through(self, at: datetime) -> None:
        """An object was put and erased in every bucket at that moment. The first call begins the measurement."""
        self._canary_at = at

    def show(self, figures: Figures) -> None:
        """What the store holds now."""
        self._figures, self._read_at = figures, self._now()
        for state in State:
            self._recordings.labels(state.value).set(figures.recordings.get(state, 0))

    def _derive(self) -> None:
        """Ages are told at the moment of the question: they grow on while nothing is read any more."""
        oldest = self._gauge("oldest_denied_unverified_seconds", "Age of the oldest denial whose audio may be there.")
        oldest.set_function(self._oldest)
        canary = self._gauge("canary_age_seconds", "Since the canary last came through; NaN where there is none.")
        canary.set_function(lambda: math.nan if self._canary_at is None else self._since(self._canary_at))
        age = self._gauge("figures_age_seconds", "Since the store was last asked for these figures.")
        age.set_function(lambda: self._since(self._read_at))
        rows = self._gauge("outbox_rows", "Events that NATS does not have yet.")
        rows.set_function(lambda: math.nan if self._figures is None else self._figures.outbox_rows)
        for state, what in _OF_THE_STORE.items():
            self._gauge(state.value, what).set_function(partial(self._count, state))

    def _gauge(self, name: str, what: str) -> Gauge:
        return Gauge(f"assent_recording_{name}", what, registry=self.registry)

    def _count(self, state: State) -> float:
        return math.nan if self._figures is None else self._figures.recordings.get(state, 0)

    def _oldest(self) -> float:
        if self._figures is None:
            return math.nan
        denied_at = self._figures.oldest_denied_at
        return 0 if denied_at is None else self._since(denied_at)

    def _since(self, moment: datetime) -> float:
        return max(0.0, (self._now() - moment).total_seconds())
