"""The whole service as a process of its own: it begins, tells Prometheus its figures, and ends when asked to."""

import asyncio
import math
import urllib.request
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

from chassis.channel import Tls
from deploy.local import Moto, Nats
from tests.eventually import eventually
from tests.recording.neighbours import Neighbours
from tests.recording.served import serving, variables
from tests.recording.surroundings import Cloud
from tests.recording.test_intake import notification, send, waiting


async def test_serves_its_figures_from_the_start(
    tmp_path: Path, tls: Tls, cloud: Cloud, moto: Moto, neighbours: Neighbours, nats: Nats, database_url: str
) -> None:
    given = variables(tmp_path, tls, cloud, moto, neighbours.address, nats, database_url)
    cloud.sqs_oracle.send_message(QueueUrl=cloud.dead_letters, MessageBody="x")
    expected = {
        "assent_recording_oldest_denied_unverified_seconds": 0,
        'assent_recording_recordings{state="erased"}': 0,
        "assent_recording_dead_letters": 1,
    }

    async def told() -> bool:
        return expected.items() <= (await _figures(given)).items()

    async with serving(given):
        await eventually(told, within=90)


async def test_a_canary_comes_through_again_and_again_and_leaves_nothing(
    tmp_path: Path, tls: Tls, cloud: Cloud, moto: Moto, neighbours: Neighbours, nats: Nats, database_url: str
) -> None:
    given = variables(tmp_path, tls, cloud, moto, neighbours.address, nats, database_url)
    ages: list[float] = []

    async def came_through_twice() -> bool:
        age = (await _figures(given)).get("assent_recording_canary_age_seconds", math.nan)
        ages.append(age)
        # It grows from the start on also where the canary never comes through.
        return sum(later < earlier for earlier, later in pairwise(ages)) >= 2

    async def nothing_lies_there() -> bool:
        return not cloud.lying(cloud.recordings) + cloud.lying(cloud.audio)

    async with serving(given | {"ASSENT_RECORDING_CANARY_SECONDS": "1"}):
        await eventually(came_through_twice, within=90, every=0.1)
        await eventually(nothing_lies_there)
        assert ages[-1] < 1


async def test_tells_what_became_of_messages_and_what_nobody_accounts_for(
    tmp_path: Path, tls: Tls, cloud: Cloud, moto: Moto, neighbours: Neighbours, nats: Nats, database_url: str
) -> None:
    given = variables(tmp_path, tls, cloud, moto, neighbours.address, nats, database_url)
    send(cloud, notification(cloud).replace(cloud.recordings, "foreign"))
    send(cloud, "{ no JSON")
    cloud.put("nobody-registered.mp3", bucket=cloud.audio)
    expected = {
        'assent_recording_notifications_total{outcome="foreign"}': 1,
        'assent_recording_notifications_total{outcome="buried"}': 1,
        'assent_recording_notifications_total{outcome="taken_in"}': 0,
        'assent_recording_orphans{kind="unaccounted"}': 1,
    }

    async def told() -> bool:
        return expected.items() <= (await _figures(given)).items()

    async with serving(given | {"ASSENT_RECONCILE_SECONDS": "1"}):
        await eventually(told, within=90)
    # The figure of dead letters is read once a minute.
    assert waiting(cloud, cloud.dead_letters) == 1
    assert cloud.lying(cloud.audio) == [("version", "nobody-registered.mp3")]


async def _figures(given: Mapping[str, str]) -> dict[str, float]:
    """By name and labels, as the page writes them; none while it cannot be asked."""
    try:
        asked = f"http://{given['ASSENT_RECORDING_METRICS_LISTEN']}/metrics"
        page = (await asyncio.to_thread(urllib.request.urlopen, asked)).read().decode()
    except OSError:
        return {}
    lines = (line.rpartition(" ") for line in page.splitlines() if not line.startswith("#"))
    return {name: float(figure) for name, _, figure in lines}
