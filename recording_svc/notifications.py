"""Reads S3's notifications as they come out of SQS: what arrived, what is not ours, what makes no sense."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import unquote_plus

from recording_svc.domain.recordings import Arrival

RECORDING_SUFFIXES = (".mp4", ".mkv")
"""What Whereby writes; anything else in the bucket is no recording."""

_LONGEST_KEY = 1024
"""Bytes, S3's own limit."""
_LARGEST_OBJECT = 10_000 * 5 * 1024**3
"""Bytes that S3 stores at most: 10,000 parts of 5 GiB."""


class Outcome(StrEnum):
    """What became of something that a message said."""

    TAKEN_IN = "taken_in"
    KNOWN = "known"
    IGNORED = "ignored"
    FOREIGN = "foreign"
    TEST_EVENT = "test_event"
    BURIED = "buried"


@dataclass(frozen=True)
class Ignored:
    """Something that is none of our business, and why: acknowledged and counted."""

    outcome: Outcome
    what: str


@dataclass(frozen=True)
class Notice:
    """What one message said. `fault` is why some of it cannot be understood; the rest still counts."""

    arrivals: tuple[Arrival, ...] = ()
    # Without a version id or a size: the bucket has to be asked.
    unversioned: tuple[Arrival, ...] = ()
    ignored: tuple[Ignored, ...] = ()
    fault: str = ""


def read(body: str, bucket: str) -> Notice:
    """What a message says about `bucket`. Never raises: what it cannot read becomes the notice's fault."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        return Notice(fault=f"no JSON: {error}")
    if not isinstance(message, dict):
        return Notice(fault="no JSON object")
    if message.get("Event") == "s3:TestEvent":
        return Notice(ignored=(Ignored(Outcome.TEST_EVENT, "test event"),))
    records = message.get("Records")
    if not isinstance(records, list):
        return Notice(fault="neither Records nor a test event")
    return _join([_read_record(record, bucket) for record in records])


def is_recording(key: str) -> bool:
    """Whether an object is one that Whereby records."""
    return key.lower().endswith(RECORDING_SUFFIXES)


def _join(notices: Sequence[Notice]) -> Notice:
    return Notice(
        tuple(one for notice in notices for one in notice.arrivals),
        tuple(one for notice in notices for one in notice.unversioned),
        tuple(one for notice in notices for one in notice.ignored),
        "; ".join(notice.fault for notice in notices if notice.fault),
    )


def _read_record(record: Any, bucket: str) -> Notice:
    try:
        event, s3 = record["eventName"], record["s3"]
        if not isinstance(event, str):
            return Notice(fault="a record whose eventName is no text")
        if not event.removeprefix("s3:").startswith("ObjectCreated:"):
            return Notice(ignored=(Ignored(Outcome.IGNORED, f"event {event}"),))
        theirs = s3["bucket"]["name"]
        if not isinstance(theirs, str):
            return Notice(fault="a record whose bucket's name is no text")
        # Nothing that another bucket's event says has to make sense to us.
        if theirs != bucket:
            return Notice(ignored=(Ignored(Outcome.FOREIGN, f"foreign bucket {theirs}"),))
        return _read_object(bucket, s3["object"])
    except (KeyError, TypeError, ValueError) as error:
        return Notice(fault=f"a record that lacks what it should have: {type(error).__name__} {error}")


def _read_object(bucket: str, described: Any) -> Notice:
    key = _key(described["key"])
    # Before the size: a console's "folder" is an empty object, and no recording.
    if not is_recording(key):
        return Notice(ignored=(Ignored(Outcome.IGNORED, f"no recording {key}"),))
    version, size = _version(described.get("versionId") or ""), _size(described.get("size"))
    arrival = Arrival(bucket, key, version, size or 0)
    return Notice(arrivals=(arrival,)) if version and size else Notice(unversioned=(arrival,))


def _key(encoded: Any) -> str:
    if not isinstance(encoded, str):
        raise TypeError("a key that is no text")
    key = unquote_plus(encoded, errors="strict")
    if not key or "\0" in key or len(key.encode()) > _LONGEST_KEY:
        raise ValueError("the object's key is none that S3 can have")
    return key


def _version(version: Any) -> str:
    if not isinstance(version, str):
        raise TypeError("a version id that is no text")
    if len(version) > _LONGEST_KEY or not (version.isascii() and version.isprintable()):
        raise ValueError("the object's version id is none that S3 can have")
    return version


def _size(size: Any) -> int | None:
    if size is None:
        return None
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= _LARGEST_OBJECT:
        raise ValueError(f"a size of {size!r}, which S3 cannot store")
    if size == 0:
        raise ValueError("an empty object: there is no audio in it")
    return size
