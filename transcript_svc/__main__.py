"""`python -m transcript_svc serve | migrate`."""

import asyncio
import sys
from contextlib import aclosing
from pathlib import Path

import uvloop
from assent.recording.v1.recording_service_pb2_grpc import RecordingServiceStub
from assent.transcript.v1 import transcript_service_pb2 as rpc
from assent.transcript.v1.transcript_service_pb2_grpc import add_TranscriptServiceServicer_to_server

from chassis import database, logs, telemetry
from chassis.bus import Bus
from chassis.channel import connect
from chassis.database import Database
from chassis.outbox import OutboxRelay
from chassis.server import Server
from chassis.settings import load
from transcript_svc.buckets import open_buckets
from transcript_svc.events import Events
from transcript_svc.jobs import Jobs
from transcript_svc.listening import Listening
from transcript_svc.recognisers import recogniser
from transcript_svc.recognition import Unfit
from transcript_svc.scratch import Scratch
from transcript_svc.servicer import TranscriptServicer
from transcript_svc.settings import MigrationSettings, Settings
from transcript_svc.settlement import Settlement
from transcript_svc.store import PostgresTranscripts
from transcript_svc.store.name import Name
from transcript_svc.store.queue import PostgresQueue
from transcript_svc.sweep import Sweep
from transcript_svc.transcription import Transcription


async def serve(settings: Settings) -> None:
    """Transcribe and answer until signalled."""
    logs.configure("transcript_svc", settings.log_level)
    telemetry.configure("transcript_svc")
    ears = await recogniser(settings)
    postgres = Database(settings.transcript_database_url)
    transcripts = PostgresTranscripts(postgres)
    bus = Bus(settings.nats_url)
    name = Name(postgres, settings.instance)
    server = Server(settings.transcript_listen, tls=settings.tls, health_listen=settings.transcript_health_listen)
    async with (
        connect(settings.recording_address, settings.tls) as channel,
        open_buckets(settings, settings.audio_bucket) as buckets,
        postgres,
        aclosing(ears),
        Scratch(settings.scratch_dir, settings.instance, RecordingServiceStub(channel), name.is_ours) as scratch,
        bus,
        OutboxRelay(postgres, bus),
    ):
        recordings = RecordingServiceStub(channel)
        transcription = Transcription(transcripts, recordings, buckets, scratch, ears, settings.instance)
        settlement = Settlement(recordings, transcripts)
        jobs = Jobs(PostgresQueue(postgres), recordings, transcription, settings.instance)
        Events(settlement, jobs).consume_from(bus)
        servicer = TranscriptServicer(transcripts, recordings, Listening(recordings, transcripts, buckets))
        server.add(
            add_TranscriptServiceServicer_to_server, servicer, rpc.DESCRIPTOR.services_by_name["TranscriptService"]
        )
        async with asyncio.TaskGroup() as group:  # one that fails ends the process: it is started anew
            running = [
                group.create_task(name.keep()),
                group.create_task(_work(jobs, name)),
                group.create_task(Sweep(transcripts, settlement, settings.sweep_seconds).run()),
            ]
            await server.run_until_signalled()
            for task in running:
                task.cancel()


async def _work(jobs: Jobs, name: Name) -> None:
    await name.is_ours.wait()
    await jobs.run()


async def migrate(settings: MigrationSettings) -> None:
    """Bring the database up to date, and let the service's role do no more than it must."""
    logs.configure("transcript_svc", settings.log_level)
    service_url = settings.transcript_database_url
    owner_url = settings.transcript_migration_database_url or service_url
    await database.migrate(owner_url, Path(__file__).parent / "migrations", service_url=service_url)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve"]:
            try:
                uvloop.run(serve(load(Settings)))
            except Unfit as error:
                sys.stderr.write(f"ASSENT_RECOGNISER: {error}\n")
                sys.exit(2)
        case ["migrate"]:
            asyncio.run(migrate(load(MigrationSettings)))
        case _:
            sys.exit("usage: python -m transcript_svc serve|migrate")
