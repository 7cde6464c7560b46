"""The audio: ranges as players ask for them, and nothing that may not be heard."""

import asyncio
import random
import socket
import time

import httpx
import pytest
from assent.transcript.v1 import transcript_pb2
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from chassis.errors import OutOfRange, Unavailable
from gateway.audio import ASK_AGAIN_SECONDS
from gateway.ranges import parse_range
from tests.eventually import eventually
from tests.gateway.conftest import Stack, bearer

SIZE = 100_003
AUDIO = random.Random(7).randbytes(SIZE)


@pytest.fixture
async def mp3(stack: Stack) -> str:
    """The path of a transcript's audio."""
    opened = await stack.opened("audible")
    stack.backend.transcripts["t-audio"] = transcript_pb2.Transcript(
        transcript_id="t-audio", owner_id="owner-demo", meeting_ids=["another", opened["meeting"]["id"]]
    )
    stack.backend.audio["t-audio"] = AUDIO
    stack.backend.withheld.pop("t-audio", None)
    return "/v1/transcripts/t-audio/audio/mp3"


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-", 0, SIZE - 1),
        ("bytes=0-0", 0, 0),
        ("bytes=100-40099", 100, 40_099),
        ("bytes=99999-", 99_999, SIZE - 1),
        ("bytes=-1", SIZE - 1, SIZE - 1),
        ("bytes=-500", SIZE - 500, SIZE - 1),
        ("bytes=-999999", 0, SIZE - 1),
        ("bytes=5-999999", 5, SIZE - 1),
        ("BYTES= 5-7", 5, 7),
        ("bytes=5-" + "9" * 40, 5, SIZE - 1),
        ("bytes=-" + "9" * 40, 0, SIZE - 1),
    ],
)
async def test_a_range_gives_206_and_just_those_bytes(
    stack: Stack, mp3: str, asked: str, first: int, last: int
) -> None:
    reply = await stack.http.get(mp3, headers={**stack.owner(), "Range": asked})
    assert reply.status_code == 206
    assert reply.content == AUDIO[first : last + 1]
    assert reply.headers["content-range"] == f"bytes {first}-{last}/{SIZE}"
    assert reply.headers["content-length"] == str(last - first + 1)
    head = await stack.http.head(mp3, headers={**stack.owner(), "Range": asked})
    assert (head.status_code, head.content) == (206, b"")
    for name in ("content-range", "content-length", "etag", "content-type"):
        assert head.headers[name] == reply.headers[name]


@pytest.mark.parametrize(
    "asked", [None, "bytes=0-1,5-6", "bytes=9-5", "bytes=a-b", "bytes=-", "bytes=", "seconds=0-5", "bytes=0-1;", "x"]
)
async def test_what_is_no_single_range_gives_the_whole(stack: Stack, mp3: str, asked: str | None) -> None:
    reply = await stack.http.get(mp3, headers={**stack.owner(), **({"Range": asked} if asked else {})})
    assert (reply.status_code, reply.content) == (200, AUDIO)
    assert reply.headers["accept-ranges"] == "bytes"
    assert reply.headers["content-type"] == "audio/mpeg"


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", "bytes=999999-1000000", "bytes=-0", f"bytes={'9' * 40}-"])
async def test_a_range_outside_is_416(stack: Stack, mp3: str, asked: str) -> None:
    reply = await stack.http.get(mp3, headers={**stack.owner(), "Range": asked})
    assert (reply.status_code, reply.json()["reason"]) == (416, "RANGE_INVALID")
    assert reply.headers["content-range"] == f"bytes */{SIZE}"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"If-None-Match": '"abc123"'}, 304),
        ({"If-None-Match": 'W/"abc123"'}, 304),
        ({"If-None-Match": '"x", W/"y,z" ,"abc123"'}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": '"abc123"', "Range": "bytes=0-9"}, 304),
        ({"If-None-Match": '"abc123"', "Range": f"bytes={SIZE}-"}, 304),
        ({"If-None-Match": '"abc"'}, 200),
        ({"If-None-Match": "abc123"}, 200),
        ({"If-None-Match": '"other"', "Range": "bytes=0-9"}, 206),
        ({"If-Match": '"abc123"'}, 200),
        ({"If-Match": "*", "Range": "bytes=0-9"}, 206),
        ({"If-Match": 'W/"abc123"'}, 412),
        ({"If-Match": '"other"'}, 412),
        ({"If-Match": '"other"', "If-None-Match": '"abc123"'}, 412),
        ({"If-Range": 'W/"abc123"', "Range": "bytes=0-9"}, 200),
        ({"If-Range": "Sun, 22 Nov 2026 10:00:00 GMT", "Range": "bytes=0-9"}, 200),
        ({"If-Range": '"abc123"', "Range": f"bytes={SIZE}-"}, 416),
        ({"If-Range": '"other"', "Range": f"bytes={SIZE}-"}, 200),
        ({"If-Range": '"abc123"'}, 200),
    ],
)
async def test_conditions_come_before_ranges_and_head_answers_as_get_does(
    stack: Stack, mp3: str, method: str, sent: dict[str, str], status: int
) -> None:
    reply = await stack.http.request(method, mp3, headers={**stack.owner(), **sent})
    assert (reply.status_code, reply.headers["cache-control"]) == (status, "no-store")
    if status in (200, 206, 304):
        assert reply.headers["etag"] == '"abc123"'
    if status in (200, 206):
        assert reply.headers["accept-ranges"] == "bytes"
        assert reply.headers["content-length"] == str(SIZE if status == 200 else 10)
    if status == 416:
        assert reply.headers["content-range"] == f"bytes */{SIZE}"
    assert len(reply.content) == (0 if method == "HEAD" or status == 304 else int(reply.headers["content-length"]))


