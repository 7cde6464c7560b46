"""How meetings stand: counted for whoever watches, and person by person for the verdict."""

from dataclasses import dataclass
from typing import Protocol

from consent_svc.domain.verdict import Standing


@dataclass(frozen=True)
class Counts:
    """How a meeting stands, without names."""

    present: int
    granted: int
    denied: int
    # Stays of people by telephone, and of people who came past our page by Whereby's own address: neither can answer,
    # and neither is in the numbers above. Whereby gives every call an id of its own: who rings twice counts twice.
    dial_in: int = 0
    unidentified: int = 0

    @property
    def unanswered(self) -> int:
        """Who is or was present and has said nothing yet."""
        return self.present - self.granted - self.denied


class Standings(Protocol):
    """Where presence and answers are looked up together."""

    async def counts(self, meeting_id: str) -> Counts:
        """Raises NotFound (MEETING_NOT_FOUND)."""

    async def standings(self, meeting_ids: list[str]) -> list[Standing]:
        """What a verdict needs. Raises NotFound (MEETING_NOT_FOUND) when one of them is not known."""
