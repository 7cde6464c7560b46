"""The whole service as a process of its own: it begins, tells Prometheus its figures, and ends when asked to."""

import asyncio
import urllib.request
from pathlib import Path

from chassis.channel import Tls
from deploy.local import Moto, Nats
from tests.eventually import eventually
from tests.recording.neighbours import Neighbours
from tests.recording.served import serving, variables
from tests.recording.surroundings import Cloud


async def test_serves_its_figures_from_the_start(
    tmp_path: Path, tls: Tls, cloud: Cloud, moto: Moto, neighbours: Neighbours, nats: Nats, database_url: str
) -> None:
    given = variables(tmp_path, tls, cloud, moto, neighbours.address, nats, database_url)
    cloud.sqs_oracle.send_message(QueueUrl=cloud.dead_letters, MessageBody="x")
    async with serving(given):
        page = await eventually(lambda: _page(given["ASSENT_RECORDING_METRICS_LISTEN"]), within=30)
    assert "assent_recording_oldest_denied_unverified_seconds 0.0" in page
    assert 'assent_recording_recordings{state="erased"} 0.0' in page


async def _page(address: str) -> str:
    """Its figures; empty until they hold what the store and SQS know."""
    try:
        page = (await asyncio.to_thread(urllib.request.urlopen, f"http://{address}/metrics")).read().decode()
    except OSError:
        return ""
    return str(page) if "assent_recording_dead_letters 1.0" in page and 'state="erased"' in page else ""
