"""What happens in a room: people come and go, sessions begin and end, the recorder follows its trigger."""

import asyncio
from collections import defaultdict
from datetime import datetime
from typing import Any

from deploy.local.whereby import recorder
from deploy.local.whereby.meetings import Client, Meeting, Meetings, Session
from deploy.local.whereby.recorder import File
from deploy.local.whereby.webhooks import Webhooks

PEOPLE_FOR = {"automatic": 1, "automatic-2nd-participant": 2}  # who must be there before the recorder comes


class Calls:
    """Acts on rooms and tells it by webhook."""

    def __init__(self, meetings: Meetings, webhooks: Webhooks) -> None:
        self._meetings = meetings
        self._webhooks = webhooks
        self._changed: dict[str, asyncio.Event] = defaultdict(asyncio.Event)

    async def join(self, meeting: Meeting, client: Client, at: datetime, wait: bool = False) -> bool:
        """Somebody opens the room. Returns whether they are in: in a locked room a visitor knocks first."""
        if meeting.locked and client.role == "visitor":
            meeting.knocking.append(client)
            await self._told(meeting, "room.client.knocked", at, wait, client=client)
            return False
        await self._enter(meeting, client, at, wait)
        return True

    async def admit(self, meeting: Meeting, at: datetime, wait: bool = False) -> list[Client]:
        """Let everybody in who knocks."""
        admitted, meeting.knocking = meeting.knocking, []
        for client in admitted:
            await self._enter(meeting, client, at, wait)
        return admitted

    async def leave(self, meeting: Meeting, client: Client, at: datetime, wait: bool = False) -> None:
        """Somebody goes. When the last one goes, the session and its recording end."""
        if client in meeting.knocking:
            meeting.knocking.remove(client)
        if client in meeting.clients:
            meeting.clients.remove(client)
            await self._told(meeting, "room.client.left", at, wait, client=client)
            if not meeting.people:
                await self._finish(meeting, at, File(), wait)

    async def record(self, meeting: Meeting, at: datetime, wait: bool = False) -> None:
        """The recorder joins; the recording starts at that moment."""
        if meeting.recorder is None:
            meeting.recording_since = at
            machine = Client(display_name="Recorder", role="recorder")
            meeting.clients.append(machine)
            await self._told(meeting, "room.client.joined", at, wait, client=machine)

    async def end(self, meeting: Meeting, at: datetime, file: File, wait: bool) -> dict[str, str] | None:
        """Everybody leaves. Returns where the recording lies, if there was one."""
        for client in meeting.people:
            meeting.clients.remove(client)
            await self._told(meeting, "room.client.left", at, wait, client=client)
        return await self._finish(meeting, at, file, wait)

    async def drop(self, meeting: Meeting, start: datetime, file: File, at: datetime, wait: bool) -> dict[str, str]:
        """Put a recording that started then into the meeting's bucket and announce it.

        Raises:
            ValueError: the meeting names no bucket.
        """
        if meeting.destination is None:
            raise ValueError(f"meeting {meeting.id} has no recording destination: create it with recording.type cloud")
        placed = await recorder.put(file, meeting.room, start, meeting.destination)
        if file.announce:
            filename = placed["key"].rpartition("/")[2]
            await self._told(meeting, "recording.finished", at, wait, filename=filename)
        return placed

    async def changed(self, meeting: Meeting, seconds: float) -> None:
        """Return when somebody came or went, or this time has passed."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed[meeting.id].wait()
        except TimeoutError:
            return

    async def _enter(self, meeting: Meeting, client: Client, at: datetime, wait: bool) -> None:
        meeting.clients.append(client)
        opens = meeting.session is None and len(meeting.people) == 2
        if opens:
            meeting.sessions.append(Session(started_at=at))
        await self._told(meeting, "room.client.joined", at, wait, client=client)
        if opens:
            await self._told(meeting, "room.session.started", at, wait)
        needed = PEOPLE_FOR.get(meeting.trigger)
        if meeting.recording == "cloud" and needed is not None and len(meeting.people) >= needed:
            await self.record(meeting, at, wait)

    async def _finish(self, meeting: Meeting, at: datetime, file: File, wait: bool) -> dict[str, str] | None:
        if machine := meeting.recorder:
            meeting.clients.remove(machine)
            await self._told(meeting, "room.client.left", at, wait, client=machine)
        if session := meeting.session:
            session.ended_at = at
            await self._told(meeting, "room.session.ended", at, wait, session=session)
        start, meeting.recording_since = meeting.recording_since, None
        if start is None or meeting.destination is None:
            return None
        return await self.drop(meeting, start, file, at, wait)

    async def _told(
        self,
        meeting: Meeting,
        kind: str,
        at: datetime,
        wait: bool,
        client: Client | None = None,
        session: Session | None = None,
        **more: str,
    ) -> None:
        """Write the change down, wake who watches the room, and send the webhook."""
        self._meetings.save()
        self._changed.pop(meeting.id, asyncio.Event()).set()
        session = session or meeting.session
        data: dict[str, Any] = {
            "meetingId": meeting.id,
            "roomName": f"/{meeting.room}",
            "roomSessionId": session.id if session else None,
            "subdomain": "assent-local",
            **more,
        }
        if client is not None:
            data |= _of_client(meeting, client)
        await self._webhooks.send(kind, data, at, wait)


def _of_client(meeting: Meeting, client: Client) -> dict[str, Any]:
    return {
        "participantId": client.participant_id,
        "displayName": client.display_name,
        "externalId": client.external_id,
        "metadata": client.metadata,
        "roleName": client.role,
        "numClients": len(meeting.clients),
        "numClientsByRoleName": meeting.roles(),
        "isDialIn": client.is_dial_in,
    }
