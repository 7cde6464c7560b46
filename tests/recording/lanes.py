"""Surroundings in which one story after the other is told, several at the same time beside each other."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import nats
from assent.recording.v1.recording_service_pb2_grpc import RecordingServiceStub

from chassis.bus import Bus
from chassis.channel import Tls, connect
from chassis.database import Database
from deploy.local import Moto, Nats, Postgres
from tests.recording.conftest import Aws, fresh_cloud
from tests.recording.neighbours import Neighbours
from tests.recording.served import variables
from tests.recording.told import Story

_numbers = itertools.count()
_PACE = {
    "ASSENT_SWEEP_SECONDS": "0.5",
    "ASSENT_RECORDING_RECEIVERS": "1",
    "ASSENT_RECORDING_METRICS_LISTEN": "",
}


@dataclass(frozen=True)
class Servers:
    """What all lanes share."""

    postgres: Postgres
    migrated: str
    moto: Moto
    aws: Aws
    tls: Tls


class Lane:
    """One story at a time, with new buckets and a new database each. Events and answers are its own."""

    def __init__(self, folder: Path, servers: Servers, neighbours: Neighbours, bus: Nats) -> None:
        self._folder = folder
        self._servers = servers
        self._neighbours = neighbours
        self._nats = bus

    @property
    def key(self) -> Path:
        """What certificates are signed with."""
        return self._folder / "key.pem"

    @asynccontextmanager
    async def story(self) -> AsyncIterator[tuple[Story, Mapping[str, str]]]:
        """One that has begun, and the environment of the recording_svc in it."""
        here, url = self._servers, self._nats.url
        cloud = await fresh_cloud(here.aws)
        async with self._database() as database_url:
            environ = variables(
                self._folder, here.tls, cloud, here.moto, self._neighbours.address, self._nats, database_url
            )
            channel, client = connect(environ["ASSENT_RECORDING_LISTEN"], here.tls), await nats.connect(url)
            async with Database(database_url, pool_size=2) as database, channel, Bus(url) as bus, client:
                await bus.connected()
                service, meeting_id = RecordingServiceStub(channel), f"meeting-{next(_numbers)}"
                story = Story(cloud, database, self._neighbours, bus, service, client.jetstream(), meeting_id)
                story.arrives()
                yield story, environ | _PACE

    @asynccontextmanager
    async def _database(self) -> AsyncIterator[str]:
        postgres, role = self._servers.postgres, "assent_recording"
        name = await asyncio.to_thread(postgres.fresh_database, self._servers.migrated, role)
        yield postgres.url(name, role=role)
        await asyncio.to_thread(postgres.drop_database, name)
