"""How often somebody may ask: a bucket of tokens for each, filled again as time passes.

For what anyone can call, and for what one person could fill the history with. Each process counts by itself. Generous
by default: a whole company may join from one address, and nobody who means their answer is ever held up.
"""

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from chassis.errors import ResourceExhausted
from gateway.settings import Settings

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

MOST_KEPT = 100_000
"""Of those who asked lately; whoever asked longest ago is forgotten first."""
_MINUTE = 60.0
_HOUSEHOLD, _SITE = 64, 48
"""Bits of an IPv6 address that name whose it is: each customer has all the addresses behind the first, some those
behind the second as well."""
_HOUSEHOLDS_A_SITE = 16
"""As many may ask as often as they may; whoever has 65,536 networks of their own does not get as many buckets."""


class TooManyRequests(ResourceExhausted):
    """Come back in so many seconds."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"too many requests: try again in {seconds} s", reason="TOO_MANY_REQUESTS")
        self.seconds = seconds


class Limit:
    """So many requests a minute from each, in one rush or evenly; 0 is no limit."""

    def __init__(self, a_minute: int, clock: Callable[[], float] = time.monotonic, most_kept: int = MOST_KEPT) -> None:
        self._a_minute = a_minute
        self._clock = clock
        self._most_kept = most_kept
        # By whoever asks: tokens that were left, and when that was.
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, who: str) -> None:
        """One request. Raises TooManyRequests."""
        if not self._a_minute:
            return
        now = self._clock()
        left, at = self._buckets.pop(who, (float(self._a_minute), now))
        left = min(self._a_minute, left + (now - at) * self._a_minute / _MINUTE)
        enough = left >= 1
        self._buckets[who] = (left - 1 if enough else left, now)
        self._forget(now)
        if not enough:
            raise TooManyRequests(math.ceil((1 - left) * _MINUTE / self._a_minute))

    def _forget(self, now: float) -> None:
        # Whoever asked nothing for a minute has a full bucket again: it need not be kept.
        while self._buckets:
            who, (_, at) = next(iter(self._buckets.items()))
            if now - at < _MINUTE and len(self._buckets) <= self._most_kept:
                return
            del self._buckets[who]


class AddressLimit:
    """So many requests a minute from each household, and from a whole site what some of them may ask."""

    def __init__(self, a_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._households = Limit(a_minute, clock)
        self._sites = Limit(a_minute * _HOUSEHOLDS_A_SITE, clock)

    def take(self, address: str | None) -> None:
        """One request from this address. Raises TooManyRequests."""
        found = _public(address)
        if found is None:
            return
        self._households.take(_network(found, _HOUSEHOLD))
        # After it: who is refused there takes nothing from their neighbours.
        if found.version == 6:
            self._sites.take(_network(found, _SITE))


@dataclass(frozen=True)
class Limits:
    """Of what is limited."""

    openings: AddressLimit
    sign_ins: AddressLimit
    answers: Limit

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """As the operator set them."""
        openings = settings.openings_per_minute
        return cls(AddressLimit(openings), AddressLimit(openings), Limit(settings.answers_per_minute))

    def opening(self, address: str | None) -> None:
        """Somebody at this address opens a meeting. Raises TooManyRequests."""
        self.openings.take(address)

    def sign_in(self, address: str | None) -> None:
        """Somebody at this address signs in, which keeps nobody out of meetings. Raises TooManyRequests."""
        self.sign_ins.take(address)

    def answer(self, meeting_id: str, participant_id: str) -> None:
        """Somebody answers in a meeting. Raises TooManyRequests."""
        self.answers.take(f"{meeting_id} {participant_id}")


def _public(address: str | None) -> _Address | None:
    """None where it tells nothing, as a proxy's or a machine's own in the same network."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return None
    found = getattr(found, "ipv4_mapped", None) or found
    return found if found.is_global else None


def _network(address: _Address, bits: int) -> str:
    return str(address if address.version == 4 else ipaddress.ip_network((address, bits), strict=False))
