"""Checks a receipt without service, settings or network: what `receipt FILE` does."""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any, NoReturn, cast

from chassis.logs import plain
from consent_svc.domain.answers import HistoryLine
from consent_svc.domain.canonical import canonical, text_hash
from consent_svc.history.chain import fits_its_hash
from consent_svc.kinds import IT_IS_AN_EXPORT, is_export
from consent_svc.receipts.document import RECEIPT_TYPE, SCHEMA
from consent_svc.receipts.words import in_plain_words
from consent_svc.signing import KeyFileError, SignatureError, key_id, load_public_key, verify


class ReceiptFault(Exception):
    """The receipt does not hold; the message says in what."""


def check_receipt(path: str, key_file: Path, notice_file: Path | None) -> int:
    """Check a receipt, from standard input for "-", and print what it proves.

    Returns 0 where it holds, 1 where it does not, 2 where it could not be checked.
    """
    try:
        content = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        notice = notice_file.read_bytes() if notice_file else None
        if is_export(content):
            print(IT_IS_AN_EXPORT, file=sys.stderr)  # noqa: T201
            return 2
        receipt, signed_by = verified(content, key_file)
        wording = None if notice is None else _wording_in(notice, receipt)
        lines = list(in_plain_words(receipt, signed_by, wording))
    except OSError as error:
        print(f"cannot read {error.filename or path}: {error.strerror}; nothing was checked", file=sys.stderr)  # noqa: T201
        return 2
    except KeyFileError as error:
        print(f"{error}; nothing was checked", file=sys.stderr)  # noqa: T201
        return 2
    except (SignatureError, ReceiptFault) as error:
        print(f"DOES NOT HOLD: {error}", file=sys.stderr)  # noqa: T201
        return 1
    except (AttributeError, KeyError, TypeError) as error:
        print(f"DOES NOT HOLD: signed, but no receipt as this release knows them ({error!r})", file=sys.stderr)  # noqa: T201
        return 1
    print("\n".join(lines))  # noqa: T201  its answer
    return 0


def verified(content: bytes, key_file: Path) -> tuple[dict[str, Any], str]:
    """The receipt in a file's content (the JWS, or the gateway's JSON around it), and the key that signed it.

    Raises SignatureError, ReceiptFault, KeyFileError where the key cannot be had, and KeyError and the like where
    what was signed is of another form.
    """
    reply = _reply(content)
    key = load_public_key(key_file, reply["jws"])
    receipt = _json(verify(reply["jws"], key, RECEIPT_TYPE), "signed, but what was signed")
    _require_form(receipt)
    link = receipt["pii_processing"]["withdrawal_method"].get("url", "")
    if "receipt" in reply and (place := _difference(reply["receipt"], receipt)):
        raise ReceiptFault(f"its readable part says something else than what was signed, at {plain(place, 200)}")
    if reply.get("change_url", link) != link:
        raise ReceiptFault("the change_url beside it is not the link that was signed: do not open it")
    return receipt, key_id(key)


def _reply(content: bytes) -> dict[str, Any]:
    if not content.lstrip().startswith(b"{"):
        try:
            return {"jws": content.decode("ascii").strip()}
        except UnicodeDecodeError:
            raise ReceiptFault("this is neither a compact JWS nor JSON") from None
    reply = _json(content, "the file")
    if not isinstance(reply.get("jws"), str):
        raise ReceiptFault("the file is JSON, but without a jws: without a signature nothing is proven")
    return reply


def _require_form(receipt: dict[str, Any]) -> None:
    """What the signer says of itself must fit together, too."""
    if receipt["schema_version"] != SCHEMA:
        raise ReceiptFault(f"its form {receipt['schema_version']!r} is unknown here: check it with a newer release")
    content = {name: value for name, value in receipt.items() if name != "receipt_id"}
    if receipt["receipt_id"] != text_hash(canonical(content)):
        raise ReceiptFault("signed, but its receipt_id is not the hash of the rest")
    event, notice = receipt["event"], receipt["pii_processing"]["privacy_notice"]
    line = {
        "meeting_id": receipt["meeting"]["meeting_id"],
        "revision": event["revision"],
        "participant_digest": receipt["pii_principal_id"],
        "answer": event["answer"],
        "answered_at": event["event_time"],
        "notice_version": notice["version"],
        "language": receipt["pii_processing"]["language"],
        "previous_hash": event["previous_hash"],
        "hash": event["hash"],
    }
    if not fits_its_hash(cast(HistoryLine, line)):
        raise ReceiptFault("signed, but the hash of the line in the history does not follow from what it says")


def _wording_in(content: bytes, receipt: dict[str, Any]) -> str:
    """The receipt's exact words, given as they are or in the gateway's JSON around them."""
    named = receipt["pii_processing"]["privacy_notice"]["hash"]
    if named is None:
        raise ReceiptFault("it names no wording, so no words can be held against it")
    for words in (content, _inner_words(content)):
        if words is not None and hashlib.sha256(words).hexdigest() == named:
            return words.decode(errors="backslashreplace")
    raise ReceiptFault(f"these are other words than those of the answer, whose hash is {plain(str(named))}")


def _inner_words(content: bytes) -> bytes | None:
    try:
        words = json.loads(content)["wording"]
        return words.encode() if isinstance(words, str) else None
    except (KeyError, RecursionError, TypeError, ValueError):
        return None


def _difference(shown: Any, signed: Any, place: str = "") -> str:
    """The first place where two documents differ; empty where they do not."""
    if isinstance(shown, dict) and isinstance(signed, dict):
        for name in sorted(shown.keys() | signed.keys()):
            inner = f"{place}.{name}" if place else name
            if name not in shown or name not in signed:
                return inner
            if found := _difference(shown[name], signed[name], inner):
                return found
        return ""
    # As text: to Python 1 and true, and 1 and 1.0, are the same.
    return "" if json.dumps(shown, sort_keys=True) == json.dumps(signed, sort_keys=True) else place or "its beginning"


def _json(content: bytes, what: str) -> dict[str, Any]:
    try:
        document = json.loads(content, object_pairs_hook=_without_repetition)
    except (RecursionError, ValueError):
        raise ReceiptFault(f"{what} is no JSON") from None
    if not isinstance(document, dict):
        raise ReceiptFault(f"{what} is no JSON object")
    return document


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else _refuse()


def _refuse() -> NoReturn:
    raise ReceiptFault("it says one thing twice, so that people and programs may read different things")
