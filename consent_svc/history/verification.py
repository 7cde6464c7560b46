"""Follows a meeting's history line by line and names the first that does not fit; needs no memory of the others."""

from dataclasses import dataclass

from consent_svc.domain.answers import HistoryLine
from consent_svc.domain.verdict import Answer
from consent_svc.history.chain import GENESIS, fits_its_hash


@dataclass(frozen=True)
class Fault:
    """Where a history is not as it was written, and in what."""

    revision: int
    explanation: str


class Verification:
    """Takes the lines in their order, then where they ought to end."""

    def __init__(self) -> None:
        self.meeting_id = ""
        self.entries = 0
        self.revision = 0
        """Of the last line."""
        self.head_hash = GENESIS
        """The last line's."""
        self.granted = 0
        self.fault: Fault | None = None
        """The first."""

    def add(self, line: HistoryLine) -> None:
        """The next line."""
        if not self.entries:
            self.meeting_id = line["meeting_id"]
        if self.fault is None:
            self.fault = self._fault_of(line)
        self.entries += 1
        self.granted += line["answer"] == Answer.GRANTED
        self.revision, self.head_hash = line["revision"], line["hash"]

    def end(self, meeting_id: str, revision: int, head_hash: str) -> None:
        """What the last line must have been, as it is known from elsewhere."""
        if self.fault is None:
            self.fault = self._fault_at_end(meeting_id, revision, head_hash)

    def _fault_of(self, line: HistoryLine) -> Fault | None:
        # Named by its place: what the line itself says of it may be what was changed.
        place, found = self.revision + 1, line["revision"]
        if not fits_its_hash(line):
            return Fault(place, f"revision {place}: its fields do not give its hash")
        if line["meeting_id"] != self.meeting_id:
            return Fault(place, f"revision {place}: what stands there belongs to another meeting")
        if found == place - 1 and self.entries:
            return Fault(found, f"revision {found} is there twice")
        if found < place:
            return Fault(place, f"revision {place} is missing: revision {found} stands there, out of order")
        if found > place:
            return Fault(place, f"revision {place} is missing: revision {found} stands there")
        if line["previous_hash"] != self.head_hash:
            return Fault(place, f"revision {place}: it does not follow {_named(place - 1)}")
        if line["answer"] not in tuple(Answer):
            return Fault(place, f"revision {place}: its answer is neither granted nor denied")
        return None

    def _fault_at_end(self, meeting_id: str, revision: int, head_hash: str) -> Fault | None:
        if self.entries and self.meeting_id != meeting_id:
            return Fault(1, "revision 1: what stands there belongs to another meeting")
        if self.revision < revision:
            missing = self.revision + 1
            return Fault(missing, f"the history ends at {self.revision} but {revision} answers were committed")
        if self.revision > revision:
            return Fault(revision + 1, f"the history goes on to {self.revision} but ended at {revision}")
        if self.head_hash != head_hash:
            return Fault(revision, f"revision {revision} is not the end that was committed: that had another hash")
        return None


def _named(revision: int) -> str:
    return f"revision {revision}" if revision else "the beginning: the first follows 64 zeros"
