"""Numbers what happens to a transcript, and keeps it for those who listen later."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from chassis import outbox
from transcript_svc import wire
from transcript_svc.store.tables import EVENTS, TRANSCRIPTS
from transcript_svc.wire import Event


async def append(connection: AsyncConnection, transcript_id: str, events: Sequence[Event]) -> None:
    """Number these events, and tell whoever watches."""
    # The row's lock makes the order of numbers the order of commits: who has seen 7 has missed nothing before it.
    last = await connection.scalar(
        TRANSCRIPTS.update()
        .where(TRANSCRIPTS.c.id == transcript_id)
        .values(last_sequence=TRANSCRIPTS.c.last_sequence + len(events))
        .returning(TRANSCRIPTS.c.last_sequence)
    )
    assert last is not None
    rows = []
    for sequence, event in enumerate(events, start=last - len(events) + 1):
        event.transcript_id, event.sequence = transcript_id, sequence
        kind = wire.kind_of(event)
        if wire.replaces_earlier(event):
            await forget(connection, transcript_id, (kind,))
        rows.append(
            {
                "transcript_id": transcript_id,
                "sequence": sequence,
                "kind": kind,
                "payload": event.SerializeToString(),
            }
        )
    await connection.execute(EVENTS.insert(), rows)
    await outbox.put(connection, *map(wire.appended, events))


async def forget(connection: AsyncConnection, transcript_id: str, kinds: Sequence[str]) -> None:
    """Let those who come later hear nothing of these kinds."""
    await connection.execute(EVENTS.delete().where(EVENTS.c.transcript_id == transcript_id, EVENTS.c.kind.in_(kinds)))
