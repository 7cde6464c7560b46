"""Exports: what leaves the service is checked without it, byte by byte."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consent_svc.domain.answers import HistoryEnd
from consent_svc.domain.canonical import canonical
from consent_svc.history import GENESIS
from consent_svc.history.check import check_export
from consent_svc.history.reading import EXPORT_TYPE, PAGE, exported
from consent_svc.signing import Signer, verify
from tests.consent.cases import MINUTE, TEN
from tests.consent.histories import KEY, SIGNER, FixedHashes, FixedHistory, export_of, fault_of, lines

COUNT = 5


async def test_each_line_is_the_canonical_json_of_one_entry_and_the_last_is_signed() -> None:
    *entries, last = (await export_of(lines(COUNT))).decode().split("\n")[:-1]
    assert entries == [canonical(line) for line in lines(COUNT)]
    end = json.loads(last)
    assert end["head"] == {
        "meeting_id": "m-1",
        "revision": COUNT,
        "head_hash": lines(COUNT)[-1]["hash"],
        "exported_at": "2026-03-02T10:00:00.000000Z",
        "notices": [
            {"version": "2026-11-22", "language": language, "hash": ""}
            for language in ("en", "pt-BR", "språk", "日本語")
        ],
    }
    assert verify(end["jws"], KEY.public_key(), EXPORT_TYPE) == canonical(end["head"]).encode()


async def test_an_empty_history_is_its_end_alone(key_file: Path) -> None:
    export = await export_of([])
    assert export.count(b"\n") == 1
    head = json.loads(export)["head"]
    assert (head["revision"], head["head_hash"]) == (0, GENESIS)
    assert fault_of(export, key_file) == ""


async def test_the_same_history_twice_differs_in_the_last_line_alone() -> None:
    end = HistoryEnd("m-1", COUNT, lines(COUNT)[-1]["hash"], COUNT)
    history = FixedHistory(lines(COUNT), end)
    first = [part async for part in exported(history, FixedHashes(), "m-1", SIGNER, TEN)]
    second = [part async for part in exported(history, FixedHashes(), "m-1", SIGNER, TEN + MINUTE)]
    assert first[:-1] == second[:-1]
    assert first[-1] != second[-1]


async def test_it_leaves_in_pieces_of_whole_lines() -> None:
    count = 2 * PAGE + 1
    history = FixedHistory(lines(count), HistoryEnd("m-1", count, "", count))
    parts = [part async for part in exported(history, FixedHashes(), "m-1", SIGNER, TEN)]
    assert [part.count("\n") for part in parts] == [PAGE, PAGE, 1, 1]
    assert all(part.endswith("\n") for part in parts)


async def test_a_whole_export_is_intact(key_file: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    file.write_bytes(await export_of(lines(COUNT)))
    assert check_export(str(file), key_file) == 0
    said = capsys.readouterr().out.splitlines()
    assert said == [
        "INTACT: 5 answers (4 granted, 1 denied) of meeting m-1",
        "from 2026-03-02T09:00:01.000001Z to 2026-03-02T09:00:05.000005Z",
        f"head: revision 5, hash {lines(COUNT)[-1]['hash']}",
        "wordings: 4, 4 of them never registered: no hash ties these to words",
        f"end: signed under key {SIGNER.key_id}, exported at 2026-03-02T10:00:00.000000Z",
    ]
    assert check_export(str(file), None) == 0
    assert "end: NOT PROVEN" in capsys.readouterr().out


async def test_c5_any_flipped_bit_is_found(key_file: Path) -> None:
    export = await export_of(lines(2))
    for place in range(len(export)):
        for bit in range(8):
            flipped = bytearray(export)
            flipped[place] ^= 1 << bit
            assert fault_of(bytes(flipped), key_file), (place, bit, flipped[max(0, place - 20) : place + 20])


async def test_c5_any_byte_left_out_or_put_in_is_found(key_file: Path) -> None:
    export = await export_of(lines(2))
    for place in range(len(export)):
        assert fault_of(export[:place] + export[place + 1 :], key_file), place
        for more in (b" ", b"\n", b"0", export[place : place + 1]):
            assert fault_of(export[:place] + more + export[place:], key_file), (place, more)


async def test_c5_a_file_cut_off_anywhere_is_not_taken_for_whole(key_file: Path) -> None:
    export = await export_of(lines(2))
    for length in range(len(export)):
        assert fault_of(export[:length], key_file)
        assert fault_of(export[:length])


async def test_c5_an_end_that_another_key_signed_is_found(key_file: Path) -> None:
    export = await export_of(lines(COUNT))
    *_, last = export.splitlines()
    head = json.loads(last)["head"] | {"revision": 4, "head_hash": lines(4)[-1]["hash"]}
    forger = Signer(Ed25519PrivateKey.generate())
    forged = canonical({"head": head, "jws": forger.sign(canonical(head).encode(), EXPORT_TYPE)}).encode()
    shortened = b"".join([*export.splitlines(keepends=True)[:4], forged, b"\n"])
    assert fault_of(shortened) == ""  # why the end is not proven without the key
    assert fault_of(shortened, key_file).startswith("line 5 (the end): it is not signed under this key")


async def test_c5_a_signature_of_another_export_or_another_kind_is_found(key_file: Path) -> None:
    four, five = await export_of(lines(4)), await export_of(lines(5))
    end = json.loads(four.splitlines()[-1])
    foreign = canonical(end | {"jws": json.loads(five.splitlines()[-1])["jws"]}).encode() + b"\n"
    start = b"".join(four.splitlines(keepends=True)[:-1])
    assert "another end than the one that stands beside it" in fault_of(start + foreign, key_file)
    kind = canonical(end | {"jws": SIGNER.sign(canonical(end["head"]).encode(), "assent-receipt+jws")}).encode()
    assert "assent-receipt+jws" in fault_of(start + kind + b"\n", key_file)


@pytest.mark.parametrize("jws", ["", "a", "a.b.c", "..", "W10.W10.W10", "Ww.x.y", "é.é.é", "x" * 50_000])
async def test_a_signature_that_is_none_gets_a_clear_answer(jws: str, key_file: Path) -> None:
    end = json.loads((await export_of([])).decode())
    found = fault_of(canonical(end | {"jws": jws}).encode() + b"\n", key_file)
    assert found.startswith("line 1 (the end): it is not signed under this key")


async def test_what_follows_the_end_is_found(key_file: Path) -> None:
    export = await export_of(lines(COUNT))
    for more in (export, export.splitlines(keepends=True)[-1], b"\n"):
        assert fault_of(export + more, key_file).startswith("line 7 (the end)")


async def test_c5_the_first_fault_is_named_with_its_line_and_revision(key_file: Path) -> None:
    parts = (await export_of(lines(COUNT))).splitlines(keepends=True)
    changed = [*parts[:2], parts[2].replace(b"denied", b"granted"), *parts[3:]]
    assert fault_of(b"".join(changed), key_file) == "line 3: revision 3: its fields do not give its hash"
    assert fault_of(b"".join([*parts[:3], *parts[4:]]), key_file) == (
        "line 4: revision 4 is missing: revision 5 stands there"
    )
    assert fault_of(b"".join([*parts[:4], parts[5]]), key_file) == (
        "line 5: the history ends at 4 but 5 answers were committed"
    )
    damaged = [*parts[:2], b"x" + parts[2][1:], *parts[3:]]
    assert fault_of(b"".join(damaged)) == "line 3 (in the place of revision 3): it is no JSON"
