"""What an erasure looks at: places where audio may lie, and what is still found there."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from recording_svc.domain.recordings import Copy, CopyKind, Recording


class RemnantKind(StrEnum):
    """What S3 still has under a key."""

    VERSION = "version"
    DELETE_MARKER = "delete_marker"
    UPLOAD = "upload"


@dataclass(frozen=True)
class Remnant:
    """One version, delete marker or unfinished upload; `version_id` is the upload's id for the last."""

    kind: RemnantKind
    bucket: str
    key: str
    version_id: str
    size_bytes: int
    modified_at: datetime


@dataclass(frozen=True)
class Place:
    """A key whose audio must go: one version of it, or with `version_id` None every version."""

    bucket: str
    key: str
    version_id: str | None = None


@dataclass(frozen=True)
class Sight:
    """What one listing of a place showed: what must go, and versions that are other recordings' own."""

    place: Place
    listed_at: datetime
    remnants: tuple[Remnant, ...] = ()
    other_versions: tuple[str, ...] = ()


def sight(place: Place, listed: Iterable[Remnant], listed_at: datetime) -> Sight:
    """Tell what belongs to the place from what merely shares its key.

    Another version of the key is a recording of its own, with a transcript of its own to wait for. A delete
    marker holds no audio but hides an older version: it goes last, when there is no version left to uncover.
    Unfinished uploads hold audio of the same meeting and go with whichever version goes first.
    """
    found = tuple(listed)
    versions = [one for one in found if one.kind is RemnantKind.VERSION]
    ours = [one for one in versions if place.version_id in (None, one.version_id)]
    markers = [one for one in found if one.kind is RemnantKind.DELETE_MARKER and not versions]
    uploads = [one for one in found if one.kind is RemnantKind.UPLOAD]
    others = tuple(one.version_id for one in versions if place.version_id not in (None, one.version_id))
    return Sight(place, listed_at, (*ours, *markers, *uploads), others)


def places_of(recording: Recording, copies: Iterable[Copy]) -> list[Place]:
    """Where a recording's audio may lie in buckets. Scratch is wiped by whoever holds it."""
    derived = [Place(copy.bucket, copy.key) for copy in copies if copy.kind is CopyKind.MP3]
    return [Place(recording.bucket, recording.object_key, recording.version_id), *derived]
