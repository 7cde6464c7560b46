"""Exports sign the hashes of the words: whoever keeps one and the words needs no receipt to show what was asked."""

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from assent.consent.v1 import consent_service_pb2 as consent

from consent_svc.domain.answers import HistoryEnd, HistoryLine, Submission
from consent_svc.domain.canonical import canonical, text_hash
from consent_svc.domain.receipts import Notice
from consent_svc.domain.verdict import Answer
from consent_svc.history import GENESIS, next_entry, reading
from consent_svc.history.chain import line_of
from consent_svc.history.check import LONGEST_LINE, check_export
from consent_svc.history.reading import EXPORT_TYPE, exported
from consent_svc.receipts import receipt_of
from tests.consent.cases import ANA, NINE, TEN, meeting, room, says
from tests.consent.conftest import Store
from tests.consent.desk import signed
from tests.consent.histories import SIGNER, FixedHashes, FixedHistory, export_of, fault_of, lines
from tests.consent.test_receipts import LINK, record

if TYPE_CHECKING:  # only the stubs' types know it
    from assent.consent.v1.consent_service_pb2_grpc import ConsentServiceAsyncStub

HASH = text_hash("May it be stored?")
REGISTERED = {("2026-11-22", "pt-BR"): HASH, ("2026-11-22", "日本語"): HASH, ("2025", "en"): HASH}


def naming(*wordings: tuple[str, str]) -> list[HistoryLine]:
    """A history of answers to these wordings."""
    made, previous = [], GENESIS
    for revision, wording in enumerate(wordings, start=1):
        entry = next_entry(Submission("m-1", "", Answer.GRANTED, "", *wording), "0" * 64, revision, previous, NINE)
        made.append(line_of(entry))
        previous = entry.hash
    return made


def notice(version: str, language: str, notice_hash: Any = "") -> dict[str, Any]:
    return {"version": version, "language": language, "hash": notice_hash}


def resigned(export: bytes, notices: Any) -> bytes:
    """The export as a service would have signed it that names these wordings; none at all for None."""
    *entries, last = export.splitlines(keepends=True)
    head = json.loads(last)["head"] | {"notices": notices}
    if notices is None:
        del head["notices"]
    end = {"head": head, "jws": SIGNER.sign(canonical(head).encode(), EXPORT_TYPE)}
    return b"".join([*entries, canonical(end).encode(), b"\n"])


def head_of(export: bytes) -> dict[str, Any]:
    head: dict[str, Any] = json.loads(export.splitlines()[-1])["head"]
    return head


