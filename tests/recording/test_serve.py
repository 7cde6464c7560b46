"""The whole service as a process of its own: it begins, tells Prometheus its figures, and ends when asked to."""

import asyncio
import os
import sys
import urllib.request
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from chassis.channel import Tls
from deploy.local import Moto, Nats
from deploy.local.run_dir import RunDir
from tests.eventually import eventually
from tests.recording.neighbours import Neighbours
from tests.recording.surroundings import Cloud


def variables(tmp_path: Path, tls: Tls, cloud: Cloud, moto: Moto, neighbours: Neighbours) -> dict[str, str]:
    key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "key.pem").write_bytes(key)
    ports, there = RunDir(tmp_path / "run"), moto.cloud
    return {
        **{f"ASSENT_TLS_{name}": str(path) for name, path in (("CA", tls.ca), ("CERT", tls.cert), ("KEY", tls.key))},
        "ASSENT_CONSENT_ADDRESS": neighbours.address,
        "ASSENT_TRANSCRIPT_ADDRESS": neighbours.address,
        "ASSENT_RECORDINGS_BUCKET": cloud.recordings,
        "ASSENT_AUDIO_BUCKET": cloud.audio,
        "ASSENT_RECORDINGS_QUEUE_URL": cloud.queue,
        "ASSENT_RECORDINGS_DLQ_URL": cloud.dead_letters,
        "ASSENT_CERTIFICATE_KEY_FILE": str(tmp_path / "key.pem"),
        "ASSENT_RECORDING_LISTEN": f"127.0.0.1:{ports.port('grpc')}",
        "ASSENT_RECORDING_HEALTH_LISTEN": f"127.0.0.1:{ports.port('health')}",
        "ASSENT_RECORDING_METRICS_LISTEN": f"127.0.0.1:{ports.port('metrics')}",
        "ASSENT_SWEEP_SECONDS": "1",
        "AWS_ENDPOINT_URL": str(there.endpoint),
        "AWS_REGION": there.region,
        "AWS_ACCESS_KEY_ID": str(there.access_key_id),
        "AWS_SECRET_ACCESS_KEY": str(there.secret_access_key),
    }


async def test_serves_its_figures_from_the_start(
    tmp_path: Path, tls: Tls, cloud: Cloud, moto: Moto, neighbours: Neighbours, nats: Nats, database_url: str
) -> None:
    given = variables(tmp_path, tls, cloud, moto, neighbours)
    given |= nats.env() | {"ASSENT_RECORDING_DATABASE_URL": database_url}
    cloud.sqs_oracle.send_message(QueueUrl=cloud.dead_letters, MessageBody="x")
    serving = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "recording_svc", "serve", env={**os.environ, **given}
    )
    try:
        page = await eventually(lambda: _page(given["ASSENT_RECORDING_METRICS_LISTEN"]), within=30)
    finally:
        serving.terminate()
    assert await asyncio.wait_for(serving.wait(), 20) == 0
    assert "assent_recording_oldest_denied_unverified_seconds 0.0" in page
    assert 'assent_recording_recordings{state="erased"} 0.0' in page


async def _page(address: str) -> str:
    """Its figures; empty until they hold what the store and SQS know."""
    try:
        page = (await asyncio.to_thread(urllib.request.urlopen, f"http://{address}/metrics")).read().decode()
    except OSError:
        return ""
    return str(page) if "assent_recording_dead_letters 1.0" in page and 'state="erased"' in page else ""
