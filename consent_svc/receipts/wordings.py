"""Keeps every version of a wording what it was: other words need another version."""

from collections.abc import Mapping, Sequence

from consent_svc.domain.receipts import Key, Notice
from consent_svc.errors import notice_changed


def settled(asked: Sequence[Notice], known: Mapping[Key, Notice]) -> dict[Key, Notice]:
    """Those asked for, as they are known or else as they will be.

    Raises FailedPrecondition (NOTICE_CHANGED), also where two of those asked for contradict each other.
    """
    found = dict(known)
    for notice in asked:
        kept = found.setdefault(key_of(notice), notice)
        if kept.hash != notice.hash:
            raise notice_changed(notice.version, notice.language)
    return {key_of(notice): found[key_of(notice)] for notice in asked}


def key_of(notice: Notice) -> Key:
    """What names a wording."""
    return notice.version, notice.language
