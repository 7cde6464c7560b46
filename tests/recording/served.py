"""recording_svc as a process of its own, in a test's surroundings."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from chassis.channel import Tls
from deploy.local import Moto, Nats
from deploy.local.run_dir import RunDir
from tests.recording.surroundings import Cloud


def variables(
    tmp_path: Path, tls: Tls, cloud: Cloud, moto: Moto, neighbours: str, nats: Nats, database_url: str
) -> dict[str, str]:
    """Everything that it has to be told; `neighbours` is where both services that it asks are. Its key is made anew."""
    key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "key.pem").write_bytes(key)
    ports, there = RunDir(tmp_path / "run"), moto.cloud
    return {
        **nats.env(),
        "ASSENT_RECORDING_DATABASE_URL": database_url,
        **{f"ASSENT_TLS_{name}": str(path) for name, path in (("CA", tls.ca), ("CERT", tls.cert), ("KEY", tls.key))},
        "ASSENT_CONSENT_ADDRESS": neighbours,
        "ASSENT_TRANSCRIPT_ADDRESS": neighbours,
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


@asynccontextmanager
async def serving(given: Mapping[str, str]) -> AsyncIterator[None]:
    """`python -m recording_svc serve` with these variables; it has to run on until it is asked to end."""
    environ = {**os.environ, **given}
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "recording_svc", "serve", env=environ)
    try:
        yield
        assert process.returncode is None, f"it ended by itself with {process.returncode}"
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 20)
    assert process.returncode == 0