async def test_d2_who_has_the_audio_is_not_told_that_it_is_unchanged_once_it_is_erased(stack: Stack, mp3: str) -> None:
    stack.backend.withheld["t-audio"] = "AUDIO_DELETED"
    for sent in ({"If-None-Match": '"abc123"'}, {"If-None-Match": "*"}, {"If-Match": '"other"'}):
        reply = await stack.http.get(mp3, headers={**stack.owner(), **sent})
        assert (reply.status_code, reply.json()["reason"]) == (410, "AUDIO_DELETED")


async def test_d2_a_stream_that_runs_when_the_audio_is_erased_ends(
    stack: Stack, mp3: str, caplog: pytest.LogCaptureFixture
) -> None:
    stack.backend.audio["t-audio"] = AUDIO * 400  # more than sockets and windows hold
    received: list[int] = []

    async def listen(reply: httpx.Response) -> None:
        async for chunk in reply.aiter_raw():
            stack.backend.withheld["t-audio"] = "AUDIO_DELETED"
            received.append(len(chunk))

    with capture_logs() as logs:
        async with (
            httpx.AsyncClient(base_url=stack.url) as http,
            http.stream("GET", mp3, headers=stack.owner()) as reply,
        ):
            assert reply.headers["content-length"] == str(SIZE * 400)
            with pytest.raises(httpx.RemoteProtocolError):
                await listen(reply)
    assert 0 < sum(received) < 20_000_000
    cut = {"event": "audio_cut_off", "log_level": "info", "transcript_id": "t-audio", "reason": "AUDIO_DELETED"}
    assert [line for line in logs if line["event"] != "request"] == [cut]
    assert [record for record in caplog.records if record.name.startswith("uvicorn")] == []


async def test_if_range_of_another_version_gives_the_whole(stack: Stack, mp3: str) -> None:
    etag = (await stack.http.head(mp3, headers=stack.owner())).headers["etag"]
    same = {**stack.owner(), "Range": "bytes=0-9", "If-Range": etag}
    assert (await stack.http.get(mp3, headers=same)).status_code == 206
    assert (await stack.http.get(mp3, headers={**same, "If-Range": '"other"'})).status_code == 200


@pytest.mark.parametrize(
    ("reason", "status"), [("AUDIO_DELETED", 410), ("CONSENT_UNDECIDED", 409), ("SOMETHING_NEW", 409)]
)
async def test_d2_audio_that_may_not_be_heard_is_refused_and_never_stored(
    stack: Stack, mp3: str, reason: str, status: int
) -> None:
    for path in (mp3, mp3.replace("mp3", "waveform")):
        allowed = await stack.http.get(path, headers=stack.owner())
        assert (allowed.status_code, allowed.headers["cache-control"]) == (200, "no-store")
    stack.backend.withheld["t-audio"] = reason
    before = stack.backend.streamed
    for path in (mp3, mp3.replace("mp3", "waveform")):
        for headers in ({}, {"Range": "bytes=0-9"}):
            refused = await stack.http.get(path, headers={**stack.owner(), **headers})
            assert (refused.status_code, refused.json()["reason"]) == (status, reason)
            assert refused.headers["cache-control"] == "no-store"
    head = await stack.http.head(mp3, headers=stack.owner())
    assert (head.status_code, head.content) == (status, b"")
    assert stack.backend.streamed == before


