"""Where a listing of a whole bucket was left, so that a restart or an error does not begin it anew."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class Mark:
    """The last version that a page showed; the next page begins after it."""

    key: str
    version_id: str = ""


@dataclass(frozen=True)
class Listing:
    """A listing under way: when it began, and how far it came."""

    begun_at: datetime
    mark: Mark


class Listings(Protocol):
    """Remembers one listing for each bucket and purpose."""

    async def left(self, bucket: str, purpose: str) -> Listing | None:
        """The listing that was left unfinished."""

    async def leave(self, bucket: str, purpose: str, listing: Listing) -> None:
        """Note how far a listing came."""

    async def finish(self, bucket: str, purpose: str) -> None:
        """Forget a listing: it came to its end."""
