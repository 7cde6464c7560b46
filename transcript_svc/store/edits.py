"""Sets the text of segments, and keeps every text that was there before."""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from transcript_svc import wire
from transcript_svc.domain import NoSegment, Segment, ensure_editable
from transcript_svc.store import event_log
from transcript_svc.store.rows import to_segment, to_transcript
from transcript_svc.store.tables import EDITS, SEGMENTS, TRANSCRIPTS


async def edit_segment(
    connection: AsyncConnection, transcript_id: str, index: int, text: str, editor_id: str
) -> Segment | None:
    """As the store's contract says."""
    # The row's lock puts edits in an order, and keeps the owner from locking the transcript meanwhile.
    query = select(TRANSCRIPTS).where(TRANSCRIPTS.c.id == transcript_id).with_for_update()
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        return None
    ensure_editable(to_transcript(row))
    before = await _segment(connection, transcript_id, index)
    after = before.reworded(text)
    if after != before:
        await _write(connection, transcript_id, index, before, after, editor_id)
    return after


async def _segment(connection: AsyncConnection, transcript_id: str, index: int) -> Segment:
    query = select(SEGMENTS).where(SEGMENTS.c.transcript_id == transcript_id, SEGMENTS.c.number == index)
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise NoSegment
    return to_segment(row)


async def _write(
    connection: AsyncConnection, transcript_id: str, index: int, before: Segment, after: Segment, editor_id: str
) -> None:
    await connection.execute(
        SEGMENTS.update()
        .where(SEGMENTS.c.transcript_id == transcript_id, SEGMENTS.c.number == index)
        .values(edited_text=None if after.original is None else after.text)
    )
    event = wire.reworded(after, index)
    await event_log.append(connection, transcript_id, [event])
    await connection.execute(
        EDITS.insert().values(
            transcript_id=transcript_id,
            sequence=event.sequence,
            number=index,
            editor_id=editor_id,
            before=before.text,
            after=after.text,
            edited_at=func.clock_timestamp(),
        )
    )
