"""What people did and what they were told: the only thing that a history is held against."""

import itertools
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from bench.contenders import Acknowledged
from tests.chaos.people import Person


@dataclass(frozen=True)
class Told:
    """What a 200 said."""

    consent_id: str
    granted: bool
    revision: int
    answered_at: datetime


@dataclass(eq=False)
class Press:
    """One press of a button. Its number ends its request id, which stays the same however often it is sent."""

    number: int
    # Place among the people.
    person: int
    granted: bool
    # The highest revision that anybody in this meeting had been told when this was sent first: it must lie above.
    floor: int
    sent: int = 0
    # When it was sent last before it was acknowledged.
    sent_at: datetime | None = None
    told: Told | None = None


@dataclass
class Tally:
    """All presses, and everything else that happened on the way. Times are seconds on the monotonic clock."""

    people: list[Person]
    # Begins every request id: 24 characters.
    key: str
    presses: list[Press] = field(default_factory=list)
    acknowledged: int = 0
    # When a 503 came, and how long it had taken.
    refused: list[tuple[float, float]] = field(default_factory=list)
    # When a connection was refused or lost.
    disconnected: list[float] = field(default_factory=list)
    # Requests that were never answered.
    hanging: int = 0
    # By how many seconds the clients themselves came too late at most, since the machine was busy.
    lateness: float = 0.0
    # Everything but 200 and 503, and how often.
    strange: Counter[str] = field(default_factory=Counter)
    # Presses that were sent once more although acknowledged, and those of them that were told something else then.
    repeated: int = 0
    changed: list[Press] = field(default_factory=list)
    # The highest revision that was told, meeting by meeting.
    highest: Counter[str] = field(default_factory=Counter)

    def press(self, person: int, granted: bool) -> Press:
        """A new one, not sent yet."""
        floor = self.highest[self.people[person].meeting_id]
        press = Press(len(self.presses), person, granted, floor)
        self.presses.append(press)
        return press

    def take(self, press: Press, told: Told) -> None:
        """A 200: the first one for this press counts, any other must say the same."""
        if press.told is None:
            press.told = told
            self.acknowledged += 1
            meeting_id = self.people[press.person].meeting_id
            self.highest[meeting_id] = max(self.highest[meeting_id], told.revision)
        elif press.told != told:
            self.changed.append(press)

    @property
    def under_way(self) -> int:
        """Presses that are not acknowledged yet."""
        return len(self.presses) - self.acknowledged

    @property
    def retried(self) -> int:
        """Presses that were not told 200 when they were first sent."""
        return sum(press.sent > 1 for press in self.presses)

    @property
    def replies_lost(self) -> int:
        """Retried presses that had been committed before: it was the reply that was lost, not the answer."""
        return sum(bool(one.told and one.sent_at and one.told.answered_at < one.sent_at) for one in self.presses)

    @property
    def out_of_order(self) -> int:
        """Presses whose revision is not above all that were told before they were sent."""
        return sum(press.told is not None and press.told.revision <= press.floor for press in self.presses)

    @property
    def fallen_back(self) -> int:
        """Presses with a lower revision than the same person's press before."""
        fallen = 0
        for person in range(len(self.people)):
            revisions = [press.told.revision for press in self.presses if press.person == person and press.told]
            fallen += sum(later <= earlier for earlier, later in itertools.pairwise(revisions))
        return fallen

    def as_acknowledged(self) -> Acknowledged:
        """As the bench's proof takes it."""
        told = [(one.number, one.person, int(one.told.granted), one.told.revision) for one in self.presses if one.told]
        return Acknowledged(self.key, told)
