"""Removes audio from buckets until a listing shows that it is gone."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from chassis.errors import Unavailable
from recording_svc.buckets import REFUSED, AudioBuckets, Refusal
from recording_svc.remnants import Place, Remnant, RemnantKind, Sight, sight

log = structlog.get_logger()
T = TypeVar("T")

OBJECT_LOCKED = "OBJECT_LOCKED"
_ROUNDS = 5
_BUSY = {"SlowDown", "ServiceUnavailable", "503", "RequestLimitExceeded", "Throttling", "ThrottlingException"}
_FIRST_PAUSE_SECONDS = 0.1
"""Before a deletion that S3 was too busy for is tried again; doubled each time."""
_ASKED = 20
"""Of how many versions that S3 refuses to delete it is asked what holds them."""
_FAULTS = (ClientError, BotoCoreError, OSError, TimeoutError)


@dataclass(frozen=True)
class Gone:
    """Every place was listed and nothing was found: the only proof there is."""

    sights: tuple[Sight, ...]


@dataclass(frozen=True)
class Blocked:
    """The bucket refuses: its lock has to end, or somebody has to change it or our rights.

    `until` is when the first of the retentions that are known ends, `left` what was listed after the
    last attempt, where it is known.
    """

    reason: str
    buckets_and_keys: frozenset[tuple[str, str]]
    until: datetime | None = None
    left: frozenset[Remnant] = field(default=frozenset(), compare=False)


@dataclass(frozen=True)
class Pending:
    """Not done, and worth another attempt."""

    reason: str


Outcome = Gone | Blocked | Pending
Note = Callable[[Sequence[Remnant]], Awaitable[None]]


@dataclass(frozen=True)
class _Fault:
    """What S3 answered instead of listing or deleting something there."""

    bucket: str
    key: str
    error: Exception


@dataclass(frozen=True)
class _Look:
    """What one look at all places showed, and where it could not look."""

    sights: tuple[Sight, ...]
    faults: tuple[_Fault, ...]

    @property
    def left(self) -> list[Remnant]:
        return [remnant for seen in self.sights for remnant in seen.remnants]


class Erasure:
    """Erases places, as often as asked: what is gone already stays gone."""

    def __init__(
        self,
        audio: AudioBuckets,
        now: Callable[[], datetime],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._audio = audio
        self._now = now
        self._pause = pause

    async def look(self, places: Sequence[Place]) -> tuple[Sight, ...]:
        """List every place. Raises Unavailable (S3_UNREACHABLE) where that is not possible and nothing is found."""
        look = await self._look(places)
        if look.faults and not look.left:
            raise Unavailable("the buckets cannot be listed: try again", reason="S3_UNREACHABLE")
        return look.sights

    async def erase(self, places: Sequence[Place], note: Note) -> Outcome:
        """Delete, list again, and repeat until the listing is empty or S3 refuses.

        What cannot be listed or deleted keeps nothing else from going. `note` commits what was found before it is
        removed, so that the certificate can name it after a crash; what it raises ends the erasure.
        """
        gone: dict[Place, Sight] = {}
        refusals: list[Refusal] = []
        for number in range(_ROUNDS):
            if any(not refusal.is_final for refusal in refusals):
                await self._pause(_FIRST_PAUSE_SECONDS * 2 ** (number - 1))
            look = await self._look([place for place in places if place not in gone])
            faulty = {(fault.bucket, fault.key) for fault in look.faults}
            gone |= {
                seen.place: seen
                for seen in look.sights
                if not seen.remnants and (seen.place.bucket, seen.place.key) not in faulty
            }
            if len(gone) == len(places):
                return Gone(tuple(gone[place] for place in places))
            if set(look.left) <= {refusal.remnant for refusal in refusals if refusal.is_final}:
                blocked = await self._standstill(look, refusals, look.faults)
                return replace(blocked, left=frozenset(look.left)) if isinstance(blocked, Blocked) else blocked
            await note(look.left)
            refusals, failed = await self._delete(look.left)
            _say(refusals)
            if failed:
                return await self._standstill(look, refusals, failed)
        return await self._standstill(look, refusals, look.faults)

    async def _standstill(
        self, look: _Look, refusals: Sequence[Refusal], faults: Sequence[_Fault]
    ) -> Blocked | Pending:
        """Why it is not done: what may pass by itself comes first, since it is tried again soon."""
        outcomes = [_failed(fault) for fault in faults]
        if pending := next((one for one in outcomes if isinstance(one, Pending)), None):
            return pending
        if not all(refusal.is_final for refusal in refusals):
            return Pending("DELETION_INCOMPLETE")
        if refusals:
            outcomes.insert(0, await self._blocked(refusals, look.left))
        blocked = [one for one in outcomes if isinstance(one, Blocked)]
        if not blocked:
            return Pending("DELETION_INCOMPLETE")
        places = frozenset(place for one in blocked for place in one.buckets_and_keys)
        return replace(blocked[0], buckets_and_keys=places)

    async def _look(self, places: Sequence[Place]) -> _Look:
        """All at the same time: what S3 says of one does not depend on another."""
        looked = await asyncio.gather(*(self._look_at(place) for place in places))
        return _Look(tuple(seen for seen, _ in looked), tuple(fault for _, faults in looked for fault in faults))

    async def _look_at(self, place: Place) -> tuple[Sight, list[_Fault]]:
        where = (place.bucket, place.key)
        listings = (self._audio.versions_at(*where), self._audio.uploads_at(*where))
        found, errors = await _each(listings)
        listed = [one for part in found for one in part]
        return sight(place, listed, self._now()), [_Fault(*where, error) for error in errors]

    async def _delete(self, left: Sequence[Remnant]) -> tuple[list[Refusal], list[_Fault]]:
        of_buckets = defaultdict(list)
        for one in left:
            of_buckets[one.bucket].append(one)
        refused, errors = await _each(self._audio.delete(bucket, some) for bucket, some in of_buckets.items())
        return [one for some in refused for one in some], [_Fault("", "", error) for error in errors]

    async def _blocked(self, refusals: Sequence[Refusal], left: Sequence[Remnant]) -> Blocked:
        """Why S3 refuses. Its words need not tell a lock from a missing right, nor which version it means."""
        versions = [one for one in left if one.kind is RemnantKind.VERSION][:_ASKED]
        locks = [await self._audio.lock_of(one) for one in versions]
        ends = [lock.until for lock in locks if lock.until and lock.until > self._now() and not lock.is_held]
        places = frozenset((refusal.remnant.bucket, refusal.remnant.key) for refusal in refusals)
        if any(lock.is_held for lock in locks):
            return Blocked("LEGAL_HOLD", places, min(ends, default=None))
        if ends or any("object lock" in refusal.message.lower() for refusal in refusals):
            return Blocked(OBJECT_LOCKED, places, min(ends, default=None))
        return Blocked("DELETION_DENIED", places)


async def _each(calls: Iterable[Coroutine[Any, Any, T]]) -> tuple[list[T], list[Exception]]:
    """What those calls brought that S3 answered, and how the others failed. Anything else is raised."""
    ended = await asyncio.gather(*calls, return_exceptions=True)
    for one in ended:
        if isinstance(one, BaseException) and not isinstance(one, _FAULTS):
            raise one
    brought = [one for one in ended if not isinstance(one, BaseException)]
    return brought, [one for one in ended if isinstance(one, _FAULTS)]


def _say(refusals: Sequence[Refusal]) -> None:
    for refusal in refusals[:10]:
        one = refusal.remnant
        log.warning(
            "deletion_refused", bucket=one.bucket, key=one.key, version_id=one.version_id,
            kind=one.kind, code=refusal.code, error=refusal.message, refused=len(refusals),
        )  # fmt: skip


def _failed(fault: _Fault) -> Blocked | Pending:
    error = fault.error
    if not isinstance(error, ClientError):
        log.warning("s3_unreachable", error=f"{type(error).__name__}: {error}")
        return Pending("S3_UNREACHABLE")
    code = error.response["Error"]["Code"]
    log.warning("s3_refused", operation=error.operation_name, code=code, error=str(error))
    if code in _BUSY:
        return Pending("S3_BUSY")
    if code not in REFUSED:
        return Pending("S3_UNREACHABLE")
    reason = "NO_SUCH_BUCKET" if code == "NoSuchBucket" else "S3_ACCESS_DENIED"
    return Blocked(reason, frozenset({(fault.bucket, fault.key)}))
