"""Runs recording_svc, brings its database up to date, verifies a certificate, or does what an operator asks."""

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import structlog
import uvloop
from assent.consent.v1.consent_service_pb2_grpc import ConsentServiceStub
from assent.meeting.v1.meeting_service_pb2_grpc import MeetingServiceStub
from assent.recording.v1 import recording_service_pb2 as rpc
from assent.recording.v1.recording_service_pb2_grpc import add_RecordingServiceServicer_to_server
from assent.transcript.v1.transcript_service_pb2_grpc import TranscriptServiceStub
from botocore.exceptions import BotoCoreError, ClientError

from chassis import logs, telemetry
from chassis.bus import Bus
from chassis.channel import connect
from chassis.database import Database, migrate
from chassis.logs import plain
from chassis.outbox import OutboxRelay
from chassis.server import Server
from chassis.settings import ServiceSettings, load
from chassis.tasks import end
from recording_svc.buckets import AudioBuckets
from recording_svc.canary import Canary
from recording_svc.certificate import (
    CertificateError,
    KeyFileError,
    Signer,
    is_of_meeting,
    load_public_keys,
    verify,
    verify_meeting,
)
from recording_svc.clients import open_s3_and_sqs
from recording_svc.consent import Consent
from recording_svc.erasure import Erasure
from recording_svc.events import Wakers
from recording_svc.intake import Intake, Queues
from recording_svc.metrics import Metrics
from recording_svc.operator import commands as operator
from recording_svc.operator.observation import Observation
from recording_svc.operator.postgres import PostgresDesk
from recording_svc.preflight import check_buckets
from recording_svc.reconciliation import Reconciliation
from recording_svc.servicer import RecordingServicer
from recording_svc.settings import MigrationSettings, Settings
from recording_svc.settlement import Settlement
from recording_svc.store.listings import PostgresListings
from recording_svc.store.postgres import PostgresRecordings
from recording_svc.sweep import Sweep
from recording_svc.transcripts import Transcripts

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client

log = structlog.get_logger()
S = TypeVar("S", bound=ServiceSettings)

_SETTLED_AT_ONCE = 10
_DESCRIPTOR = rpc.DESCRIPTOR.services_by_name["RecordingService"]


def utc_now() -> datetime:
    """This moment."""
    return datetime.now(UTC)


async def serve(settings: Settings) -> None:
    """Take in, settle and erase recordings, and answer for them, until SIGTERM."""
    signer, times = Signer.load(settings.certificate_key_file), settings.times
    database = Database(settings.recording_database_url)
    locks = Database(settings.recording_database_url, pool_size=_SETTLED_AT_ONCE)
    recordings = PostgresRecordings(database, locks)
    bus, metrics = Bus(settings.nats_url), Metrics(utc_now)
    to_consent = connect(settings.consent_address, settings.tls)
    to_transcripts = connect(settings.transcript_address, settings.tls)
    consent = Consent(MeetingServiceStub(to_consent), ConsentServiceStub(to_consent))
    transcripts = Transcripts(TranscriptServiceStub(to_transcripts), utc_now)
    async with open_s3_and_sqs(settings) as (s3, sqs), to_consent, to_transcripts, database, locks, bus:
        audio = AudioBuckets(s3)
        erasure = Erasure(audio, utc_now)
        settlement = Settlement(recordings, consent, transcripts, erasure, signer, times, utc_now)
        wake = asyncio.Event()
        queues = Queues(settings.recordings_queue_url, settings.recordings_dlq_url)
        intake = Intake(sqs, queues, settings.recordings_bucket, audio, recordings, utc_now, wake.set, metrics)
        buckets = (settings.recordings_bucket, settings.audio_bucket)
        listings = PostgresListings(database)
        reconciliation = Reconciliation(audio, *buckets, recordings, listings, intake.take_in, utc_now, metrics)
        canary = Canary(s3, erasure, buckets, recordings, metrics, utc_now)
        sweep = Sweep(recordings, settlement, reconciliation, times, utc_now, wake)
        server = Server(settings.recording_listen, tls=settings.tls, health_listen=settings.recording_health_listen)
        servicer = RecordingServicer(recordings, consent, settlement, signer, settings.audio_bucket, utc_now, wake.set)
        server.add(add_RecordingServiceServicer_to_server, servicer, _DESCRIPTOR)
        Wakers(recordings, settlement.settle, utc_now, wake.set).consume(bus)
        desk, dead_letters = PostgresDesk(database), settings.recordings_dlq_url
        observation = Observation(metrics, desk, sqs, dead_letters, settings.sweep_seconds)
        with telemetry.serve_metrics(settings.recording_metrics_listen, metrics.registry):
            async with OutboxRelay(database, bus):
                await _run_beside(
                    server.run_until_signalled,
                    lambda: _preflight(s3, settings),
                    sweep.run,
                    lambda: consent.watch(sweep.ask_again),
                    observation.run_store,
                    observation.run_dead_letters,
                    lambda: sweep.run_reconciliation(settings.reconcile_every),
                    lambda: canary.run(settings.recording_canary_seconds),
                    *[intake.run] * settings.recording_receivers,
                )


