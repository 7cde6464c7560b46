"""Holds the wordings that lines name against those that the end of an export ties to their hashes."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from consent_svc.domain.answers import HistoryLine
from consent_svc.domain.receipts import Key

_FIELDS = {"hash", "language", "version"}
_HASH = re.compile("[0-9a-f]{64}|")


class Shown:
    """The wordings that lines named so far: each once, with the revision that named it first."""

    def __init__(self) -> None:
        self._first: dict[Key, int] = {}

    def __len__(self) -> int:
        return len(self._first)

    def add(self, line: HistoryLine) -> None:
        """The next line."""
        self._first.setdefault((line["notice_version"], line["language"]), line["revision"])

    def first_missing(self, notices: Sequence[Mapping[str, str]]) -> tuple[int, Key] | None:
        """The first line, by its revision, whose wording is not among them; None where each is."""
        known = set(map(_key_of, notices))
        return next(((revision, key) for key, revision in self._first.items() if key not in known), None)

    def first_beyond(self, notices: Sequence[Mapping[str, str]]) -> Key | None:
        """The first of them that no line names."""
        return next((key for key in map(_key_of, notices) if key not in self._first), None)


def fault_of_form(notices: Sequence[Any]) -> str:
    """In what the end's list of wordings is not written as exports are; empty where it is."""
    for notice in notices:
        is_complete = isinstance(notice, dict) and notice.keys() == _FIELDS
        if not is_complete or not all(isinstance(value, str) for value in notice.values()):
            return "its notices are not objects of version, language and hash, all text"
        if not _HASH.fullmatch(notice["hash"]):
            return "a hash in its notices is neither SHA-256 in hex nor empty"
    keys = list(map(_key_of, notices))
    if keys != sorted(set(keys)):
        return "its notices are not sorted by version and language, each once"
    return ""


def _key_of(notice: Mapping[str, str]) -> Key:
    return notice["version"], notice["language"]
