"""Makes roles and databases on a PostgreSQL server: one of each for every service."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool


async def run_statements(url: str, statements: Sequence[str]) -> None:
    """Run statements one by one, each in a transaction of its own."""
    async with _connected(url) as connection:
        for statement in statements:
            await connection.execute(text(statement))


async def make_databases(url: str, passwords: Mapping[str, str]) -> None:
    """For each name make a role with this password and a database that only it may enter."""
    async with _connected(url) as connection:
        roles = set(await connection.scalars(text("SELECT rolname FROM pg_roles")))
        databases = set(await connection.scalars(text("SELECT datname FROM pg_database")))
        for name, password in passwords.items():
            verb = "ALTER" if name in roles else "CREATE"
            await connection.execute(text(f"{verb} ROLE {name} LOGIN PASSWORD '{password}'"))
            if name not in databases:
                await connection.execute(text(f"CREATE DATABASE {name}"))
                await connection.execute(text(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC"))
                await connection.execute(text(f"GRANT CONNECT ON DATABASE {name} TO {name}"))


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[AsyncConnection]:
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    async with engine.connect() as connection:
        yield connection
