"""Shows how Postgres carries out the queries that our code really sends: caught on their way, explained afterwards."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

_SEQ_SCAN = re.compile(r"Seq Scan on (\w+)")
_EXPLAIN = "EXPLAIN (ANALYZE, BUFFERS OFF, COSTS OFF, TIMING OFF, SUMMARY OFF) EXECUTE captured"
# With the values before its eyes, and without: after five executions Postgres may choose either.
_MODES = ("force_custom_plan", "force_generic_plan")


@dataclass(frozen=True)
class Query:
    """A statement with the values it was sent with."""

    statement: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Plan:
    """How Postgres carries a query out, line by line; the same with and without the values unless `generic` says so."""

    query: Query
    lines: tuple[str, ...]
    generic: tuple[str, ...]

    @property
    def scanned(self) -> set[str]:
        """The tables that are read from end to end, in either plan."""
        return {found[1] for line in (*self.lines, *self.generic) if (found := _SEQ_SCAN.search(line))}


@contextmanager
def captured(engine: AsyncEngine) -> Iterator[list[Query]]:
    """Gather what is sent through this engine meanwhile, each statement once."""
    found: dict[str, Query] = {}

    def catch(_connection: object, _cursor: object, statement: str, values: Any, *_: object) -> None:
        found.setdefault(statement, Query(statement, tuple(values)))

    queries: list[Query] = []
    event.listen(engine.sync_engine, "before_cursor_execute", catch)
    try:
        yield queries
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", catch)
        queries += found.values()


async def explain(connection: asyncpg.Connection, query: Query) -> Plan:
    """Run the query and tell how it went."""
    values = f"({', '.join(map(_literal, query.values))})" if query.values else ""
    plans = []
    for mode in _MODES:
        await connection.execute(f"SET plan_cache_mode = {mode}")
        await connection.execute(f"PREPARE captured AS {query.statement}")
        plans.append(tuple(row[0] for row in await connection.fetch(f"{_EXPLAIN}{values}")))
        await connection.execute("DEALLOCATE captured")
    shapes = [tuple(line for line in plan if "Cond:" not in line and "Filter:" not in line) for plan in plans]
    return Plan(query, plans[0], plans[1] if shapes[0] != shapes[1] else ())


def _literal(value: Any) -> str:
    """The value as SQL writes it; its type is the placeholder's."""
    match value:
        case None:
            return "NULL"
        case bool() | int():
            return str(value)
        case datetime():
            return f"'{value.isoformat()}'"
        case str():
            escaped = value.replace("'", "''")
            return f"'{escaped}'"
        case list() | tuple():
            return f"ARRAY[{', '.join(map(_literal, value))}]"
    raise TypeError(f"no literal for {type(value).__name__}: add it here")
