"""Answers a second through HTTP, beside pgbench and a monolith on the same Postgres, all of them durable.

Rounds alternate and the first of each is thrown away; medians are compared. A round begins when what the one before
left to do (events to publish and to consume) is done, and is charged for it. Every answer must be a 200 with its
place in the history, and the history must hold it.
"""

from collections import Counter
from contextlib import AsyncExitStack

import asyncpg

from bench.contenders import OverHttp, Scale, connected, contenders, own_cost
from bench.proof import faults
from bench.rounds import Field
from bench.tables import Compared, print_aims, print_cpu, print_rates
from deploy.local import Stack


async def measure(stack: Stack, scale: Scale) -> int:
    """Print the tables. Returns 1 where an answer was refused, lost, mixed up or out of order."""
    async with AsyncExitStack() as leaving:
        connection = await connected(stack.env()["ASSENT_CONSENT_MIGRATION_DATABASE_URL"], leaving)
        await _print_settings(connection, scale)
        cost, rate = await own_cost(stack, max(scale.clients), scale.seconds)
        print(f"load client: {cost * 1e6:.1f} µs of CPU a request against a raw server, which took {rate:.0f}/s")
        ours, pgbench, monolith, part = await leaving.enter_async_context(contenders(stack, scale))
        field = Field(stack, {"monolith": part.pid}, connection)
        rows: list[Compared] = []
        for clients in scale.clients:
            first, second, third = await field.play((ours, pgbench, monolith), clients, scale)
            rows.append((first, second, third))
        wrong = await _wrong(connection, ours, rows)
    print_rates(rows)
    print_cpu(rows)
    print_aims(rows)
    return _report(wrong, sum(len(one.answers) for one in ours.acknowledged))


async def _print_settings(connection: asyncpg.Connection, scale: Scale) -> None:
    names = ("server_version", "fsync", "synchronous_commit", "full_page_writes")
    settings = [f"{name} {await connection.fetchval(f'SHOW {name}')}" for name in names]
    print(f"Postgres: {', '.join(settings)}")
    print(f"{scale.meetings} meetings of {scale.people} people; {scale.rounds} rounds of {scale.seconds:g} s each")


async def _wrong(connection: asyncpg.Connection, ours: OverHttp, rows: list[Compared]) -> Counter[str]:
    wrong = Counter(await faults(connection, ours.people, ours.acknowledged))
    for row in rows:
        for series in row:
            wrong += Counter({f"{series.name}: {error}": times for error, times in series.errors.items()})
    return wrong


def _report(wrong: Counter[str], acknowledged: int) -> int:
    print(f"\n{acknowledged} answers acknowledged by assent and held against the history: {wrong.total()} errors")
    for error, times in wrong.most_common():
        print(f"{times:>7} x {error}")
    return int(wrong.total() > 0)
