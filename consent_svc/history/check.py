"""Checks an exported history byte by byte, without service, settings or database: what `history FILE` does."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, cast

from chassis.logs import plain
from consent_svc.domain.answers import HistoryLine
from consent_svc.domain.canonical import canonical
from consent_svc.domain.receipts import Key
from consent_svc.history.reading import EXPORT_TYPE
from consent_svc.history.shown import Shown, fault_of_form
from consent_svc.history.verification import Verification
from consent_svc.kinds import IT_IS_A_RECEIPT, is_receipt
from consent_svc.signing import KeyFileError, SignatureError, key_id, load_public_key, verify

LONGEST_LINE = 64 * 1024
"""Bytes; no line of an export comes near, but the last."""
_OF_A_NOTICE = 4096
"""Bytes by which each wording may make the last line longer."""

_LINE = HistoryLine.__annotations__
_END = {"head": dict, "jws": str}
_HEAD = {"exported_at": str, "head_hash": str, "meeting_id": str, "revision": int}
_HEAD_WITH_NOTICES = {**_HEAD, "notices": list}
_KINDS = {str: "text", int: "a whole number", dict: "an object", list: "a list"}
_AS_DOWNLOADED = "some program changed the file; check it as it was downloaded"


class ExportFault(Exception):
    """The file is not what was exported; the message names the first line that does not fit, and in what."""


class NotAnExport(Exception):
    """It is something else; the message says what, and what to do with it."""


class _Unfit(Exception):
    """One line is not; the message says in what."""


class ExportCheck:
    """Follows an export to its end; `key_file` is needed to prove the end."""

    def __init__(self, key_file: Path | None = None) -> None:
        self.verification = Verification()
        self.began_at = self.ended_at = ""
        """When the first and the last line were answered."""
        self.head: dict[str, Any] | None = None
        self.shown = Shown()
        """The wordings that its lines name."""
        self.signed_by = ""
        """The key under which the end holds; empty where none was given."""
        self._key_file = key_file

    def run(self, file: BinaryIO) -> None:
        """Read it all. Raises ExportFault, NotAnExport, KeyFileError and OSError."""
        number = 0
        for number, raw in enumerate(self._raw_lines(file), start=1):
            try:
                self._take(_document(raw, self._longest))
            except _Unfit as error:
                if number == 1 and is_receipt(raw + file.read(LONGEST_LINE)):
                    raise NotAnExport(IT_IS_A_RECEIPT) from None
                place = f"in the place of revision {self.verification.revision + 1}" if self.head is None else "the end"
                raise ExportFault(f"line {number} ({place}): {error}") from None
            if fault := self.verification.fault:
                raise ExportFault(f"line {number}: {fault.explanation}")
        if self.head is None:
            after = f"after revision {self.verification.revision}" if number else "before anything"
            raise ExportFault(
                f"line {number + 1} is missing: the file ends {after}, without the signed last line. "
                "It was cut off, or its download broke off"
            )

    @property
    def _longest(self) -> int:
        return LONGEST_LINE + len(self.shown) * _OF_A_NOTICE

    def _raw_lines(self, file: BinaryIO) -> Iterator[bytes]:
        while raw := file.readline(self._longest + 1):
            yield raw

    def _take(self, document: dict[str, Any]) -> None:
        if self.head is not None:
            raise _Unfit("nothing may follow the signed last line")
        if "head" in document:
            _require(document, _END)
            self._end(document["head"], document["jws"])
            return
        _require(document, _LINE)
        line = cast(HistoryLine, document)
        self.verification.add(line)
        self.shown.add(line)
        self.began_at = self.began_at or document["answered_at"]
        self.ended_at = document["answered_at"]

    def _end(self, head: dict[str, Any], jws: str) -> None:
        self.head = head
        # Exports of earlier releases have no notices.
        _require(head, _HEAD_WITH_NOTICES if "notices" in head else _HEAD)
        self.verification.end(head["meeting_id"], head["revision"], head["head_hash"])
        if self.verification.fault:
            return
        self._require_notices(head.get("notices"))
        if self._key_file is not None:
            self._require_signature(self._key_file, head, jws)

    def _require_notices(self, notices: list[Any] | None) -> None:
        if notices is None:
            return
        if fault := fault_of_form(notices):
            raise _Unfit(fault)
        if missing := self.shown.first_missing(notices):
            revision, key = missing
            # Line by line they are in order: the revision is the line's number.
            raise ExportFault(f"line {revision}: revision {revision}: the end does not name its wording, {_named(key)}")
        if beyond := self.shown.first_beyond(notices):
            raise _Unfit(f"its notices name a wording that no line names, {_named(beyond)}")

    def _require_signature(self, key_file: Path, head: dict[str, Any], jws: str) -> None:
        key = load_public_key(key_file, jws)
        try:
            signed = verify(jws, key, EXPORT_TYPE)
        except (SignatureError, RecursionError) as error:
            raise _Unfit(f"it is not signed under this key: {error}") from None
        if signed != canonical(head).encode():
            raise _Unfit("what was signed is another end than the one that stands beside it")
        self.signed_by = key_id(key)


def check_export(path: str, key_file: Path | None) -> int:
    """Check a file, or standard input for "-", and print what came out.

    Returns 0 where all is as it was exported, 1 where it is not, 2 where it could not be checked.
    """
    export = ExportCheck(key_file)
    try:
        if key_file is not None:
            key_file.read_bytes()  # said before a long file is read, not after
        with nullcontext(sys.stdin.buffer) if path == "-" else open(path, "rb") as file:
            export.run(file)
    except OSError as error:
        print(f"cannot read {error.filename or path}: {error.strerror}; nothing was checked", file=sys.stderr)  # noqa: T201
        return 2
    except NotAnExport as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    except KeyFileError as error:
        print(f"{error}; the end was not checked", file=sys.stderr)  # noqa: T201
        return 2
    except ExportFault as fault:
        print(f"NOT INTACT: {fault}", file=sys.stderr)  # noqa: T201
        return 1
    print("\n".join(_report(export)))  # noqa: T201  its answer
    return 0


def _report(export: ExportCheck) -> Iterator[str]:
    found, head = export.verification, export.head
    assert head is not None
    denied = found.entries - found.granted
    answers = "1 answer" if found.entries == 1 else f"{found.entries} answers"
    yield f"INTACT: {answers} ({found.granted} granted, {denied} denied) of meeting {plain(head['meeting_id'], 100)}"
    if found.entries:
        yield f"from {plain(export.began_at, 100)} to {plain(export.ended_at, 100)}"
    yield f"head: revision {head['revision']}, hash {found.head_hash}"
    yield f"wordings: {_wordings(head.get('notices'))}"
    if export.signed_by:
        yield f"end: signed under key {export.signed_by}, exported at {plain(head['exported_at'], 100)}"
    else:
        yield "end: NOT PROVEN. Later answers may have been cut off: check with --key and the service's public key"


def _wordings(notices: list[dict[str, str]] | None) -> str:
    if notices is None:
        return "NOT SAID. This export is of an earlier release, which did not sign the hashes of the words"
    unknown = sum(not notice["hash"] for notice in notices)
    return f"{len(notices)}" + (f", {unknown} of them never registered: no hash ties these to words" if unknown else "")


def _named(key: Key) -> str:
    version, language = key
    return f'version "{plain(version, 100)}" in "{plain(language, 100)}"'


def _document(raw: bytes, longest: int) -> dict[str, Any]:
    """The object that a line holds, if it is written in the one way in which exports are."""
    text = _text(raw, longest)
    try:
        document = json.loads(text, parse_constant=_refuse)
        is_exact = isinstance(document, dict) and canonical(document) == text
    except (ValueError, RecursionError):
        raise _Unfit("it is no JSON") from None
    if not isinstance(document, dict):
        raise _Unfit("it is no JSON object")
    if not is_exact:
        raise _Unfit("it is not written as exports are: keys sorted and each once, no spaces, nothing escaped in vain")
    return document


def _text(raw: bytes, longest: int) -> str:
    if len(raw) > longest:
        raise _Unfit(f"it is longer than {longest} bytes")
    if raw.startswith(b"\xef\xbb\xbf"):
        raise _Unfit(f"it begins with a byte order mark: {_AS_DOWNLOADED}")
    if raw.endswith(b"\r\n"):
        raise _Unfit(f"it ends with CR LF instead of LF: {_AS_DOWNLOADED}")
    if raw == b"\n":
        raise _Unfit("it is empty")
    if not raw.endswith(b"\n"):
        raise _Unfit("it breaks off: the file was cut off, or its download broke off")
    try:
        return raw[:-1].decode()
    except UnicodeDecodeError:
        raise _Unfit("it is not UTF-8") from None


def _require(document: Mapping[str, Any], fields: Mapping[str, type]) -> None:
    if lacking := [name for name in fields if name not in document]:
        raise _Unfit(f"it lacks {', '.join(lacking)}")
    if strange := [name for name in document if name not in fields]:
        raise _Unfit(f"no export has the field {plain(strange[0], 100)}")
    for name, kind in fields.items():
        if type(document[name]) is not kind:
            raise _Unfit(f"its {name} is not {_KINDS[kind]}")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)
