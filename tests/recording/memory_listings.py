"""Listings under way, in memory."""

from recording_svc.listings import Listing


class MemoryListings:
    """Listings for as long as a test lasts."""

    def __init__(self) -> None:
        self._left: dict[tuple[str, str], Listing] = {}

    async def left(self, bucket: str, purpose: str) -> Listing | None:
        return self._left.get((bucket, purpose))

    async def leave(self, bucket: str, purpose: str, listing: Listing) -> None:
        self._left[bucket, purpose] = listing

    async def finish(self, bucket: str, purpose: str) -> None:
        self._left.pop((bucket, purpose), None)
