"""The history over HTTP: read, checked and taken along by its owner, and what breaks off is no file."""

import json
from pathlib import Path

import httpx
import pytest
from assent.consent.v1 import consent_pb2

from chassis.errors import Unavailable
from consent_svc.history.check import check_export
from tests.gateway.conftest import Stack, bearer


async def told(stack: Stack, room: str) -> str:
    """The path of a history of three answers."""
    opened = await stack.opened(room)
    path = f"/v1/meetings/{opened['meeting']['id']}/consent"
    for granted in (True, False, True):
        body = {"consent_given": granted, "notice_version": "2026-11-22", "language": "nb"}
        reply = await stack.http.post(path, json=body, headers=bearer(opened["participant"]["token"]))
        assert reply.status_code == 200
    return f"{path}/history"


def meeting_of(path: str) -> str:
    return path.split("/")[3]


async def exported(stack: Stack, path: str) -> httpx.Response:
    return await stack.http.get(path, params={"format": "jsonl"}, headers=stack.owner())


async def test_c5_an_export_is_checked_without_us_under_the_key_that_anyone_may_fetch(
    stack: Stack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = await told(stack, "take-along")
    export, keys = await exported(stack, path), await stack.http.get("/v1/keys")
    file, key_file = tmp_path / "history.jsonl", tmp_path / "keys.json"
    file.write_bytes(export.content)
    key_file.write_bytes(keys.content)
    assert check_export(str(file), key_file) == 0
    said = capsys.readouterr().out
    assert "INTACT: 3 answers (2 granted, 1 denied)" in said
    assert f"end: signed under key {keys.json()['keys'][0]['kid']}" in said


async def test_an_export_comes_as_a_file_that_nobody_stores_on_the_way(stack: Stack) -> None:
    path = await told(stack, "as-a-file")
    reply = await exported(stack, path)
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "application/jsonl"
    assert reply.headers["content-disposition"] == (f'attachment; filename="consent-history-{meeting_of(path)}.jsonl"')
    assert reply.headers["cache-control"] == "no-store"
    *lines, last = [json.loads(line) for line in reply.content.splitlines()]
    assert [line["answer"] for line in lines] == ["granted", "denied", "granted"]
    assert last["head"]["revision"] == 3


async def test_without_a_format_it_is_a_page_as_ever(stack: Stack) -> None:
    path = await told(stack, "as-a-page")
    page = await stack.http.get(path, headers=stack.owner())
    same = await stack.http.get(path, params={"format": "json"}, headers=stack.owner())
    assert page.json() == same.json()
    assert [entry["revision"] for entry in page.json()["entries"]] == [1, 2, 3]
    other = await stack.http.get(path, params={"format": "csv"}, headers=stack.owner())
    assert (other.status_code, other.json()["reason"]) == (422, "REQUEST_INVALID")


async def test_an_empty_history_is_exported_as_its_end(stack: Stack) -> None:
    opened = await stack.opened("nobody-answered")
    path = f"/v1/meetings/{opened['meeting']['id']}/consent/history"
    [line] = (await exported(stack, path)).content.splitlines()
    assert json.loads(line)["head"]["revision"] == 0
    check = await stack.http.get(f"{path}/check", headers=stack.owner())
    assert check.json() == {"entries": 0, "head_hash": "0" * 64, "intact": True, "fault": None}


async def test_c5_an_export_that_breaks_off_does_not_look_whole(
    stack: Stack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = await told(stack, "breaks-off")
    gone = Unavailable("the database cannot be reached", reason="DATABASE_UNAVAILABLE")
    stack.backend.interruptions[meeting_of(path)] = gone
    received = b""
    with pytest.raises(httpx.RemoteProtocolError):  # noqa: PT012  the error comes while it is read
        async with stack.http.stream("GET", path, params={"format": "jsonl"}, headers=stack.owner()) as reply:
            assert reply.status_code == 200
            async for chunk in reply.aiter_raw():
                received += chunk
    assert received.count(b"\n") == 3
    file = tmp_path / "half.jsonl"
    file.write_bytes(received)
    assert check_export(str(file), None) == 1
    assert "line 4 is missing: the file ends after revision 3" in capsys.readouterr().err


async def test_an_export_that_cannot_begin_is_a_problem_not_a_file(stack: Stack) -> None:
    opened = await stack.opened("cannot-begin")
    meeting = opened["meeting"]["id"]
    gone = Unavailable("the database cannot be reached", reason="DATABASE_UNAVAILABLE")
    stack.backend.interruptions[meeting] = gone
    reply = await exported(stack, f"/v1/meetings/{meeting}/consent/history")
    assert (reply.status_code, reply.json()["reason"]) == (503, "DATABASE_UNAVAILABLE")
    assert "content-disposition" not in reply.headers


async def test_c5_a_check_says_whether_all_is_as_it_was_written_and_what_is_not(stack: Stack) -> None:
    path = await told(stack, "checked")
    entries = (await stack.http.get(path, headers=stack.owner())).json()["entries"]
    intact = await stack.http.get(f"{path}/check", headers=stack.owner())
    assert intact.json() == {"entries": 3, "head_hash": entries[-1]["hash"], "intact": True, "fault": None}
    assert intact.headers["cache-control"] == "no-store"
    explained = "revision 2: its fields do not give its hash"
    stack.backend.history_faults[meeting_of(path)] = consent_pb2.HistoryFault(revision=2, explanation=explained)
    broken = (await stack.http.get(f"{path}/check", headers=stack.owner())).json()
    assert (broken["intact"], broken["fault"]) == (False, {"revision": 2, "explanation": explained})


async def test_a_history_is_its_owners_alone(stack: Stack) -> None:
    opened = await stack.opened("owners-alone")
    meeting = opened["meeting"]["id"]
    for suffix in ("?format=jsonl", "/check"):
        path = "/v1/meetings/{}/consent/history" + suffix
        assert (await stack.http.get(path.format(meeting))).status_code == 401
        participant = bearer(opened["participant"]["token"])
        refused = await stack.http.get(path.format(meeting), headers=participant)
        assert (refused.status_code, refused.json()["reason"]) == (403, "OWNER_ONLY")
        theirs = await stack.http.get(path.format(meeting), headers=stack.owner("owner-2"))
        nothing = await stack.http.get(path.format("never-was"), headers=stack.owner("owner-2"))
        assert theirs.status_code == nothing.status_code == 404
        assert theirs.text.replace(meeting, "never-was") == nothing.text


async def test_anyone_may_fetch_the_keys_and_keep_them_five_minutes(stack: Stack) -> None:
    reply = await stack.http.get("/v1/keys")
    assert (reply.status_code, reply.headers["cache-control"]) == (200, "public, max-age=300")
    [key] = reply.json()["keys"]
    assert key.keys() == {"kty", "crv", "x", "kid", "alg", "use"}
    assert (key["kty"], key["crv"], key["alg"]) == ("OKP", "Ed25519", "EdDSA")


async def test_the_description_tells_both_formats(stack: Stack) -> None:
    paths = (await stack.http.get("/openapi.json")).json()["paths"]
    history = paths["/v1/meetings/{meeting_id}/consent/history"]["get"]
    assert history["responses"]["200"]["content"].keys() == {"application/json", "application/jsonl"}
    assert history["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].endswith("/History")
    [format_] = [one for one in history["parameters"] if one["name"] == "format"]
    assert format_["schema"]["enum"] == ["json", "jsonl"]
    assert "/v1/meetings/{meeting_id}/consent/history/check" in paths
    assert "security" not in paths["/v1/keys"]["get"]
