"""Reads S3's notifications as they come out of SQS: what arrived, what is not ours, what makes no sense."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from recording_svc.domain import Arrival

RECORDING_SUFFIXES = (".mp4", ".mkv")
"""What Whereby writes; anything else in the bucket is no recording."""

_LONGEST_KEY = 1024
"""Bytes, S3's own limit."""


@dataclass(frozen=True)
class Notice:
    """What one message said. `fault` is why some of it cannot be understood; the rest still counts."""

    arrivals: tuple[Arrival, ...] = ()
    # Without a version id: the bucket has to be asked.
    unversioned: tuple[Arrival, ...] = ()
    ignored: tuple[str, ...] = ()
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
        return Notice(ignored=("test event",))
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
            return Notice(ignored=(f"event {event}",))
        arrival = _arrival(s3["bucket"]["name"], s3["object"])
    except (KeyError, TypeError, ValueError) as error:
        return Notice(fault=f"a record that lacks what it should have: {type(error).__name__} {error}")
    if arrival.bucket != bucket:
        return Notice(ignored=(f"foreign bucket {arrival.bucket}",))
    if not is_recording(arrival.key):
        return Notice(ignored=(f"no recording {arrival.key}",))
    return Notice(arrivals=(arrival,)) if arrival.version_id else Notice(unversioned=(arrival,))


def _arrival(bucket: Any, described: Any) -> Arrival:
    encoded = described["key"]
    if not isinstance(encoded, str):
        raise TypeError("a key that is no text")
    key = unquote_plus(encoded, errors="strict")
    if not key or "\0" in key or len(key.encode()) > _LONGEST_KEY:
        raise ValueError("the object's key is none that S3 can have")
    size, version = described.get("size", 0), described.get("versionId") or ""
    if not isinstance(bucket, str) or not isinstance(version, str):
        raise TypeError("a name that is no text")
    if len(version) > _LONGEST_KEY or not (version.isascii() and version.isprintable()):
        raise ValueError("the object's version id is none that S3 can have")
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size < 2**63:
        raise ValueError(f"a size of {size!r}")
    return Arrival(bucket, key, version, size)