async def test_d2_audio_erased_between_length_and_first_byte_is_410(
    stack: Stack, mp3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard, asked = stack.backend.heard, []

    def erased_meanwhile(transcript_id: str) -> bytes:
        asked.append(transcript_id)
        if len(asked) > 1:
            stack.backend.withheld["t-audio"] = "AUDIO_DELETED"
        return heard(transcript_id)

    monkeypatch.setattr(stack.backend, "heard", erased_meanwhile)
    reply = await stack.http.get(mp3, headers=stack.owner())
    assert (reply.status_code, reply.json()["reason"], len(asked)) == (410, "AUDIO_DELETED", 2)


async def test_storage_that_is_away_between_length_and_first_byte_is_503(
    stack: Stack, mp3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard, asked = stack.backend.heard, []

    def away_meanwhile(transcript_id: str) -> bytes:
        asked.append(transcript_id)
        if len(asked) > 1:
            raise Unavailable("the audio's storage cannot be reached", reason="STORAGE_UNAVAILABLE")
        return heard(transcript_id)

    monkeypatch.setattr(stack.backend, "heard", away_meanwhile)
    reply = await stack.http.get(mp3, headers=stack.owner())
    # Asked for the length and the sound once each: what waited long is not tried again.
    assert (reply.status_code, reply.json()["reason"], len(asked)) == (503, "STORAGE_UNAVAILABLE", 2)


async def test_audio_is_streamed_as_it_is_read_and_no_further(stack: Stack, mp3: str) -> None:
    stack.backend.audio["t-audio"] = AUDIO * 400  # 40 MB: more than sockets and windows hold
    before = stack.backend.streamed
    async with httpx.AsyncClient(base_url=stack.url) as http, http.stream("GET", mp3, headers=stack.owner()) as reply:
        chunks = reply.aiter_raw()
        first = await anext(chunks)
        assert AUDIO.startswith(first[:1000])
    seen: list[int] = []

    async def is_still() -> bool:
        seen.append(stack.backend.streamed)
        return len(seen) > 5 and seen[-1] == seen[-5]

    await eventually(is_still)
    assert stack.backend.streamed - before < 20_000_000


async def test_d2_a_listener_who_takes_little_is_sent_little_more_once_the_audio_is_erased(
    stack: Stack, mp3: str
) -> None:
    stack.backend.audio["t-audio"] = AUDIO * 400
    host, _, port = stack.url.removeprefix("http://").partition(":")
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
    narrow.connect((host, int(port)))
    reader, writer = await asyncio.open_connection(sock=narrow, limit=16_384)
    try:
        writer.write(f"GET {mp3} HTTP/1.1\r\nHost: {host}\r\n".encode())
        writer.write("".join(f"{name}: {value}\r\n" for name, value in stack.owner().items()).encode() + b"\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        began, seen = time.monotonic(), list[int]()

        async def has_read_ahead_for_a_while() -> bool:
            seen.append(stack.backend.streamed)
            return len(seen) > 5 and seen[-1] == seen[-5] and time.monotonic() - began > ASK_AGAIN_SECONDS

        await eventually(has_read_ahead_for_a_while, every=0.2)
        stack.backend.withheld["t-audio"] = "AUDIO_DELETED"
        after = 0
        async with asyncio.timeout(60):
            while piece := await reader.read(65_536):
                after += len(piece)
    finally:
        writer.close()
    assert after < 1_000_000


async def test_participants_of_the_meeting_hear_it_and_others_do_not(stack: Stack, mp3: str) -> None:
    opened, other = await stack.opened("audible"), await stack.opened("elsewhere")
    ours = await stack.http.get(mp3, headers=bearer(opened["participant"]["token"]))
    theirs = await stack.http.get(mp3, headers=bearer(other["participant"]["token"]))
    assert (ours.status_code, theirs.status_code) == (200, 404)
    assert (await stack.http.get(mp3)).status_code == 401


@given(header=st.from_regex(r"\A(bytes=)?[0-9]{0,4}-[0-9]{0,4}(,[0-9]{0,2}-)?\Z"), size=st.integers(0, 2000))
def test_a_range_always_lies_within_the_file(header: str, size: int) -> None:
    try:
        part = parse_range(header, size)
    except OutOfRange:
        return
    assert part is None or 0 <= part.first <= part.last < size
