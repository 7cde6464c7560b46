"""What came of a fan-out: times, rates and costs of each contender, and the tables that tell them."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from bench.processes import Usage

RATE, P99 = 0.6, 1.5
"""Aims, of plain sockets: at least so many deliveries a second, and a p99 below so much."""
_SHORTEST = 1e-6
"""Seconds; what comes in one piece comes at one moment."""


@dataclass(frozen=True)
class Round:
    """What was told in a round, and what it cost. Moments are in seconds by the performance counter."""

    # By number of the frame: when it was told alone.
    single: dict[int, float]
    # Those that were told together, and when.
    at_once: range
    told_at: float
    spent: Usage


@dataclass
class Series:
    """One contender's rounds, and when each listener had each frame: frame by frame, 0 where never."""

    name: str
    listeners: int
    rounds: list[Round] = field(default_factory=list)
    arrivals: Sequence[float] = ()
    faults: dict[str, int] = field(default_factory=dict)

    @property
    def timed(self) -> list[Round]:
        """All but the first, unless there is no other."""
        return self.rounds[1:] or self.rounds

    @property
    def rate(self) -> float:
        """Deliveries a second of what was told together, until the last listener had the last."""
        return self._median(self.rate_in)

    @property
    def others(self) -> float:
        """What processes that have nothing to do with this used of the machine, as a part of it."""
        return self._median(lambda played: played.spent.others)

    def latency(self, part: float) -> float:
        """Seconds from telling an event to its delivery, that this part of a round's deliveries stays below."""
        return self._median(lambda played: self.latency_in(played, part))

    def cost(self, group: str) -> float:
        """CPU seconds of these processes for a delivery."""
        return self._median(lambda played: played.spent.groups[group] / self._delivered(played))

    def rate_in(self, played: Round) -> float:
        """Deliveries a second in this round."""
        moments = [moment for number in played.at_once for moment in self._of_frame(number)]
        return len(moments) / max(max(moments) - _told(played.told_at, moments), _SHORTEST) if moments else 0.0

    def latency_in(self, played: Round, part: float) -> float:
        """Seconds that this part of a round's deliveries stays below."""
        return below(self._latencies(played), part)

    def _median(self, figure: Callable[[Round], float]) -> float:
        return statistics.median(map(figure, self.timed)) if self.timed else 0.0

    def _of_frame(self, number: int) -> list[float]:
        first = number * self.listeners
        return [moment for moment in self.arrivals[first : first + self.listeners] if moment]

    def _latencies(self, played: Round) -> list[float]:
        frames = [(noted, self._of_frame(number)) for number, noted in played.single.items()]
        told = [(_told(noted, moments), moments) for noted, moments in frames]
        return [moment - began for began, moments in told for moment in moments]

    def _delivered(self, played: Round) -> int:
        return max(1, sum(len(self._of_frame(number)) for number in (*played.single, *played.at_once)))


def below(figures: Sequence[float], part: float) -> float:
    """What this part of the figures stays below; 0 without any."""
    return sorted(figures)[int(len(figures) * part)] if figures else 0.0


def _told(noted: float, moments: Sequence[float]) -> float:
    """When it was told: on a busy machine listeners have it before whoever told it comes to note the moment."""
    return min([noted, *moments])


def print_tables(ours: Series, plain: Series) -> None:
    """Rates and times of both, and how ours stand to the plain sockets'."""
    print(f"{'':<14} {'a second':>9} {'p50 ms':>8} {'p99 ms':>8} {'server µs':>10} {'listeners µs':>13} {'others':>7}")
    for series in (ours, plain):
        times = "".join(f"{1000 * series.latency(part):>8.1f} " for part in (0.5, 0.99))
        costs = f"{1e6 * series.cost('server'):>10.1f} {1e6 * series.cost('listeners'):>13.1f}"
        print(f"{series.name:<14} {series.rate:>9,.0f} {times}{costs} {series.others:>7.0%}")
    rate = _ratio(ours, plain, Series.rate_in)
    p50, p99 = (_ratio(ours, plain, partial(Series.latency_in, part=part)) for part in (0.5, 0.99))
    reached = "" if rate >= RATE and p99 < P99 else "  (missed)"
    of_plain = f"rate {rate:.2f} (aim {RATE}), p50 {p50:.2f}, p99 {p99:.2f} (aim below {P99})"
    print(f"{ours.name} of {plain.name}: {of_plain}{reached}")


def print_faults(sides: Sequence[Series]) -> int:
    """What was lost, repeated or otherwise wrong; 1 where anything was."""
    delivered = sum(1 for series in sides for moment in series.arrivals if moment)
    found = [(series.name, what, times) for series in sides for what, times in series.faults.items()]
    print(f"\n{delivered:,} deliveries: {sum(times for _, _, times in found)} lost, repeated or wrong")
    for name, what, times in found:
        print(f"{times:>7} x {name}: {what}")
    return int(bool(found))


def _ratio(ours: Series, plain: Series, figure: Callable[[Series, Round], float]) -> float:
    """Round by round, as what else goes on changes; the median."""
    pairs = zip(ours.timed, plain.timed, strict=True)
    found = [(figure(ours, one), figure(plain, other)) for one, other in pairs]
    return statistics.median(one / other if other else 0.0 for one, other in found)
