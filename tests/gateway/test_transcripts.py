"""Transcripts at the front door: read, changed, their texts edited by the owner, what was said found again."""

import pytest
from assent.recording.v1 import recording_pb2
from assent.transcript.v1 import transcript_pb2

from tests.gateway.conftest import Stack, bearer


@pytest.fixture
async def transcript(stack: Stack) -> str:
    """The path of a completed transcript of the owner's."""
    opened = await stack.opened("edited")
    segments = [transcript_pb2.Segment(start_ms=n, end_ms=n + 1, text=f"words {n}", index=n) for n in range(2)]
    segments[1].speaker = "Ana"
    stack.backend.transcripts["t-edit"] = transcript_pb2.Transcript(
        transcript_id="t-edit",
        owner_id="owner-demo",
        meeting_ids=[opened["meeting"]["id"]],
        status=transcript_pb2.TRANSCRIPT_STATUS_COMPLETED,
        segments=segments,
    )
    return "/v1/transcripts/t-edit"


async def test_the_owner_edits_a_segment_and_what_was_heard_stays(stack: Stack, transcript: str) -> None:
    reply = await stack.http.patch(f"{transcript}/segments/1", json={"text": "  Wörter ✓ "}, headers=stack.owner())
    assert reply.status_code == 200
    edited = {"start_ms": 1, "end_ms": 2, "text": "Wörter ✓", "words": [], "speaker": "Ana"}
    assert reply.json() == {**edited, "edited": True, "original_text": "words 1", "index": 1}
    assert stack.backend.editors[-1] == "owner-demo"
    shown = (await stack.http.get(transcript, headers=stack.owner())).json()["segments"]
    assert [(one["text"], one["edited"], one["original_text"], one["speaker"]) for one in shown] == [
        ("words 0", False, None, ""),
        ("Wörter ✓", True, "words 1", "Ana"),
    ]
    for original in ("true", "false"):
        text = await stack.http.get(f"{transcript}/text?original={original}", headers=stack.owner())
        assert text.status_code == 200


async def test_whose_it_is_need_not_have_reached_the_transcript_yet(stack: Stack) -> None:
    meeting = await stack.opened("just-matched")
    stack.backend.recordings["r-just"] = recording_pb2.Recording(
        recording_id="r-just", owner_id="owner-demo", meeting_ids=[meeting["meeting"]["id"]], transcript_id="t-just"
    )
    for name, recording in (("t-just", "r-just"), ("t-unmatched", "r-unmatched"), ("t-lost", "r-never-was")):
        stack.backend.transcripts[name] = transcript_pb2.Transcript(transcript_id=name, recording_id=recording)
    stack.backend.recordings["r-unmatched"] = recording_pb2.Recording(recording_id="r-unmatched")
    theirs = bearer(meeting["participant"]["token"])
    for headers, name, status in [
        (stack.owner(), "t-just", 200),
        (theirs, "t-just", 200),
        (stack.owner("somebody-else"), "t-just", 404),
        (stack.owner(), "t-unmatched", 404),
        (theirs, "t-unmatched", 404),
        (stack.owner(), "t-lost", 404),
    ]:
        assert (await stack.http.get(f"/v1/transcripts/{name}", headers=headers)).status_code == status, name


async def test_an_edit_that_cannot_be_made_is_refused_with_its_reason(stack: Stack, transcript: str) -> None:
    first, owner = f"{transcript}/segments/0", stack.owner()
    wrong: list[object] = [
        {},
        {"text": ""},
        {"text": " \t"},
        {"text": None},
        {"text": 1},
        {"text": "a\0b"},
        {"text": "a\nb"},
    ]
    for body in [*wrong, {"text": "x" * 5_001}, {"text": "x", "start_ms": 5}]:
        assert (await stack.http.patch(first, json=body, headers=owner)).status_code == 422, body
    surrogate = await stack.http.patch(
        first, content=b'{"text": "\\ud800"}', headers={**owner, "Content-Type": "application/json"}
    )
    assert surrogate.status_code == 422
    for index in ("2", "-1", "x", "1.5", "99999999999", str(2**31 - 1)):
        reply = await stack.http.patch(f"{transcript}/segments/{index}", json={"text": "x"}, headers=owner)
        assert reply.status_code == 404, index
    stranger = await stack.http.patch(first, json={"text": "x"}, headers=stack.owner("owner-2"))
    participant = bearer((await stack.opened("edited"))["participant"]["token"])
    assert (stranger.status_code, stranger.json()["reason"]) == (404, "TRANSCRIPT_NOT_FOUND")
    assert (await stack.http.patch(first, json={"text": "x"}, headers=participant)).status_code in (401, 403)
    stack.backend.transcripts["t-edit"].locked = True
    locked = await stack.http.patch(first, json={"text": "x"}, headers=owner)
    assert (locked.status_code, locked.json()["reason"]) == (409, "TRANSCRIPT_LOCKED")
    assert stack.backend.transcripts["t-edit"].segments[0].text == "words 0"


