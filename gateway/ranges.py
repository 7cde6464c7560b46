"""HTTP byte ranges and preconditions (RFC 9110, sections 13 and 14): which part of a file is to be sent, if any."""

import re
from dataclasses import dataclass

from chassis.errors import OutOfRange

_SINGLE = re.compile(r"bytes=\s*([0-9]{0,400})-([0-9]{0,400})\s*", re.IGNORECASE)


_ENTITY_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')


@dataclass(frozen=True)
class ByteRange:
    """Both ends belong to it."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """In bytes."""
        return self.last - self.first + 1


def parse_range(header: str | None, size: int) -> ByteRange | None:
    """The part of a file of `size` bytes that a Range header asks for; None means the whole of it.

    Several ranges, another unit and what is no range at all are ignored, as the RFC allows. Raises OutOfRange
    (RANGE_INVALID) where nothing of the file lies in it.
    """
    asked = _SINGLE.fullmatch(header or "")
    if asked is None or asked.groups() == ("", ""):
        return None
    first, last = asked.groups()
    if not first:
        return _checked(size - min(int(last), size), size - 1, size)
    if last and int(last) < int(first):
        return None
    return _checked(int(first), min(int(last), size - 1) if last else size - 1, size)


def names(header: str | None, etag: str, *, weakly: bool) -> bool:
    """Whether If-Match or If-None-Match (`weakly`) names this entity tag, or any with `*`; `etag` is a strong one."""
    if header is None:
        return False
    if header.strip() == "*":
        return True
    tags = _ENTITY_TAG.findall(header)
    return etag in ([tag.removeprefix("W/") for tag in tags] if weakly else tags)


def _checked(first: int, last: int, size: int) -> ByteRange:
    if first >= size:
        raise OutOfRange(f"the file has {size} bytes: ask for a part of those", reason="RANGE_INVALID")
    return ByteRange(first, last)
