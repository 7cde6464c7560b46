"""What Prometheus is told."""

import math
import urllib.request
from datetime import timedelta

import pytest

from chassis.telemetry import serve_metrics
from recording_svc.domain.recordings import State
from recording_svc.metrics import Figures, Metrics
from tests.recording.surroundings import NOON, Clock


def told(metrics: Metrics, name: str, **labels: str) -> float:
    value = metrics.registry.get_sample_value(f"assent_recording_{name}", labels)
    assert value is not None, name
    return value


@pytest.mark.parametrize(
    "name", ["oldest_denied_unverified_seconds", "blocked", "unmatched", "undecided", "outbox_rows", "dead_letters",
             "canary_age_seconds"]
)  # fmt: skip
def test_what_was_never_looked_at_is_not_told_as_nothing(clock: Clock, name: str) -> None:
    assert math.isnan(told(Metrics(clock), name))


def test_tells_what_the_store_holds(clock: Clock) -> None:
    metrics = Metrics(clock)
    metrics.show(Figures({State.BLOCKED: 2, State.KEPT: 5}, NOON - timedelta(seconds=30), 7))
    assert told(metrics, "oldest_denied_unverified_seconds") == 30
    assert (told(metrics, "blocked"), told(metrics, "unmatched"), told(metrics, "undecided")) == (2, 0, 0)
    assert (told(metrics, "recordings", state="kept"), told(metrics, "recordings", state="erased")) == (5, 0)
    assert told(metrics, "outbox_rows") == 7
    metrics.show(Figures({}, None, 0))
    assert told(metrics, "oldest_denied_unverified_seconds") == 0
    assert told(metrics, "recordings", state="kept") == 0


def test_a_denial_ages_on_while_the_store_is_away(clock: Clock) -> None:
    metrics = Metrics(clock)
    metrics.show(Figures({State.ERASING: 1}, NOON, 0))
    clock.advance(minutes=20)
    assert told(metrics, "oldest_denied_unverified_seconds") == 1200
    assert told(metrics, "figures_age_seconds") == 1200


def test_a_canary_that_comes_no_more_grows_old(clock: Clock) -> None:
    metrics = Metrics(clock)
    metrics.canary_came_through(NOON)
    clock.advance(seconds=90)
    assert told(metrics, "canary_age_seconds") == 90


def test_serves_them_over_http_and_lets_the_port_go(clock: Clock) -> None:
    metrics = Metrics(clock)
    metrics.notifications.labels("taken_in").inc()
    with serve_metrics("127.0.0.1:0", metrics.registry) as address:
        page = urllib.request.urlopen(f"http://{address}/metrics").read().decode()
        with pytest.raises(OSError, match="in use"), serve_metrics(address, metrics.registry):
            pass
    assert 'assent_recording_notifications_total{outcome="taken_in"} 1.0' in page
    with serve_metrics(address, metrics.registry) as again:
        assert again == address


def test_an_empty_address_serves_nothing() -> None:
    with serve_metrics("", Metrics().registry) as address:
        assert address == ""
