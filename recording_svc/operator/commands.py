"""The operator's commands: `stuck`, `retry`, `match`, `redrive`, `audit`.

They end with 0 where it is done, 1 where it could not be (stderr says why), 2 where they were asked wrongly.
"""

import argparse
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from assent.meeting.v1.meeting_service_pb2_grpc import MeetingServiceStub
from asyncpg import PostgresError
from botocore.exceptions import BotoCoreError, ClientError
from sqlalchemy.exc import DBAPIError

from chassis.channel import connect
from chassis.database import Database
from chassis.errors import ServiceError
from chassis.logs import plain
from recording_svc.clients import open_s3_and_sqs
from recording_svc.domain.recordings import StaleError
from recording_svc.matching import NotAssignableError
from recording_svc.operator import actions, screen
from recording_svc.operator.actions import Operator
from recording_svc.operator.desk import Action, Desk
from recording_svc.operator.postgres import PostgresDesk
from recording_svc.operator.redrive import RedriveInterruptedError, depth, redrive
from recording_svc.settings import Settings
from recording_svc.store.postgres import PostgresRecordings

_NOBODY = "(not named)"


@dataclass(frozen=True)
class Room:
    """What a command works with."""

    settings: Settings
    operator: Operator
    desk: Desk


Command = Callable[[argparse.Namespace, Room], Awaitable[int]]


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Let the command line know them."""
    stuck = commands.add_parser("stuck", help="list what is not kept or erased for too long, why, and what to do")
    retry = commands.add_parser("retry", help="have a recording looked at now")
    which = retry.add_mutually_exclusive_group(required=True)
    which.add_argument("recording_id", nargs="?", type=_id, help="as `stuck` lists it")
    which.add_argument("--all", action="store_true", help="all that are neither kept nor erased")
    match = commands.add_parser("match", help="say by hand which meetings an unmatched recording belongs to")
    match.add_argument("recording_id", type=_id)
    match.add_argument("meeting_ids", nargs="+", type=_id, metavar="MEETING_ID")
    match.add_argument("--operator", required=True, type=_said, help="who says so")
    match.add_argument("--why", required=True, type=_said, help="what makes it sure")
    dead = commands.add_parser("redrive", help="bring dead letters back to the recordings queue")
    dead.add_argument("--limit", type=_count, help="how many at most; as many as lie there, where left out")
    for parser in (retry, dead):
        parser.add_argument("--operator", type=_said, default=_NOBODY, help="who does it, for `audit`")
    audit = commands.add_parser("audit", help="tell what operators did")
    audit.add_argument("--limit", type=_count, default=1000, help="the latest of them; 1000")
    for parser in (stuck, audit):
        parser.add_argument("--json", action="store_true", help="for machines")


async def run(given: argparse.Namespace, settings: Settings) -> int:
    """Carry out one command; returns the exit code."""
    try:
        async with _opened(settings, getattr(given, "operator", _NOBODY)) as room:
            return await COMMANDS[given.command](given, room)
    except (ServiceError, NotAssignableError) as error:
        return _fail(str(error))
    except StaleError as error:
        return _fail(f"recording {error} keeps changing: try again")
    except RedriveInterruptedError as error:
        return _fail(f"SQS: {error}; {error.moved} moved before, none lost: look at queues and rights, run it again")
    except (BotoCoreError, ClientError) as error:
        return _fail(f"SQS: {error}: look at ASSENT_RECORDINGS_DLQ_URL, the network and the role's rights")
    except (DBAPIError, PostgresError) as error:
        return _fail(f"Postgres: {error}: look at ASSENT_RECORDING_DATABASE_URL; is the database migrated?")
    except OSError as error:
        return _fail(f"{error}: look at the setting that names it")


@asynccontextmanager
async def _opened(settings: Settings, name: str) -> AsyncIterator[Room]:
    database = Database(settings.recording_database_url, pool_size=2)
    channel = connect(settings.consent_address, settings.tls)
    async with database, channel:
        recordings, desk = PostgresRecordings(database, database), PostgresDesk(database)
        yield Room(settings, Operator(recordings, desk, MeetingServiceStub(channel), name, _now), desk)


async def _stuck(given: argparse.Namespace, room: Room) -> int:
    found, now = await room.operator.stuck(), _now()
    _say(*([screen.stuck_json(found, now)] if given.json else screen.stuck_lines(found, now)))
    waiting = await room.operator.waiting()
    if waiting > actions.MOST_LISTED:
        print(f"only the {actions.MOST_LISTED} that came first were looked at, of {waiting} that wait", file=sys.stderr)  # noqa: T201
    elif not found:
        print("nothing waits longer than it should", file=sys.stderr)  # noqa: T201
    return 0


async def _retry(given: argparse.Namespace, room: Room) -> int:
    if given.all:
        _say(f"{await room.operator.retry_all()} recordings are looked at within seconds")
    else:
        await room.operator.retry(given.recording_id)
        _say(f"{given.recording_id} is looked at within seconds")
    return 0


async def _match(given: argparse.Namespace, room: Room) -> int:
    _say(*screen.assigned_lines(await room.operator.match(given.recording_id, given.meeting_ids, given.why)))
    return 0


async def _redrive(given: argparse.Namespace, room: Room) -> int:
    dead, recordings = room.settings.recordings_dlq_url, room.settings.recordings_queue_url
    async with open_s3_and_sqs(room.settings) as (_, sqs):
        limit = given.limit or await depth(sqs, dead)
        # Said before: an interrupted one has moved messages too.
        await room.desk.note(Action(given.operator, "redrive", details={"limit": limit}))
        _say(f"{await redrive(sqs, dead, recordings, limit)} messages moved, about {await depth(sqs, dead)} left")
    return 0


async def _audit(given: argparse.Namespace, room: Room) -> int:
    done = await room.desk.actions(given.limit)
    _say(*([screen.actions_json(done)] if given.json else screen.action_lines(done)))
    return 0


COMMANDS: dict[str, Command] = {
    "stuck": _stuck,
    "retry": _retry,
    "match": _match,
    "redrive": _redrive,
    "audit": _audit,
}


def _said(text: str) -> str:
    # A line of the audit must be one action's, and look like what it is.
    if not text.strip() or not text.isprintable():
        raise argparse.ArgumentTypeError("must be printable text on one line, and say something")
    return text.strip()


def _id(text: str) -> str:
    if not text or not text.isprintable():
        raise argparse.ArgumentTypeError("an id is printable text and not empty: see `stuck`, GET /v1/rooms/…/meetings")
    return text


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("a number from 1")
    return int(text)


def _now() -> datetime:
    return datetime.now(UTC)


def _say(*lines: str) -> None:
    for line in lines:
        print(line)  # noqa: T201  its answer


def _fail(why: str) -> int:
    print("\n".join(plain(line) for line in why.splitlines()), file=sys.stderr)  # noqa: T201  its answer
    return 1


__all__: Sequence[str] = ["COMMANDS", "add_to", "run"]
