"""Sees to it that no two processes go by one instance's name: they would take each other's work for their own."""

import asyncio
import time

import asyncpg
import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Database

log = structlog.get_logger()

LOOK_SECONDS = 2.0
"""How often it is seen whether the name is still ours, or free."""
PATIENCE_SECONDS = 60.0
"""After a lost connection: so long Postgres may take our own earlier self for another."""
_SAID_EVERY = 30.0

# Whose machine vanished is not taken for living for hours, as by default.
_VANISHES_SOON = "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3"
_TAKE = text("SELECT pg_try_advisory_lock(hashtext('transcript_svc instance'), hashtext(:name))")


class NameTaken(Exception):
    """Another process goes by our name, and has taken it while we were away."""


class Name:
    """An advisory lock in Postgres, held for life. Nothing may be done in the name before `is_ours`."""

    def __init__(self, database: Database, instance: str) -> None:
        self._database = database
        self._instance = instance
        self._refused_since: float | None = None
        self._said = 0.0
        self.is_ours = asyncio.Event()

    async def keep(self) -> None:
        """Wait until nobody else goes by it, then hold on to it. Raises NameTaken where somebody took it since."""
        while True:
            try:
                async with self._database.engine.connect() as connection:
                    await connection.execution_options(isolation_level="AUTOCOMMIT")
                    try:
                        await self._hold(connection)
                    finally:
                        await connection.invalidate()  # the pool must not hand the lock to others
            except (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
                log.warning("name_not_held", instance=self._instance, error=f"{type(error).__name__}: {error}")
            await asyncio.sleep(LOOK_SECONDS)

    async def _hold(self, connection: AsyncConnection) -> None:
        for setting in _VANISHES_SOON.split("; "):
            await connection.execute(text(setting))
        if not await connection.scalar(_TAKE, {"name": self._instance}):
            self._refused()
            return
        self._refused_since = None
        self.is_ours.set()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await connection.execute(text("SELECT 1"))

    def _refused(self) -> None:
        now = time.monotonic()
        self._refused_since = self._refused_since or now
        if self.is_ours.is_set() and now - self._refused_since > PATIENCE_SECONDS:
            raise NameTaken(f"another process goes by the name {self._instance}: give each its own ASSENT_INSTANCE")
        if now - self._said > _SAID_EVERY:
            self._said = now
            log.error(
                "name_taken",
                instance=self._instance,
                advice="give each process its own ASSENT_INSTANCE; this one waits",
            )