async def test_what_was_said_is_found_by_whoever_may_read_it(stack: Stack, transcript: str) -> None:
    participant = bearer((await stack.opened("edited"))["participant"]["token"])
    other = bearer((await stack.opened("edited-2"))["participant"]["token"])
    for headers in (stack.owner(), participant):
        reply = (await stack.http.get("/v1/transcripts", params={"query": "words 1"}, headers=headers)).json()
        (found,) = reply["transcripts"]
        marks = [{"start": 0, "end": 7}]
        assert found["id"] == "t-edit"
        place = {"index": 1, "start_ms": 1, "end_ms": 2}
        assert found["matches"] == [{**place, "text": "words 1", "speaker": "Ana", "marks": marks}]
    for headers in (stack.owner("owner-2"), other):
        reply = (await stack.http.get("/v1/transcripts", params={"query": "words 1"}, headers=headers)).json()
        assert reply["transcripts"] == []


async def test_a_query_that_cannot_be_is_422_and_a_blank_one_lists(stack: Stack, transcript: str) -> None:
    for query in ("a\0b", "x" * 301):
        reply = await stack.http.get("/v1/transcripts", params={"query": query}, headers=stack.owner())
        assert reply.status_code == 422
    for query in ("", "  "):
        reply = await stack.http.get("/v1/transcripts", params={"query": query}, headers=stack.owner())
        assert "t-edit" in [one["id"] for one in reply.json()["transcripts"]]
        assert all(one["matches"] == [] for one in reply.json()["transcripts"])
    odd = await stack.http.get("/v1/transcripts?query=%ff%fe", headers=stack.owner())
    assert odd.status_code == 200


async def test_a_transcript_is_read_changed_rendered_and_removed(stack: Stack) -> None:
    segment = transcript_pb2.Segment(
        start_ms=1, end_ms=2, text="hi", words=[transcript_pb2.Word(text="hi", start_ms=1)]
    )
    stack.backend.transcripts["t1"] = transcript_pb2.Transcript(
        transcript_id="t1",
        recording_id="r1",
        owner_id="writer",
        meeting_ids=["4711"],
        status=transcript_pb2.TRANSCRIPT_STATUS_COMPLETED,
        segments=[segment],
    )
    owner = stack.owner("writer")
    shown = (await stack.http.get("/v1/transcripts/t1", headers=owner)).json()
    assert (shown["status"], shown["segments"][0]["words"][0]["text"], shown["meeting_id"]) == (
        "completed",
        "hi",
        "4711",
    )
    listed = (await stack.http.get("/v1/transcripts", headers=owner)).json()["transcripts"]
    assert [(one["id"], "segments" in one) for one in listed] == [("t1", False)]
    path = "/v1/transcripts/t1"
    changed = await stack.http.patch(path, json={"title": "Früh ✓", "reviewed": True, "locked": True}, headers=owner)
    assert (changed.json()["title"], changed.json()["reviewed"]) == ("Früh ✓", True)
    locked = await stack.http.patch(path, json={"title": "late"}, headers=owner)
    assert (locked.status_code, locked.json()["reason"]) == (409, "TRANSCRIPT_LOCKED")
    for wrong in ({"locked": "no"}, {"title": "two\nlines"}, {"title": "\x00"}, {"title": None}, {"owner_id": "me"}):
        assert (await stack.http.patch(path, json=wrong, headers=owner)).status_code == 422, wrong
    assert (await stack.http.patch(path, json={}, headers=owner)).json()["reason"] == "NOTHING_TO_CHANGE"
    for name, media in [("txt", "text/plain"), ("vtt", "text/vtt"), ("srt", "application/x-subrip")]:
        text = await stack.http.get(f"{path}/text", params={"format": name}, headers=owner)
        assert (text.headers["content-type"].split(";")[0], text.content.decode()) == (media, "José said ✓")
    assert (await stack.http.get(f"{path}/text?format=pdf", headers=owner)).status_code == 422
    assert (await stack.http.delete(path, headers=owner)).status_code == 204
    assert "t1" not in stack.backend.transcripts


async def test_a_participant_lists_the_transcripts_of_their_meeting_alone(stack: Stack) -> None:
    opened, other = await stack.opened("listing"), await stack.opened("listing-2")
    for name, meeting in [("ta", opened), ("tb", other)]:
        stack.backend.transcripts[name] = transcript_pb2.Transcript(
            transcript_id=name, owner_id="owner-demo", meeting_ids=[meeting["meeting"]["id"]]
        )
    token = bearer(opened["participant"]["token"])
    listed = await stack.http.get("/v1/transcripts", headers=token)
    assert [one["id"] for one in listed.json()["transcripts"]] == ["ta"]
    theirs = await stack.http.get("/v1/transcripts", params={"meeting_id": other["meeting"]["id"]}, headers=token)
    assert (theirs.status_code, theirs.json()["reason"]) == (403, "OTHER_MEETING")
