"""Prints what was measured, always as a ratio to a peer of the same run as well."""

from collections.abc import Sequence

from bench.rounds import Series

Compared = tuple[Series, Series, Series]
"""Assent, pgbench and the monolith with the same number of clients."""

# (clients, least ratio to pgbench, least ratio to the monolith)
AIMS = ((50, 0.8, 20.0), (200, 1.0, 40.0))
P50_AT_ONE_CLIENT = 0.5
"""At most, of the monolith's."""

_GROUPS = ("gateway", "consent_svc", "postgres", "nats", "recording_svc", "transcript_svc", "monolith", "asking")


def print_rates(rows: Sequence[Compared]) -> None:
    """Answers a second and latencies, and how they compare."""
    print(
        f"\n{'clients':>7} | {'assent/s':>8} {'p50 ms':>7} {'p99 ms':>7} | {'pgbench/s':>9} {'ratio':>6} | "
        f"{'monolith/s':>10} {'p50 ms':>7} {'p99 ms':>7} {'ratio':>6} {'p50 ratio':>9} | {'rest s':>6} {'others':>6}"
    )
    for ours, pgbench, monolith in rows:
        others = max(series.median(lambda played: played.others) for series in (ours, pgbench, monolith))
        print(
            f"{ours.clients:>7} | {ours.rate:>8.0f} {_ms(ours, 0.5)} {_ms(ours, 0.99)} | "
            f"{pgbench.rate:>9.0f} {ours.rate / pgbench.rate:>6.2f} | "
            f"{monolith.rate:>10.0f} {_ms(monolith, 0.5)} {_ms(monolith, 0.99)} {ours.rate / monolith.rate:>6.1f} "
            f"{_p50_ratio(ours, monolith):>9.2f} | {ours.median(lambda played: played.rest):>6.1f} {others:>6.0%}"
        )
    print("rest: until all that the answers caused was done; others: the machine's CPU used by strangers to this run")


def print_cpu(rows: Sequence[Compared]) -> None:
    """Who worked how long for an answer, what it caused afterwards included."""
    groups = [group for group in _GROUPS if any(_cpu(series, group) >= 0.0005 for row in rows for series in row)]
    print(f"\n{'CPU ms an answer':<19}" + "".join(f" {group:>14}" for group in groups) + f" {'all':>8} {'ratio':>6}")
    for row in rows:
        of_assent = sum(_cpu(row[0], group) for group in groups)
        for series in row:
            spent = [_cpu(series, group) for group in groups]
            print(
                f"{series.clients:>7} {series.name:<11}"
                + "".join(f" {milliseconds:>14.3f}" for milliseconds in spent)
                + f" {sum(spent):>8.3f} {sum(spent) / of_assent:>6.2f}"
            )
    print("asking: the load client, or pgbench; ratio: to assent's")


def print_aims(rows: Sequence[Compared]) -> None:
    """What was aimed at, and whether it was reached in this run."""
    print()
    for ours, pgbench, monolith in rows:
        for clients, least_of_pgbench, least_of_monolith in AIMS:
            if ours.clients == clients:
                _print_aim(clients, "answers/s, of pgbench's", ours.rate / pgbench.rate, least_of_pgbench)
                _print_aim(clients, "answers/s, of the monolith's", ours.rate / monolith.rate, least_of_monolith)
        if ours.clients == 1:
            _print_aim(1, "p50, of the monolith's", _p50_ratio(ours, monolith), P50_AT_ONE_CLIENT, at_most=True)


def _print_aim(clients: int, what: str, ratio: float, aim: float, at_most: bool = False) -> None:
    reached = ratio <= aim if at_most else ratio >= aim
    sign = "at most" if at_most else "at least"
    print(f"{clients:>4} clients, {what}: {ratio:.2f}, aim {sign} {aim:g}: {'reached' if reached else 'missed'}")


def _cpu(series: Series, group: str) -> float:
    """Milliseconds an answer."""
    return series.median(lambda played: played.cpu(group)) * 1000


def _ms(series: Series, part: float) -> str:
    return f"{series.latency(part) * 1000:>7.2f}"


def _p50_ratio(ours: Series, monolith: Series) -> float:
    other = monolith.latency(0.5)
    return ours.latency(0.5) / other if other else float("nan")
