"""What receipts rest on, in memory."""

from collections.abc import Collection, Sequence

from consent_svc.domain.answers import HistoryEntry
from consent_svc.domain.receipts import AnswerOnRecord, Key, Notice
from consent_svc.domain.verdict import Answer
from consent_svc.errors import answer_not_found, notice_not_found
from consent_svc.history import participant_digest
from consent_svc.receipts.wordings import key_of, settled
from tests.consent.memory import Memory


class MemoryReceipts:
    """See `consent_svc.domain.receipts.Receipts`."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def answer(self, meeting_id: str, participant_id: str, revision: int) -> AnswerOnRecord:
        meeting = self._memory.meeting(meeting_id)
        digest = participant_digest(self._memory.salts[meeting_id], participant_id)
        theirs = [entry for entry in self._memory.history[meeting_id] if entry.participant_digest == digest]
        wanted = [entry for entry in theirs if entry.revision <= (revision or entry.revision)]
        if not wanted or revision not in (0, wanted[-1].revision):
            raise answer_not_found(meeting_id)
        entry, before = wanted[-1], wanted[:-1]
        return AnswerOnRecord(
            meeting=meeting,
            consent_id=self._consent_id(entry),
            entry=entry,
            previous=before[-1] if before else None,
            granted_before=any(one.answer is Answer.GRANTED for one in before),
            notice=self._memory.notices.get((entry.notice_version, entry.language)),
            terms=self._memory.terms[meeting_id, entry.revision],
        )

    async def register(self, notices: Sequence[Notice]) -> list[Notice]:
        kept = settled(notices, self._memory.notices)
        self._memory.notices.update(kept)
        return [kept[key_of(notice)] for notice in notices]

    async def hashes(self, keys: Collection[Key]) -> dict[Key, str]:
        return {key: self._memory.notices[key].hash for key in keys if key in self._memory.notices}

    async def notice(self, notice_hash: str) -> Notice:
        found = [notice for notice in self._memory.notices.values() if notice.hash == notice_hash]
        if not found:
            raise notice_not_found(notice_hash)
        return min(found, key=lambda notice: (notice.registered_at, key_of(notice)))

    def _consent_id(self, entry: HistoryEntry) -> str:
        of_the_meeting = [one for one in self._memory.requests.values() if one.meeting_id == entry.meeting_id]
        [found] = [one.consent_id for one in of_the_meeting if one.revision == entry.revision]
        return found
