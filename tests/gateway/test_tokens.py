"""Who is believed to be who, and that what is somebody else's is like what never was."""

import time

import httpx
import jwt
import pytest
from assent.recording.v1 import recording_pb2
from assent.transcript.v1 import transcript_pb2

from chassis.errors import Unauthenticated, Unavailable
from gateway.keys import KeySet
from gateway.tokens import Participant, ReceiptHolder, SignedIn, Tokens
from tests.gateway.conftest import PARTICIPANT_SECRET, Stack, bearer
from tests.gateway.issuer import AUDIENCE, URL, Issuer


@pytest.mark.parametrize("key_id", ["rs256", "es256", "eddsa"])
async def test_the_three_pinned_algorithms_are_taken(stack: Stack, key_id: str) -> None:
    token = stack.issuer.token("owner-demo", key_id=key_id)
    assert (await stack.http.get("/v1/rooms", headers=bearer(token))).status_code == 200


async def test_an_expired_token_says_so(stack: Stack) -> None:
    reply = await stack.http.get("/v1/rooms", headers=bearer(stack.issuer.token("owner-demo", expires_in=-1)))
    assert (reply.status_code, reply.json()["reason"]) == (401, "TOKEN_EXPIRED")


async def test_a_participant_of_another_meeting_learns_nothing_about_this_one(stack: Stack) -> None:
    here, there = await stack.opened("here"), await stack.opened("there")
    token = bearer(there["participant"]["token"])
    for suffix in ("", "/consent"):
        known = await stack.http.get(f"/v1/meetings/{here['meeting']['id']}{suffix}", headers=token)
        unknown = await stack.http.get(f"/v1/meetings/no-such-meeting{suffix}", headers=token)
        assert (known.status_code, known.json()) == (403, unknown.json())
        assert known.json()["reason"] == "OTHER_MEETING"
    path = f"/v1/meetings/{here['meeting']['id']}/consent"
    assert (await stack.http.post(path, json={"consent_given": True}, headers=token)).status_code == 403
    assert stack.backend.answers[here["meeting"]["id"]] == []


async def test_what_is_somebody_elses_is_like_what_never_was(stack: Stack) -> None:
    opened = await stack.opened("mine")
    stack.backend.recordings["r-mine"] = recording_pb2.Recording(
        recording_id="r-mine", owner_id="owner-demo", meeting_ids=[opened["meeting"]["id"]]
    )
    stack.backend.recordings["r-nobodys"] = recording_pb2.Recording(recording_id="r-nobodys")
    stack.backend.transcripts["t-mine"] = transcript_pb2.Transcript(
        transcript_id="t-mine", owner_id="owner-demo", meeting_ids=[opened["meeting"]["id"]]
    )
    other = stack.owner("owner-2")
    for path, mine in [
        ("/v1/rooms/{}", "mine"),
        ("/v1/rooms/{}/meetings", "mine"),
        ("/v1/meetings/{}", opened["meeting"]["id"]),
        ("/v1/meetings/{}/consent", opened["meeting"]["id"]),
        ("/v1/meetings/{}/consent/history", opened["meeting"]["id"]),
        ("/v1/meetings/{}/certificate", opened["meeting"]["id"]),
        ("/v1/recordings/{}", "r-mine"),
        ("/v1/recordings/{}", "r-nobodys"),
        ("/v1/recordings/{}/certificate", "r-mine"),
        ("/v1/transcripts/{}", "t-mine"),
        ("/v1/transcripts/{}/text", "t-mine"),
        ("/v1/transcripts/{}/audio/mp3", "t-mine"),
    ]:
        theirs = await stack.http.get(path.format(mine), headers=other)
        nothing = await stack.http.get(path.format("never-was"), headers=other)
        assert theirs.status_code == nothing.status_code == 404, path
        assert theirs.text.replace(mine, "never-was") == nothing.text
    for request in [("DELETE", "/v1/transcripts/t-mine"), ("DELETE", "/v1/rooms/mine")]:
        assert (await stack.http.request(*request, headers=other)).status_code == 404
    for path in ("/v1/rooms", "/v1/recordings", "/v1/transcripts"):
        listed = (await stack.http.get(path, headers=other)).json()
        assert listed[path.rpartition("/")[2]] == []
    assert "t-mine" in stack.backend.transcripts


async def test_a_participant_may_not_do_what_is_the_owners(stack: Stack) -> None:
    opened = await stack.opened("guests")
    token = bearer(opened["participant"]["token"])
    for method, path in [
        ("GET", "/v1/rooms"),
        ("DELETE", "/v1/rooms/guests"),
        ("GET", f"/v1/meetings/{opened['meeting']['id']}/consent/history"),
        ("GET", "/v1/recordings"),
        ("DELETE", "/v1/transcripts/t1"),
    ]:
        reply = await stack.http.request(method, path, headers=token)
        assert (reply.status_code, reply.json()["reason"]) == (403, "OWNER_ONLY")


