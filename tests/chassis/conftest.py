"""What the chassis's own tests need."""

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chassis.bus import Bus
from chassis.database import Database, migrate
from deploy.local import Nats, Postgres

MIGRATION = """
revision = "0001"
down_revision = None

from chassis import outbox
from chassis.database import service_role

def upgrade() -> None:
    outbox.create_table(service_role())
"""


@pytest.fixture
async def bus(nats: Nats) -> AsyncIterator[Bus]:
    async with Bus(nats.url) as bus:
        await bus.connected()
        yield bus


@pytest.fixture
async def database(postgres: Postgres, tmp_path: Path) -> AsyncIterator[Database]:
    name = postgres.fresh_database(role="assent_consent")
    (tmp_path / "versions").mkdir()
    (tmp_path / "versions" / "0001_outbox.py").write_text(MIGRATION)
    (tmp_path / "env.py").write_text("from chassis.database import run_migrations\nrun_migrations()\n")
    service_url = postgres.url(name, role="assent_consent")
    await migrate(postgres.url(name), tmp_path, service_url=service_url)
    async with Database(service_url) as database:
        yield database
    postgres.drop_database(name)


@pytest.fixture
def unused_address() -> str:
    """An address on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        host, port = probe.getsockname()
    return f"{host}:{port}"
