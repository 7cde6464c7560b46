"""Starts consent_svc: `python -m consent_svc serve` or `migrate`; checks what it gave away: `history`, `receipt`."""

import argparse
import io
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
import uvloop
from assent.consent.v1 import consent_service_pb2
from assent.consent.v1.consent_service_pb2_grpc import add_ConsentServiceServicer_to_server
from assent.meeting.v1 import meeting_service_pb2
from assent.meeting.v1.meeting_service_pb2_grpc import add_MeetingServiceServicer_to_server

from chassis import database, logs, telemetry
from chassis.bus import Bus
from chassis.database import Database
from chassis.outbox import OutboxRelay
from chassis.server import Server
from chassis.settings import load
from consent_svc.events import FOLDING, WebhookEvents
from consent_svc.history.check import check_export
from consent_svc.insights import Insights
from consent_svc.opening import Opening
from consent_svc.receipts.check import check_receipt
from consent_svc.servicer.consent import ConsentServicer
from consent_svc.servicer.meetings import MeetingServicer
from consent_svc.settings import Settings
from consent_svc.signing import KeyFileError, Signer
from consent_svc.store.answers import PostgresAnswers
from consent_svc.store.history import PostgresHistory
from consent_svc.store.meetings import PostgresMeetings
from consent_svc.store.presence import PostgresPresence
from consent_svc.store.receipts import PostgresReceipts
from consent_svc.store.rooms import PostgresRooms
from consent_svc.store.standings import PostgresStandings
from consent_svc.whereby import Destination, Whereby

log = structlog.get_logger()
MIGRATIONS = Path(__file__).parent / "migrations"


async def serve(settings: Settings) -> None:
    """Serve rooms, meetings and answers, and take in webhooks, until signalled."""
    signer = Signer.load(settings.consent_receipt_key_file)
    store = Database(settings.consent_database_url)
    bus = Bus(settings.nats_url)
    whereby = _whereby(settings)
    rooms, meetings = PostgresRooms(store), PostgresMeetings(store)
    answers, history, presence = PostgresAnswers(store, settings.terms), PostgresHistory(store), PostgresPresence(store)
    opening = Opening(rooms, meetings, whereby, utc_now)
    server = Server(settings.consent_listen, tls=settings.tls, health_listen=settings.consent_health_listen)
    server.add(
        add_MeetingServiceServicer_to_server,
        MeetingServicer(rooms, meetings, presence, opening, utc_now),
        meeting_service_pb2.DESCRIPTOR.services_by_name["MeetingService"],
    )
    server.add(
        add_ConsentServiceServicer_to_server,
        ConsentServicer(
            answers, PostgresStandings(store), history, PostgresReceipts(store), signer, utc_now, server.ending
        ),
        consent_service_pb2.DESCRIPTOR.services_by_name["ConsentService"],
    )
    insights = Insights(whereby, meetings, presence, utc_now, timedelta(seconds=settings.consent_insights_seconds))
    async with store, bus, whereby, OutboxRelay(store, bus, FOLDING), insights:
        WebhookEvents(bus, presence, utc_now).subscribe()
        await server.run_until_signalled()


async def migrate(settings: Settings) -> None:
    """Bring the database's schema up to date."""
    owner_url = settings.consent_migration_database_url or settings.consent_database_url
    await database.migrate(owner_url, MIGRATIONS, service_url=settings.consent_database_url)
    log.info("migrated")


def utc_now() -> datetime:
    """The clock of everything in this service."""
    return datetime.now(UTC)


def _whereby(settings: Settings) -> Whereby:
    destination = Destination(
        settings.recordings_bucket,
        settings.whereby_recording_access_key_id,
        settings.whereby_recording_secret_access_key.get_secret_value(),
    )
    return Whereby(settings.whereby_api_url, settings.whereby_api_key.get_secret_value(), destination)


def main() -> int:
    """Read the command and, where it needs it, the environment, and do it."""
    given = _parser().parse_args()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # not every terminal can show every wording
    if given.command == "history":
        return check_export(given.file, given.key)
    if given.command == "receipt":
        return check_receipt(given.file, given.key, given.notice)
    settings = load(Settings)
    logs.configure("consent_svc", settings.log_level)
    telemetry.configure("consent_svc")
    try:
        uvloop.run(serve(settings) if given.command == "serve" else migrate(settings))
    except KeyFileError as error:
        log.error("receipt_key_unusable", setting="ASSENT_CONSENT_RECEIPT_KEY_FILE", detail=str(error))
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m consent_svc", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="run the service")
    commands.add_parser("migrate", help="bring the database up to date")
    history = commands.add_parser("history", help="check an exported history, without service or settings")
    history.add_argument("file", help="the export, JSON Lines; - for standard input")
    history.add_argument("--key", type=Path, help="the service's public key: PEM, or what GET /v1/keys answers")
    receipt = commands.add_parser("receipt", help="check a receipt, without service or settings")
    receipt.add_argument("file", help="the JWS, or the JSON that it came in; - for standard input")
    receipt.add_argument("--key", type=Path, required=True, help="the service's public key: PEM, or JSON Web Key (set)")
    receipt.add_argument(
        "--notice", type=Path, help="the words that were shown: must be those of the receipt, and are printed"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