def report_of(export: bytes, folder: Path, key_file: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    file = folder / "history.jsonl"
    file.write_bytes(export)
    assert check_export(str(file), key_file) == 0
    return capsys.readouterr().out.splitlines()


async def test_the_end_names_each_wording_once_sorted_and_with_its_hash_where_there_is_one() -> None:
    head = head_of(await export_of(lines(9), hashes=REGISTERED))
    assert head["notices"] == [
        notice("2026-11-22", "en"), notice("2026-11-22", "pt-BR", HASH),
        notice("2026-11-22", "språk"), notice("2026-11-22", "日本語", HASH),
    ]  # fmt: skip
    mixed = naming(("2", "en"), ("1", "nb"), ("", ""), ("1", "de"), ("1", "nb"))
    assert head_of(await export_of(mixed))["notices"] == [
        notice("", ""), notice("1", "de"), notice("1", "nb"), notice("2", "en")
    ]  # fmt: skip
    assert head_of(await export_of([]))["notices"] == []


async def test_wordings_of_every_page_are_named(monkeypatch: pytest.MonkeyPatch, key_file: Path) -> None:
    monkeypatch.setattr(reading, "PAGE", 1)
    export = await export_of(lines(3))
    assert len(head_of(export)["notices"]) == 3
    assert fault_of(export, key_file) == ""


@pytest.mark.parametrize(
    ("wordings", "hashes", "says"),
    [
        ([("1", "en"), ("1", "en")], {("1", "en"): HASH}, "wordings: 1"),
        ([("1", "en"), ("1", "nb")], {("1", "en"): HASH}, "wordings: 2, 1 of them never registered: no hash"),
        ([], {}, "wordings: 0"),
    ],
    ids=["one", "one of two", "none"],
)  # fmt: skip
async def test_the_check_says_how_many_wordings_there_are(
    wordings: Sequence[tuple[str, str]], hashes: dict[tuple[str, str], str], says: str,
    tmp_path: Path, key_file: Path, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    said = report_of(await export_of(naming(*wordings), hashes=hashes), tmp_path, key_file, capsys)
    [found] = [line for line in said if line.startswith("wordings")]
    assert found.startswith(says) if "," in says else found == says


async def test_c5_a_line_whose_wording_the_end_does_not_name_is_found_and_the_first_is_named(key_file: Path) -> None:
    export = await export_of(naming(("1", "en"), ("1", "nb"), ("2", "en"), ("1", "nb")))
    without = resigned(export, [notice("1", "en")])
    for key in (None, key_file):
        assert fault_of(without, key) == (
            'line 2: revision 2: the end does not name its wording, version "1" in "nb"'
        )  # fmt: skip
    assert fault_of(resigned(export, [notice("1", "en"), notice("1", "nb")])).startswith("line 3: revision 3: ")
    assert fault_of(resigned(export, [])).startswith("line 1: revision 1: ")
    swapped = [notice("1", "en"), notice("1", "nb"), notice("en", "2")]
    assert fault_of(resigned(export, swapped)).startswith("line 3: revision 3: ")


FORM = "its notices are not objects of version, language and hash, all text"
ORDER = "its notices are not sorted by version and language, each once"
NO_HASH = "a hash in its notices is neither SHA-256 in hex nor empty"


@pytest.mark.parametrize(
    ("notices", "says"),
    [
        ({}, "its notices is not a list"),
        (["en"], FORM),
        ([{"version": "1", "language": "en"}], FORM),
        ([notice("1", "en") | {"words": ""}], FORM),
        ([notice("1", "en", None)], FORM),
        ([notice("1", "en", HASH.upper()), notice("1", "nb")], NO_HASH),
        ([notice("1", "en", HASH + "\n"), notice("1", "nb")], NO_HASH),
        ([notice("1", "nb"), notice("1", "en")], ORDER),
        ([notice("1", "en"), notice("1", "en", HASH), notice("1", "nb")], ORDER),
        ([notice("1", "en"), notice("1", "nb"), notice("3\x1b[2J", "en")],
         r"""its notices name a wording that no line names, version "3\x1b[2J" in "en""" + '"'),
    ],
    ids=["object", "text", "lacking", "more", "null", "capitals", "line feed", "order", "twice", "beyond"],
)  # fmt: skip
async def test_c5_notices_in_any_other_form_are_a_fault_of_the_end(notices: Any, says: str, key_file: Path) -> None:
    export = await export_of(naming(("1", "en"), ("1", "nb")))
    assert fault_of(resigned(export, notices), key_file) == f"line 3 (the end): {says}"


async def test_c5_the_hashes_are_signed(key_file: Path) -> None:
    export = await export_of(naming(("1", "en")), hashes={("1", "en"): HASH})
    *entries, last = export.splitlines(keepends=True)
    changed = b"".join([*entries, last.replace(HASH.encode(), text_hash("other words").encode())])
    assert "another end than the one that stands beside it" in fault_of(changed, key_file)
    end = json.loads(last)
    del end["head"]["notices"]
    without = b"".join([*entries, canonical(end).encode(), b"\n"])
    assert "another end than the one that stands beside it" in fault_of(without, key_file)


async def test_an_export_of_an_earlier_release_holds_and_does_not_say_the_wordings(
    tmp_path: Path, key_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    earlier = resigned(await export_of(lines(3)), None)
    said = report_of(earlier, tmp_path, key_file, capsys)
    assert said[0].startswith("INTACT: 3 answers")
    assert "wordings: NOT SAID. This export is of an earlier release" in said[-2]


async def test_c5_a_new_wording_in_every_answer_makes_no_export_that_cannot_leave_or_be_checked(
    key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever answers says which wording they saw: as many as they like, as long as may be."""
    count = 300
    all_ = naming(*((f"{n:03}".ljust(100, "\x01"), "\x01" * 35) for n in range(count)))
    export = await export_of(all_)
    assert len(export.splitlines()[-1]) > 2 * LONGEST_LINE
    assert fault_of(export, key_file) == ""
    monkeypatch.setattr(reading, "PIECE", 1000)
    history = FixedHistory(all_, HistoryEnd("m-1", count, all_[-1]["hash"], count))
    first, *pieces = [part async for part in exported(history, FixedHashes(), "m-1", SIGNER, TEN)]
    assert "".join([first, *pieces]).encode() == export
    assert max(map(len, pieces)) == 1000


async def test_the_service_names_the_wordings_that_it_knows(
    store: Store, answers: "ConsentServiceAsyncStub", key_file: Path
) -> None:
    await store.rooms.add(room())
    await store.meetings.open(meeting(), NINE)
    known = [Notice.of(version, "en", f"words of {version}", NINE) for version in ("2026-01", "another")]
    await store.receipts.register(known)
    for language in ("en", "fr"):
        said = says(ANA, Answer.GRANTED, language)
        await store.answers.submit(replace(said, notice_version="2026-01", language=language), NINE)
    asked = consent.ExportHistoryRequest(meeting_id="m-1")
    export = "".join([part.lines async for part in answers.ExportHistory(asked)]).encode()
    assert fault_of(export, key_file) == ""
    assert head_of(export)["notices"] == [notice("2026-01", "en", known[0].hash), notice("2026-01", "fr")]
    receipt = receipt_of(await store.receipts.answer("m-1", ANA, 1), LINK)
    assert receipt["pii_processing"]["privacy_notice"]["hash"] == known[0].hash


async def test_hashes_are_of_registered_wordings_alone_however_many_are_asked_for(store: Store) -> None:
    known = [Notice.of("1", language, f"words in {language}", NINE) for language in ("en", "nb")]
    await store.receipts.register([*known, Notice.of("2", "de", "others", NINE)])
    keys = [("1", "en"), ("2", "en"), ("1", "nb"), ("", "")]
    assert await store.receipts.hashes(keys) == {("1", "en"): known[0].hash, ("1", "nb"): known[1].hash}
    assert await store.receipts.hashes([]) == {}
    many = [*((str(n), "xx") for n in range(40_000)), *keys]
    assert await store.receipts.hashes(many) == await store.receipts.hashes(keys)


@pytest.mark.parametrize("around", ["bare", "bare with line feed", "reply", "indented reply"])
@pytest.mark.parametrize("source", ["file", "pipe"])
def test_a_receipt_is_sent_to_its_own_check(
    around: str, source: str, tmp_path: Path, key_file: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    jws = signed(receipt_of(record(), LINK))
    reply = {"receipt": receipt_of(record(), LINK), "jws": jws, "change_url": LINK}
    content = {
        "bare": jws, "bare with line feed": jws + "\n",
        "reply": json.dumps(reply), "indented reply": json.dumps(reply, indent=2) + "\n",
    }[around].encode()  # fmt: skip
    file = tmp_path / "receipt"
    file.write_bytes(content)
    for key in (None, key_file):
        if source == "file":
            assert check_export(str(file), key) == 2
        else:
            monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
            assert check_export("-", key) == 2
        said = capsys.readouterr().err
        assert "this is a receipt, no exported history" in said
        assert "python -m consent_svc receipt" in said
