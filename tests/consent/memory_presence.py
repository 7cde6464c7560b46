"""Presence and how meetings stand, in memory."""

from consent_svc.domain.presence import (
    Client,
    ClientEvent,
    Evidence,
    FinishedEvent,
    PresenceEvent,
    attendance_of,
    session_of,
)
from consent_svc.domain.standings import Counts
from consent_svc.domain.verdict import Answer, Person, Standing
from consent_svc.events import evidence_recorded, presence_changed
from tests.consent.memory import Memory


class MemoryPresence:
    """See `consent_svc.domain.presence.Presence`."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def record(self, *events: PresenceEvent) -> bool:
        news = [event for event in events if self._take_in(event)]
        if any(not isinstance(event, FinishedEvent) for event in news):
            self._memory.published.append(presence_changed(events[0].meeting_id))
        if news:
            self._memory.published.append(evidence_recorded(events[0].meeting_id))
        return bool(news)

    def _take_in(self, event: PresenceEvent) -> bool:
        before = self._snapshot()
        self._memory.room_names.setdefault(event.meeting_id, event.whereby_room_name)
        if isinstance(event, FinishedEvent):
            self._memory.finished.add((event.filename, event.meeting_id))
        else:
            known = self._memory.attendance[event.meeting_id]
            self._memory.attendance[event.meeting_id] = known.merged(attendance_of(event))
            if told := session_of(event):
                session = (event.meeting_id, told.session_id)
                self._memory.sessions[session] = self._memory.sessions.get(session, told).merged(told)
        if isinstance(event, ClientEvent):
            self._merge_client(event)
        return self._snapshot() != before

    async def evidence(self, whereby_room_name: str, filename: str) -> list[Evidence]:
        memory = self._memory
        rooms = memory.room_names | {one.meeting_id: one.whereby_room_name for one in memory.meetings.values()}
        named = {meeting_id for name, meeting_id in memory.finished if name == filename}
        named |= {meeting_id for meeting_id, room in rooms.items() if room == whereby_room_name}
        return [
            Evidence(
                meeting_id=meeting_id,
                whereby_room_name=rooms[meeting_id],
                is_known=meeting_id in memory.meetings,
                owner_id=memory.meetings[meeting_id].owner_id if meeting_id in memory.meetings else "",
                first_opened_at=min(
                    (at for (meeting, _), at in memory.participants.items() if meeting == meeting_id and at),
                    default=None,
                ),
                clients=tuple(client for (meeting, _), client in memory.clients.items() if meeting == meeting_id),
                sessions=tuple(session for (meeting, _), session in memory.sessions.items() if meeting == meeting_id),
                attendance=memory.attendance[meeting_id],
                finished_files=frozenset(
                    name for name, meeting in memory.finished if meeting == meeting_id and name == filename
                ),
            )
            for meeting_id in named
        ]

    def _merge_client(self, event: ClientEvent) -> None:
        key = (event.meeting_id, event.client_id)
        told = Client.of(event)
        merged = self._memory.clients.get(key, told).merged(told)
        self._memory.clients[key] = merged
        if merged.is_person and merged.participant_id:
            self._memory.participants.setdefault((event.meeting_id, merged.participant_id))

    def _snapshot(self) -> tuple[object, ...]:
        memory = self._memory
        return dict(memory.attendance), dict(memory.sessions), dict(memory.clients), set(memory.finished)


class MemoryStandings:
    """See `consent_svc.domain.standings.Standings`."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def counts(self, meeting_id: str) -> Counts:
        [standing] = await self.standings([meeting_id])
        answers = [person.answer for person in standing.people]
        granted, denied = answers.count(Answer.GRANTED), answers.count(Answer.DENIED)
        by_telephone = [client.is_dial_in for client in self._strangers(meeting_id)]
        return Counts(len(answers), granted, denied, by_telephone.count(True), by_telephone.count(False))

    async def standings(self, meeting_ids: list[str]) -> list[Standing]:
        return [
            Standing(self._memory.meeting(meeting_id), self._people(meeting_id), len(self._strangers(meeting_id)))
            for meeting_id in meeting_ids
        ]

    def _people(self, meeting_id: str) -> tuple[Person, ...]:
        people = []
        for person in self._memory.participants:
            if person[0] == meeting_id:
                recorded, first_granted_at = self._memory.answers.get(person, (None, None))
                people.append(Person(recorded.answer, recorded.revision, first_granted_at) if recorded else Person())
        return tuple(people)

    def _strangers(self, meeting_id: str) -> list[Client]:
        clients = [client for (meeting, _), client in self._memory.clients.items() if meeting == meeting_id]
        return [client for client in clients if client.is_person and not client.participant_id]
