"""Live events: replay then live without a gap, one snapshot after the other, and slow listeners who hurt nobody."""

import asyncio
import socket

import pytest
from assent.consent.v1 import consent_events_pb2
from assent.recording.v1 import recording_events_pb2, recording_pb2
from assent.transcript.v1 import transcript_events_pb2, transcript_pb2
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from gateway import sockets
from gateway.transcript_feed import TooSlow
from tests.eventually import eventually
from tests.gateway.conftest import Stack, bearer
from tests.gateway.watching import append, heard, publish, segment, watching


def counted(denied: int, unanswered: int) -> dict[str, int]:
    """How the meeting of one person stands."""
    numbers = {"present": 1, "granted": 0, "denied": denied, "unanswered": unanswered}
    return {**numbers, "dial_in": 0, "unidentified": 0}


async def test_every_kind_of_event_has_its_shape(stack: Stack, transcript: str) -> None:
    append(stack, transcript, status=transcript_pb2.TRANSCRIPT_STATUS_PROCESSING)
    append(stack, transcript, progress=transcript_pb2.Progress(percent=12.5, seconds_left=30))
    append(stack, transcript, **segment(1))
    append(stack, transcript, duration_ms=35_000)
    append(stack, transcript, waveform=transcript_pb2.Waveform(peaks=[0.0, 0.5]))
    append(stack, transcript, audio_deleted=True)
    async with watching(stack, f"/v1/transcripts/{transcript}/events", stack.issuer.token("owner-demo")) as live:
        assert live.subprotocol == "assent.v1"
        assert [await heard(live) for _ in range(6)] == [
            ("STATUS", {"status": "processing"}),
            ("PROGRESS", {"percent": 12.5, "seconds_left": 30.0}),
            (
                "TRANSCRIPT",
                {
                    "start_ms": 1,
                    "end_ms": 2,
                    "text": "word1",
                    "words": [{"text": "word1", "start_ms": 1, "end_ms": 2}],
                },
            ),
            ("DURATION", {"duration_ms": 35_000}),
            ("WAVEFORM", {}),
            ("AUDIO_DELETED", {}),
        ]


async def test_a_meeting_shows_counts_and_recordings_as_they_change(stack: Stack) -> None:
    opened = await stack.opened("watched")
    meeting, token = opened["meeting"]["id"], opened["participant"]["token"]
    async with watching(stack, f"/v1/meetings/{meeting}/events", token) as live:
        assert await heard(live) == ("CONSENT", {"counts": counted(denied=0, unanswered=1)})
        await stack.http.post(f"/v1/meetings/{meeting}/consent", json={"consent_given": False}, headers=bearer(token))
        await stack.bus.publish(consent_events_pb2.AnswerSubmitted(meeting_id=meeting))
        assert await heard(live) == ("CONSENT", {"counts": counted(denied=1, unanswered=0)})
        recording = recording_pb2.Recording(
            recording_id="r-watched",
            meeting_ids=[meeting],
            state=recording_pb2.RECORDING_STATE_TRANSCRIBING,
            object_key="secret-key",
            transcript_id="t9",
        )
        recording.recorded_at.FromJsonString("2026-11-22T10:00:00Z")
        stack.backend.recordings["r-watched"] = recording
        changed = recording_events_pb2.RecordingStateChanged(recording_id="r-watched", meeting_ids=[meeting])
        await stack.bus.publish(changed)
        name, data = await heard(live)
        assert (name, data["recording"]) == (
            "RECORDING",
            {
                "id": "r-watched",
                "meeting_id": meeting,
                "state": "transcribing",
                "reason": "",
                "transcript_id": "t9",
                "recorded_at": "2026-11-22T10:00:00Z",
                "erased_at": None,
                "blocked_until": None,
            },
        )
        recording.state = recording_pb2.RECORDING_STATE_ERASED
        await stack.bus.publish(changed)
        assert (await heard(live))[1]["recording"]["state"] == "erased"


async def test_whoever_comes_later_sees_the_meeting_as_it_is_now(stack: Stack) -> None:
    opened = await stack.opened("latecomers")
    meeting, token = opened["meeting"]["id"], opened["participant"]["token"]
    path = f"/v1/meetings/{meeting}/events"
    async with watching(stack, path, token) as first:
        assert (await heard(first))[1]["counts"]["denied"] == 0
        # No event tells of it: NATS was away.
        await stack.http.post(f"/v1/meetings/{meeting}/consent", json={"consent_given": False}, headers=bearer(token))
        async with watching(stack, path, stack.issuer.token("owner-demo")) as second:
            assert (await heard(second))[1]["counts"]["denied"] == 1
            assert (await heard(first))[1]["counts"]["denied"] == 1


