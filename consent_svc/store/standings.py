"""How meetings stand, from Postgres."""

from typing import Any

from sqlalchemy import func, select

from chassis.database import Database
from consent_svc.domain.presence import NOT_PEOPLE
from consent_svc.domain.standings import Counts
from consent_svc.domain.verdict import Answer, Person, Standing
from consent_svc.store.meetings import load_meetings, require_meeting
from consent_svc.store.tables import ANSWERS, CLIENTS, PARTICIPANTS


class PostgresStandings:
    """See `consent_svc.domain.standings.Standings`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def counts(self, meeting_id: str) -> Counts:
        counted = _people(
            [meeting_id],
            func.count().label("present"),
            func.count().filter(ANSWERS.c.answer == Answer.GRANTED).label("granted"),
            func.count().filter(ANSWERS.c.answer == Answer.DENIED).label("denied"),
        )
        async with self._database.begin() as connection:
            await require_meeting(connection, meeting_id)
            row = (await connection.execute(counted)).one()
            strangers = (await connection.execute(_strangers([meeting_id]))).one_or_none()
        dial_in, unidentified = (strangers.dial_in, strangers.unidentified) if strangers else (0, 0)
        return Counts(row.present, row.granted, row.denied, dial_in, unidentified)

    async def standings(self, meeting_ids: list[str]) -> list[Standing]:
        columns = (ANSWERS.c.answer, func.coalesce(ANSWERS.c.revision, 0).label("revision"), ANSWERS.c.first_granted_at)
        async with self._database.begin() as connection:
            meetings = await load_meetings(connection, meeting_ids)
            people: dict[str, list[Person]] = {meeting_id: [] for meeting_id in meeting_ids}
            for row in await connection.execute(_people(meeting_ids, PARTICIPANTS.c.meeting_id, *columns)):
                answer = Answer(row.answer) if row.answer else None
                people[row.meeting_id].append(Person(answer, row.revision, row.first_granted_at))
            rows = await connection.execute(_strangers(meeting_ids))
            strangers = {row.meeting_id: row.dial_in + row.unidentified for row in rows}
        return [
            Standing(meeting, tuple(people[meeting.meeting_id]), strangers.get(meeting.meeting_id, 0))
            for meeting in meetings
        ]


def _people(meeting_ids: list[str], *columns: Any) -> Any:
    """Everyone present, each beside the answer that counts. One statement, so that both are of one moment."""
    both = (ANSWERS.c.meeting_id == PARTICIPANTS.c.meeting_id) & (
        ANSWERS.c.participant_id == PARTICIPANTS.c.participant_id
    )
    joined = PARTICIPANTS.outerjoin(ANSWERS, both)
    return select(*columns).select_from(joined).where(PARTICIPANTS.c.meeting_id.in_(meeting_ids))


def _strangers(meeting_ids: list[str]) -> Any:
    """Stays of people whom our page never saw, of both kinds."""
    stays = (CLIENTS.c.meeting_id.in_(meeting_ids), CLIENTS.c.participant_id == "", CLIENTS.c.role.not_in(NOT_PEOPLE))
    dial_in = func.count().filter(CLIENTS.c.is_dial_in).label("dial_in")
    unidentified = func.count().filter(~CLIENTS.c.is_dial_in).label("unidentified")
    return select(CLIENTS.c.meeting_id, dial_in, unidentified).where(*stays).group_by(CLIENTS.c.meeting_id)