async def _run_beside(server: Callable[[], Awaitable[None]], *loops: Callable[[], Awaitable[None]]) -> None:
    """Run the loops for as long as the server runs. A loop that fails ends the process: it is started anew."""

    async def until_stopped() -> None:
        await server()
        await end(*tasks)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_awaited(loop)) for loop in loops]
        group.create_task(until_stopped())


async def _awaited(loop: Callable[[], Awaitable[None]]) -> None:
    await loop()


async def _preflight(s3: "S3Client", settings: Settings) -> None:
    queues = (settings.recordings_queue_url, settings.recordings_dlq_url)
    while True:
        try:
            await check_buckets(s3, settings.recordings_bucket, settings.audio_bucket, *queues)
        except (BotoCoreError, ClientError, OSError) as error:
            log.warning("preflight_postponed", error=f"{type(error).__name__}: {error}")
            await asyncio.sleep(settings.sweep_seconds)
        else:
            return


async def bring_up_to_date(settings: MigrationSettings) -> None:
    """Migrate the database, as the owner of its tables."""
    url = settings.recording_migration_database_url or settings.recording_database_url
    await migrate(url, Path(__file__).parent / "migrations", service_url=settings.recording_database_url)
    log.info("migrated")


def show_certificate(file: Path, more: Sequence[Path], key_files: Sequence[Path]) -> int:
    """Verify a certificate offline and print what it states; 1 where it does not hold, 2 where it cannot be read.

    A meeting's certificate is verified together with those of its recordings, `more`. Each may be of another key.
    """
    try:
        certificate, keys = file.read_text(), load_public_keys(key_files)
        if is_of_meeting(certificate):
            statement = verify_meeting(certificate, [one.read_text() for one in more], *keys)
            shown = f"meeting {statement['meeting_id']}: {len(more)} recordings were found gone"
        elif more:
            raise CertificateError(f"{file} is no meeting's certificate: give the certificates of recordings after one")
        else:
            statement = verify(certificate, *keys)
            shown = f"recording {statement['recording_id']} was found gone"
    except OSError as error:
        print(f"cannot read {error.filename}: {error.strerror}; nothing was verified", file=sys.stderr)  # noqa: T201
        return 2
    except KeyFileError as error:
        print(f"{plain(str(error))}; nothing was verified", file=sys.stderr)  # noqa: T201
        return 2
    except (CertificateError, UnicodeDecodeError) as error:
        print(f"NOT VALID: {error}", file=sys.stderr)  # noqa: T201  its answer
        return 1
    print(json.dumps(statement, indent=2, ensure_ascii=False))  # noqa: T201  its answer
    print(f"VALID: {shown}", file=sys.stderr)  # noqa: T201
    return 0


def _configured(settings: S) -> S:
    logs.configure("recording_svc", settings.log_level)
    telemetry.configure("recording_svc")
    return settings


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m recording_svc", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="run the service")
    commands.add_parser("migrate", help="bring the database up to date")
    certificate = commands.add_parser("certificate", help="verify an erasure certificate offline")
    certificate.add_argument("file", type=Path, help="the certificate, a compact JWS: a recording's or a meeting's")
    certificate.add_argument("more", type=Path, nargs="*", help="after a meeting's: those of all its recordings")
    keys = "an Ed25519 public key, PEM, or a folder of *.pem; several times where the key was changed"
    certificate.add_argument("--key", type=Path, required=True, action="append", help=keys)
    operator.add_to(commands)
    given = parser.parse_args()
    if given.command == "certificate":
        return show_certificate(given.file, given.more, given.key)
    if given.command in operator.COMMANDS:
        return asyncio.run(operator.run(given, load(Settings)))
    if given.command == "migrate":
        asyncio.run(bring_up_to_date(_configured(load(MigrationSettings))))
    else:
        uvloop.run(serve(_configured(load(Settings))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