async def test_a_token_in_the_header_does_too(stack: Stack, transcript: str) -> None:
    append(stack, transcript, status=transcript_pb2.TRANSCRIPT_STATUS_QUEUED)
    address = f"{stack.url.replace('http', 'ws', 1)}/v1/transcripts/{transcript}/events"
    async with connect(address, additional_headers=stack.owner(), proxy=None) as live:
        assert await heard(live) == ("STATUS", {"status": "queued"})


async def test_whoever_may_not_listen_is_told_so_in_the_way_they_can_read(stack: Stack, transcript: str) -> None:
    here, there = await stack.opened("here-live"), await stack.opened("there-live")
    meeting = f"/v1/meetings/{here['meeting']['id']}/events"
    path = f"/v1/transcripts/{transcript}/events"
    stranger = stack.issuer.token("owner-2")
    for place, token, status in [
        (path, "nonsense", 401),
        (path, stack.issuer.token("owner-demo", expires_in=-5), 401),
        (path, stranger, 404),
        (path, there["participant"]["token"], 404),
        (path.replace(transcript, "never-was"), stranger, 404),
        (meeting, there["participant"]["token"], 403),
        (meeting, stranger, 404),
    ]:
        async with watching(stack, place, token) as live:
            with pytest.raises(ConnectionClosed) as closed:
                await live.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4000 + status
        address = stack.url.replace("http", "ws", 1) + place
        with pytest.raises(InvalidStatus) as refused:
            async with connect(address, additional_headers=bearer(token), proxy=None):
                pass
        assert refused.value.response.status_code == status
        assert b'"reason"' in refused.value.response.body
    with pytest.raises(InvalidStatus, match="401"):
        async with connect(stack.url.replace("http", "ws", 1) + path, proxy=None):
            pass


async def test_pages_of_another_origin_may_not_connect(stack: Stack, transcript: str) -> None:
    path, token = f"/v1/transcripts/{transcript}/events", stack.issuer.token("owner-demo")
    for origin in ("https://evil.example.org", "null", stack.url + ".evil.example.org"):
        with pytest.raises(InvalidStatus, match="403"):
            async with watching(stack, path, token, origin=origin):
                pass
    append(stack, transcript, status=transcript_pb2.TRANSCRIPT_STATUS_QUEUED)
    async with watching(stack, path, token, origin=stack.url) as live:
        assert (await heard(live))[0] == "STATUS"


async def test_a_socket_ends_when_its_token_does(stack: Stack, transcript: str) -> None:
    token = stack.issuer.token("owner-demo", expires_in=4)
    async with watching(stack, f"/v1/transcripts/{transcript}/events", token) as live:
        with pytest.raises(ConnectionClosed) as closed:
            async with asyncio.timeout(20):
                await live.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401


async def test_a_listener_who_takes_nothing_is_not_kept_for_ever(stack: Stack, transcript: str) -> None:
    feed = stack.app.state.parts.transcript_feed
    append(stack, transcript, **segment(1))
    events = feed.follow(transcript)
    await anext(events)
    for number in range(2, 1000):
        event = append(stack, transcript, **segment(number))
        await feed.on_event(transcript_events_pb2.TranscriptEventAppended(event=event))
    with pytest.raises(TooSlow):
        await anext(events)


async def test_a_slow_listener_is_dropped_and_hurts_nobody(
    stack: Stack, transcript: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "_SEND_SECONDS", 2.0)
    path = f"/v1/transcripts/{transcript}/events"
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.connect(("127.0.0.1", int(stack.url.rpartition(":")[2])))
    slow_token = stack.issuer.token("owner-demo")
    # It stops reading after a few messages, as a phone in a tunnel would.
    async with (
        watching(stack, path, stack.issuer.token("owner-demo")) as quick,
        watching(stack, path, slow_token, sock=narrow, max_queue=1, ping_interval=None) as slow,
    ):
        big = {"segment": transcript_pb2.Segment(start_ms=0, end_ms=1000, text="on and on " * 4000)}
        for _ in range(400):
            await publish(stack, append(stack, transcript, **big))
            assert (await heard(quick))[0] == "TRANSCRIPT"

        async def is_dropped() -> bool:
            counted = (await stack.http.get("/metrics")).text
            return 'assent_gateway_sockets_dropped_total{feed="transcript"} 1.0' in counted

        await eventually(is_dropped)
        slow.transport.abort()

    async def nobody_is_left() -> bool:
        return 'assent_gateway_sockets{feed="transcript"} 0.0' in (await stack.http.get("/metrics")).text

    await eventually(nobody_is_left)
