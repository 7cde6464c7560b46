"""Removes audio from buckets until a listing shows that it is gone."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from chassis.errors import Unavailable
from recording_svc.buckets import REFUSED, AudioBuckets, Refusal
from recording_svc.remnants import Place, Remnant, RemnantKind, Sight, sight

log = structlog.get_logger()

OBJECT_LOCKED = "OBJECT_LOCKED"
_ROUNDS = 5
_BUSY = {"SlowDown", "ServiceUnavailable", "503", "RequestLimitExceeded", "Throttling", "ThrottlingException"}
_FIRST_PAUSE_SECONDS = 0.1
"""Before a deletion that S3 was too busy for is tried again; doubled each time."""
_ASKED = 20
"""Of how many versions that S3 refuses to delete it is asked what holds them."""


@dataclass(frozen=True)
class Gone:
    """Every place was listed, one after the other, and nothing was found: the only proof there is."""

    sights: tuple[Sight, ...]


@dataclass(frozen=True)
class Blocked:
    """The bucket refuses: its lock has to end, or somebody has to change it or our rights.

    `until` is when the first of the retentions that are known ends.
    """

    reason: str
    buckets_and_keys: frozenset[tuple[str, str]]
    until: datetime | None = None


@dataclass(frozen=True)
class Pending:
    """Not done, and worth another attempt."""

    reason: str


Outcome = Gone | Blocked | Pending


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
        """List every place. Raises Unavailable (S3_UNREACHABLE) where that is not possible."""
        try:
            return await self._look(places)
        except (ClientError, BotoCoreError, OSError) as error:
            log.warning("s3_unreachable", error=f"{type(error).__name__}: {error}")
            raise Unavailable("the buckets cannot be listed: try again", reason="S3_UNREACHABLE") from error

    async def erase(self, places: Sequence[Place], note: Callable[[Sequence[Remnant]], Awaitable[None]]) -> Outcome:
        """Delete, list again, and repeat until the listing is empty or S3 refuses.

        `note` commits what was found before it is removed, so that the certificate can name it after a crash.
        """
        try:
            return await self._erase(places, note)
        except ClientError as error:
            return _failed(error, places)
        except (BotoCoreError, OSError, TimeoutError) as error:
            log.warning("s3_unreachable", error=f"{type(error).__name__}: {error}")
            return Pending("S3_UNREACHABLE")

    async def _erase(self, places: Sequence[Place], note: Callable[[Sequence[Remnant]], Awaitable[None]]) -> Outcome:
        refusals: list[Refusal] = []
        left: list[Remnant] = []
        for number in range(_ROUNDS):
            if any(not refusal.is_final for refusal in refusals):
                await self._pause(_FIRST_PAUSE_SECONDS * 2 ** (number - 1))
            sights = await self._look(places)
            left = [one for seen in sights for one in seen.remnants]
            if not left:
                return Gone(sights)
            if set(left) <= {refusal.remnant for refusal in refusals if refusal.is_final}:
                return await self._blocked(refusals, left)
            await note(left)
            refusals = await self._audio.delete(left)
            _say(refusals)
        if refusals and all(refusal.is_final for refusal in refusals):
            return await self._blocked(refusals, left)
        return Pending("DELETION_INCOMPLETE")

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

    async def _look(self, places: Sequence[Place]) -> tuple[Sight, ...]:
        seen = [sight(place, await self._audio.list_key(place.bucket, place.key), self._now()) for place in places]
        return tuple(seen)


def _say(refusals: Sequence[Refusal]) -> None:
    for refusal in refusals[:10]:
        one = refusal.remnant
        log.warning(
            "deletion_refused", bucket=one.bucket, key=one.key, version_id=one.version_id,
            kind=one.kind, code=refusal.code, error=refusal.message, refused=len(refusals),
        )  # fmt: skip


def _failed(error: ClientError, places: Sequence[Place]) -> Outcome:
    code = error.response["Error"]["Code"]
    log.warning("s3_refused", operation=error.operation_name, code=code, error=str(error))
    if code in _BUSY:
        return Pending("S3_BUSY")
    if code not in REFUSED:
        return Pending("S3_UNREACHABLE")
    reason = "NO_SUCH_BUCKET" if code == "NoSuchBucket" else "S3_ACCESS_DENIED"
    return Blocked(reason, frozenset((place.bucket, place.key) for place in places))
