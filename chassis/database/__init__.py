"""A service's own Postgres: connections, transactions, migrations."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import asyncpg
from sqlalchemy import Connection, event, make_url, pool, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from chassis.errors import InvalidArgument, Unavailable

if TYPE_CHECKING:
    from alembic.config import Config
    from asyncpg.pool import PoolConnectionProxy  # a class for the type checker alone

    DriverConnection = PoolConnectionProxy[asyncpg.Record]

_COMMAND_SECONDS = 20.0
"""Above every limit of the server's: a connection that died silently answers nothing at all."""

_SESSION = {
    # An acknowledged commit is on disk, whatever the server's default is.
    "synchronous_commit": "on",
    "statement_timeout": "15s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "30s",
}
_GONE = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
    asyncpg.CannotConnectNowError,
    # A standby behind the address, or a server that was demoted.
    asyncpg.ReadOnlySQLTransactionError,
    # How the driver puts it where the server dies in the middle of an answer.
    asyncpg.InternalClientError,
)


DRIVER_CONNECTIONS = 4
"""At most, beside those of the pool."""

_BY_KEY = {
    # Planning costs as much as the work. But a plan made while a table was small would read all of it later.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}


class Database:
    """A pool of connections to `url` (postgresql+asyncpg://…). Use as an async context manager."""

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self.engine: AsyncEngine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=5,
            pool_pre_ping=True,
            connect_args={"server_settings": _SESSION, "timeout": 5, "command_timeout": _COMMAND_SECONDS},
        )
        event.listen(self.engine.sync_engine, "handle_error", _leave_the_read_only)
        _, driver_arguments = self.engine.dialect.create_connect_args(make_url(url))
        self._driver_pool = asyncpg.create_pool(
            **driver_arguments,
            min_size=0,
            max_size=DRIVER_CONNECTIONS,
            server_settings=_SESSION | _BY_KEY,
            timeout=5,
            command_timeout=_COMMAND_SECONDS,
            reset=_as_it_is,
        )

    async def __aenter__(self) -> Self:
        await self._driver_pool  # connects when first used
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._driver_pool.close()
        await self.engine.dispose()

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """One transaction: committed at the end, rolled back on an error.

        Raises Unavailable (DATABASE_UNAVAILABLE) when Postgres cannot be reached or goes away meanwhile, and
        InvalidArgument (VALUE_INVALID) for a value that no column can hold: a NUL in a text, a number too large.
        """
        try:
            async with self.engine.begin() as connection:
                yield connection
        except DBAPIError as error:
            if error.connection_invalidated or isinstance(_cause(error), _GONE):
                raise _unavailable() from error
            if isinstance(_cause(error), asyncpg.DataError):
                raise _impossible() from error
            raise
        except (OSError, PoolTimeout, *_GONE) as error:
            raise _unavailable() from error

    @asynccontextmanager
    async def begin_on_driver(self) -> "AsyncIterator[DriverConnection]":
        """The same on the driver's own connection: for a few prepared statements, it costs a fifth of `begin`.

        For statements that find their rows by key: everything is planned as if tables were large.
        Raises as `begin` does.
        """
        async with self.on_driver() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def on_driver(self) -> "AsyncIterator[DriverConnection]":
        """The same without a transaction: each statement is one of its own. Raises as `begin` does."""
        try:
            async with self._driver_pool.acquire(timeout=5) as connection:
                yield connection
        except asyncpg.DataError as error:
            raise _impossible() from error
        except asyncpg.ReadOnlySQLTransactionError as error:
            await self._driver_pool.expire_connections()
            raise _unavailable() from error
        except (OSError, TimeoutError, *_GONE) as error:
            raise _unavailable() from error


async def _as_it_is(_: "asyncpg.Connection[asyncpg.Record]") -> None:
    """A transaction leaves nothing behind on its connection that would have to be reset."""


def _leave_the_read_only(context: ExceptionContext) -> None:
    """A connection to a standby answers every ping and would be kept for ever: let go of the whole pool."""
    if isinstance(getattr(context.original_exception, "__cause__", None), asyncpg.ReadOnlySQLTransactionError):
        context.is_disconnect = True


def _cause(error: DBAPIError) -> BaseException | None:
    return error.orig.__cause__ if error.orig is not None else None


def _impossible() -> InvalidArgument:
    return InvalidArgument(
        "a value cannot be stored or looked up: send plain text, and numbers and times within reason",
        reason="VALUE_INVALID",
    )


def _unavailable() -> Unavailable:
    return Unavailable("the database cannot be reached: try again in a moment", reason="DATABASE_UNAVAILABLE")


async def migrate(url: str, migrations: Path, *, service_url: str) -> None:
    """Bring the schema at `url` up to date with the Alembic scripts in `migrations`.

    Scripts find the role that the service runs as in `context.config.attributes["service_role"]`, to grant it
    only what it needs. Several migrations started at once wait for each other.
    """
    from alembic.config import Config  # Alembic takes a fifth of a second, for which only who migrates waits

    config = Config()
    config.set_main_option("script_location", str(migrations))
    config.attributes["service_role"] = make_url(service_url).username
    engine = create_async_engine(url, poolclass=pool.NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_upgrade, config)
    finally:
        await engine.dispose()


def _upgrade(connection: Connection, config: "Config") -> None:
    from alembic import command

    # The lock belongs to the session: it outlasts the scripts' own transactions and ends with the connection.
    connection.execute(text("SELECT pg_advisory_lock(hashtext('assent migrations'))"))
    connection.commit()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def run_migrations() -> None:
    """The whole of a service's `migrations/env.py`: run the scripts on the connection that `migrate` opened."""
    from alembic import context  # only inside Alembic's environment does it mean anything

    connection: Connection = context.config.attributes["connection"]
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()


def service_role() -> str | None:
    """Inside a migration: the role to grant to, or None where the service runs as the tables' owner."""
    from alembic import context

    role: str | None = context.config.attributes["service_role"]
    owner = context.config.attributes["connection"].scalar(text("SELECT current_user"))
    return None if role == owner else role


def make_append_only(*tables: str) -> None:
    """Inside a migration: let rows be added and read, and never changed, by the tables' owner either."""
    from alembic import op

    op.execute("""
        CREATE OR REPLACE FUNCTION refuse_to_rewrite() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
            USING ERRCODE = 'insufficient_privilege';
        END $$
    """)
    for table in tables:
        op.execute(f"""
            CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_rewrite()
        """)
        # In a replica session, too.
        op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER append_only")