async def test_opening_again_with_a_token_keeps_the_same_person(stack: Stack) -> None:
    opened = await stack.opened("reload")
    token = opened["participant"]["token"]
    again = (await stack.http.post("/v1/rooms/reload/meeting", headers=bearer(token))).json()
    other = (await stack.http.post("/v1/rooms/reload/meeting")).json()
    assert again["participant"]["id"] == opened["participant"]["id"] != other["participant"]["id"]
    claims = jwt.decode(token, PARTICIPANT_SECRET, ["HS256"], audience="assent-participant", issuer="assent")
    assert claims.keys() == {"iss", "aud", "sub", "meeting_id", "iat"}
    assert (claims["sub"], claims["meeting_id"]) == (opened["participant"]["id"], opened["meeting"]["id"])
    bad = await stack.http.post("/v1/rooms/reload/meeting", headers=bearer("nonsense"))
    assert bad.status_code == 401


async def test_the_hosts_address_is_for_the_owner_alone(stack: Stack) -> None:
    opened = await stack.opened("hosted")
    path = f"/v1/meetings/{opened['meeting']['id']}"
    assert opened["meeting"]["host_room_url"] is None
    guest = await stack.http.get(path, headers=bearer(opened["participant"]["token"]))
    assert guest.json()["host_room_url"] is None
    signed_in_guest = await stack.http.post("/v1/rooms/hosted/meeting", headers=stack.owner("somebody"))
    assert signed_in_guest.json()["meeting"]["host_room_url"] is None
    owner = await stack.http.get(path, headers=stack.owner())
    assert owner.json()["host_room_url"].endswith("roomKey=host")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_keys_are_fetched_once_again_for_an_unknown_kid_and_kept_while_the_issuer_is_away() -> None:
    issuer, clock = Issuer(), Clock()
    transport = httpx.ASGITransport(issuer.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://issuer") as http:
        keys = KeySet(http, "/jwks.json", least=10, longest=3600, clock=clock)
        tokens = Tokens(keys, issuer=URL, audience=AUDIENCE, participant_secrets=[PARTICIPANT_SECRET])
        issuer.is_away = True
        with pytest.raises(Unavailable):
            await tokens.identify(issuer.token("a"))
        issuer.is_away = False
        clock.now += 11
        for subject in "abc":
            assert isinstance(await tokens.identify(issuer.token(subject)), SignedIn)
        assert issuer.asked == 2
        issuer.add_key("new", "ES256")
        with pytest.raises(Unauthenticated):  # asked a moment ago: not every made-up kid may be a request
            await tokens.identify(issuer.token("a", key_id="new"))
        clock.now += 11
        assert isinstance(await tokens.identify(issuer.token("a", key_id="new")), SignedIn)
        assert issuer.asked == 3
        issuer.is_away = True
        clock.now += 4000
        assert isinstance(await tokens.identify(issuer.token("d", key_id="new")), SignedIn)
        assert issuer.asked == 4


async def test_a_verified_token_is_remembered_until_it_expires() -> None:
    issuer, clock = Issuer(), Clock()
    clock.now = time.time()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(issuer.app), base_url="http://issuer") as http:
        keys = KeySet(http, "/jwks.json")
        tokens = Tokens(keys, issuer=URL, audience=AUDIENCE, participant_secrets=[PARTICIPANT_SECRET], clock=clock)
        token = issuer.token("a")
        first = await tokens.identify(token)
        assert await tokens.identify(token) is first
        assert isinstance(await tokens.identify(tokens.issue("4711", "p1")), Participant)
        clock.now = first.expires_at
        assert tokens.remembered(token) is None
        assert await tokens.identify(token) is not first, "verified again, by its own time"


async def test_tokens_of_the_secret_before_stay_good_while_it_is_listed() -> None:
    async with httpx.AsyncClient() as http:

        def tokens(*secrets: str) -> Tokens:
            return Tokens(KeySet(http, "/jwks.json"), issuer=URL, audience=AUDIENCE, participant_secrets=secrets)

        old, new = "an old secret of 32 bytes or more", "a new secret of 32 bytes or more"
        token, link = tokens(old).issue("4711", "p1"), tokens(old).issue_receipt("4711", "p1")
        rotated = tokens(new, old)
        assert await rotated.identify(token) == Participant("4711", "p1")
        assert await rotated.identify(link) == ReceiptHolder("4711", "p1")
        assert await tokens(new).identify(rotated.issue("4711", "p2")) == Participant("4711", "p2"), "the first signs"
        with pytest.raises(Unauthenticated, match="not valid"):
            await tokens(new).identify(token)


async def test_another_claim_may_say_who_somebody_is() -> None:
    issuer = Issuer()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(issuer.app), base_url="http://issuer") as http:
        keys, secrets = KeySet(http, "/jwks.json"), [PARTICIPANT_SECRET]
        tokens = Tokens(keys, issuer=URL, audience=AUDIENCE, subject_claim="oid", participant_secrets=secrets)
        assert (await tokens.identify(issuer.token("pairwise", oid="ana"))).participant_id == "ana"
        for unusable in ({}, {"oid": ""}, {"oid": 7}, {"oid": ["ana"]}, {"oid": "a" * 256}):
            with pytest.raises(Unauthenticated):
                await tokens.identify(issuer.token("ana", **unusable))
