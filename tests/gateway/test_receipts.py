"""Receipts: whose they are, what their link opens, and that it opens nothing else."""

import base64
import hashlib
import json
from typing import Any

import jwt
import pytest
from assent.transcript.v1 import transcript_pb2
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from gateway.pages import WEB
from tests.gateway.conftest import PARTICIPANT_SECRET, Stack, bearer
from tests.gateway.forged import by_hand

TAKES_A_RECEIPT = {
    ("GET", "/v1/meetings/{meeting_id}/consent"),
    ("POST", "/v1/meetings/{meeting_id}/consent"),
    ("GET", "/v1/meetings/{meeting_id}/consent/receipt"),
}
ENGLISH = json.loads((WEB / "texts/en.json").read_text())


async def answered(stack: Stack, room: str, given: bool = True) -> tuple[str, dict[str, str]]:
    """A meeting in which somebody has answered, and their headers."""
    opened = await stack.opened(room)
    meeting, who = opened["meeting"]["id"], bearer(opened["participant"]["token"])
    await answer(stack, meeting, who, given)
    return meeting, who


async def answer(stack: Stack, meeting: str, who: dict[str, str], given: bool) -> dict[str, Any]:
    body = {"consent_given": given, "notice_version": ENGLISH["notice_version"], "language": "en"}
    reply = await stack.http.post(f"/v1/meetings/{meeting}/consent", json=body, headers=who)
    assert reply.status_code == 200, reply.text
    stored: dict[str, Any] = reply.json()
    return stored


async def receipt(stack: Stack, meeting: str, who: dict[str, str]) -> dict[str, Any]:
    reply = await stack.http.get(f"/v1/meetings/{meeting}/consent/receipt", headers=who)
    assert reply.status_code == 200, reply.text
    got: dict[str, Any] = reply.json()
    return got


async def link_of(stack: Stack, meeting: str, who: dict[str, str]) -> dict[str, str]:
    """Headers with the token of a receipt's link."""
    url = (await receipt(stack, meeting, who))["change_url"]
    assert url.startswith(f"{stack.url}/consent/")
    return bearer(url.removeprefix(f"{stack.url}/consent/"))


async def test_a_receipt_is_signed_and_says_what_was_stored(stack: Stack) -> None:
    meeting, who = await answered(stack, "receipts", given=False)
    reply = await stack.http.get(f"/v1/meetings/{meeting}/consent/receipt", headers=who)
    assert (reply.status_code, reply.headers["cache-control"]) == (200, "no-store")
    got = reply.json()
    public = stack.backend.receipt_key.public_key()
    signed = json.loads(jwt.api_jws.decode(got["jws"], public, algorithms=["EdDSA"]))
    assert signed == got["receipt"]
    assert signed["meeting"]["meeting_id"] == meeting
    assert (signed["event"]["answer"], signed["event"]["revision"]) == ("denied", 1)
    assert signed["pii_processing"]["withdrawal_method"]["url"] == got["change_url"]


async def test_a_program_gets_the_signature_alone(stack: Stack) -> None:
    meeting, who = await answered(stack, "bare-receipts")
    path = f"/v1/meetings/{meeting}/consent/receipt"
    bare = await stack.http.get(path, headers={**who, "Accept": "application/jose"})
    assert (bare.headers["content-type"], bare.headers["cache-control"]) == ("application/jose", "no-store")
    assert bare.headers["vary"] == "Accept"
    assert bare.text.count(".") == 2
    jwt.api_jws.decode(bare.text, stack.backend.receipt_key.public_key(), algorithms=["EdDSA"])


async def test_before_any_answer_there_is_none(stack: Stack) -> None:
    opened = await stack.opened("unanswered-receipts")
    path = f"/v1/meetings/{opened['meeting']['id']}/consent/receipt"
    for who in (bearer(opened["participant"]["token"]), stack.owner()):
        reply = await stack.http.get(path, headers=who)
        assert (reply.status_code, reply.json()["reason"]) == (404, "ANSWER_NOT_FOUND")
    assert (await stack.http.get(path)).json()["reason"] == "TOKEN_MISSING"


async def test_an_earlier_answer_has_its_receipt_too(stack: Stack) -> None:
    meeting, who = await answered(stack, "revised")
    await answer(stack, meeting, who, given=False)
    path = f"/v1/meetings/{meeting}/consent/receipt"
    said = {
        revision: (await stack.http.get(path, params={"revision": revision}, headers=who)).json()["receipt"]
        for revision in (1, 2)
    }
    assert [said[revision]["event"]["answer"] for revision in (1, 2)] == ["granted", "denied"]
    assert (await receipt(stack, meeting, who))["receipt"] == said[2]
    missing = await stack.http.get(path, params={"revision": 3}, headers=who)
    assert (missing.status_code, missing.json()["reason"]) == (404, "ANSWER_NOT_FOUND")
    for wrong in ("0", "-1", "x", str(2**63)):
        reply = await stack.http.get(path, params={"revision": wrong}, headers=who)
        assert (reply.status_code, reply.json()["reason"]) == (422, "REQUEST_INVALID"), wrong


async def test_nobody_gets_somebody_elses_receipt(stack: Stack) -> None:
    meeting, _ = await answered(stack, "private-receipts")
    other = await stack.opened("private-receipts")
    path = f"/v1/meetings/{meeting}/consent/receipt"
    for who in (bearer(other["participant"]["token"]), stack.owner()):
        for params in ({}, {"revision": 1}):
            reply = await stack.http.get(path, params=params, headers=who)
            assert (reply.status_code, reply.json()["reason"]) == (404, "ANSWER_NOT_FOUND")
    stranger = stack.owner("stranger-9")
    theirs = await stack.http.get(path, headers=stranger)
    nothing = await stack.http.get("/v1/meetings/none/consent/receipt", headers=stranger)
    assert (theirs.status_code, theirs.json()["reason"]) == (404, "MEETING_NOT_FOUND")
    assert theirs.text.replace(meeting, "none") == nothing.text


async def test_somebody_signed_in_gets_the_receipt_of_their_own_answer(stack: Stack) -> None:
    opened = await stack.opened("signed-receipts")
    guest = stack.owner("guest-8")
    await stack.http.post("/v1/rooms/signed-receipts/meeting", headers=guest)
    meeting = opened["meeting"]["id"]
    await answer(stack, meeting, guest, given=True)
    link = await link_of(stack, meeting, guest)
    await answer(stack, meeting, link, given=False)
    seen = await stack.http.get(f"/v1/meetings/{meeting}/consent", headers=guest)
    assert seen.json()["answer"]["consent_given"] is False


async def test_the_link_shows_and_changes_the_answer_without_signing_in(stack: Stack) -> None:
    meeting, who = await answered(stack, "withdrawn")
    link = await link_of(stack, meeting, who)
    path = f"/v1/meetings/{meeting}/consent"
    assert (await stack.http.get(path, headers=link)).json()["answer"]["consent_given"] is True
    await answer(stack, meeting, link, given=False)
    assert (await stack.http.get(path, headers=who)).json()["answer"]["consent_given"] is False
    assert (await receipt(stack, meeting, link))["receipt"]["event"]["revision"] == 2
    participants = {one.participant_id for one in stack.backend.answers[meeting]}
    assert len(participants) == 1


async def test_the_link_stays_the_same(stack: Stack) -> None:
    meeting, who = await answered(stack, "stable")
    first = await receipt(stack, meeting, who)
    await answer(stack, meeting, who, given=False)
    again = await receipt(stack, meeting, await link_of(stack, meeting, who))
    assert again["change_url"] == first["change_url"]
    token = again["change_url"].rpartition("/")[2]
    claims = jwt.decode(token, PARTICIPANT_SECRET, ["HS256"], audience="assent-receipt", issuer="assent")
    assert claims.keys() == {"iss", "aud", "sub", "meeting_id"}


@pytest.mark.parametrize("kind", ["meetings", "transcripts"])
async def test_c4_a_receipts_link_follows_nothing(stack: Stack, kind: str) -> None:
    meeting, who = await answered(stack, "unfollowed")
    stack.backend.transcripts["t-unfollowed"] = transcript_pb2.Transcript(
        transcript_id="t-unfollowed", meeting_ids=[meeting]
    )
    link = await link_of(stack, meeting, who)
    followed = {"meetings": meeting, "transcripts": "t-unfollowed"}[kind]
    path = f"{stack.url.replace('http', 'ws')}/v1/{kind}/{followed}/events"
    async with connect(path, additional_headers=who, proxy=None):
        pass
    with pytest.raises(InvalidStatus) as refused:
        await connect(path, additional_headers=link, proxy=None)
    assert refused.value.response.status_code == 403


async def test_c4_a_receipts_link_is_for_its_meeting(stack: Stack) -> None:
    meeting, who = await answered(stack, "mine-alone")
    link = await link_of(stack, meeting, who)
    elsewhere, _ = await answered(stack, "not-mine")
    before = list(stack.backend.answers[elsewhere])
    for method, path in TAKES_A_RECEIPT:
        for other in (elsewhere, "no-such-meeting"):
            reply = await stack.http.request(
                method, path.format(meeting_id=other), headers=link, json={"consent_given": False}
            )
            assert (reply.status_code, reply.json()["reason"]) == (403, "OTHER_MEETING")
    assert stack.backend.answers[elsewhere] == before


async def test_c4_a_link_that_nobody_issued_opens_nothing(stack: Stack) -> None:
    meeting, who = await answered(stack, "forged-links")
    link = await link_of(stack, meeting, who)
    token = link["Authorization"].removeprefix("Bearer ")
    header, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    both = ["assent-participant", "assent-receipt"]
    forged = {
        "another person": by_hand({"alg": "HS256"}, {**claims, "sub": "somebody"}, "x" * 32),
        "no signature": by_hand({"alg": "none"}, claims),
        "cut": f"{header}.{payload}.{signature[:-2]}",
        "unknown kind": jwt.encode({**claims, "aud": "assent-export"}, PARTICIPANT_SECRET, "HS256"),
        "two kinds at once": jwt.encode({**claims, "aud": both}, PARTICIPANT_SECRET, "HS256"),
        "no meeting": jwt.encode(
            {name: value for name, value in claims.items() if name != "meeting_id"}, PARTICIPANT_SECRET, "HS256"
        ),
    }
    for name, one in forged.items():
        for method, path in TAKES_A_RECEIPT:
            reply = await stack.http.request(
                method, path.format(meeting_id=meeting), headers=bearer(one), json={"consent_given": False}
            )
            assert (name, reply.status_code, reply.json()["reason"]) == (name, 401, "TOKEN_INVALID")
    assert len(stack.backend.answers[meeting]) == 1


async def test_a_wording_is_retrieved_by_its_hash(stack: Stack) -> None:
    meeting, who = await answered(stack, "worded")
    digest = (await receipt(stack, meeting, who))["receipt"]["pii_processing"]["privacy_notice"]["hash"]
    reply = await stack.http.get(f"/v1/notices/{digest}")
    assert reply.headers["cache-control"] == "public, max-age=31536000, immutable"
    notice = reply.json()
    assert (notice["version"], notice["language"], notice["hash"]) == (ENGLISH["notice_version"], "en", digest)
    assert hashlib.sha256(notice["wording"].encode()).hexdigest() == digest
    texts = ENGLISH["consent"]
    assert json.loads(notice["wording"]) == {part: texts[part] for part in ("title", "notice", "grant", "deny")}


@pytest.mark.parametrize(
    ("digest", "reason"), [("0" * 64, "NOTICE_NOT_FOUND"), ("0" * 63, "NOT_FOUND"), ("A" * 64, "NOT_FOUND")]
)
async def test_a_wording_that_nobody_was_shown_is_not_found(stack: Stack, digest: str, reason: str) -> None:
    reply = await stack.http.get(f"/v1/notices/{digest}")
    assert (reply.status_code, reply.json()["reason"]) == (404, reason)
    assert reply.headers["cache-control"] == "no-store"


async def test_openapi_tells_what_comes(stack: Stack) -> None:
    paths = (await stack.http.get("/openapi.json")).json()["paths"]
    described = paths["/v1/meetings/{meeting_id}/consent/receipt"]["get"]
    assert described["responses"]["200"]["content"].keys() == {"application/json", "application/jose"}
    assert described["responses"].keys() == {"200", "401", "403", "404", "422", "503"}
    assert [(one["name"], one["required"]) for one in described["parameters"]] == [
        ("meeting_id", True),
        ("revision", False),
    ]
    notice = paths["/v1/notices/{hash}"]["get"]
    assert notice["responses"].keys() == {"200", "404", "503"}
    assert "security" not in notice


async def test_the_page_keeps_its_address_to_itself(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    meeting, who = await answered(stack, "secret-address")
    token = (await link_of(stack, meeting, who))["Authorization"].removeprefix("Bearer ")
    capsys.readouterr()
    page = await stack.http.get(f"/consent/{token}", headers={"Accept": "text/html"})
    assert (page.status_code, page.content) == (200, (WEB / "consent.html").read_bytes())
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["x-robots-tag"] == "noindex"
    for wrong in (f"/consent/{token}/more", f"/consent//{token}"):
        assert (await stack.http.get(wrong)).status_code == 404
    await stack.http.get(f"/v1/meetings/{meeting}/consent/receipt", headers=bearer(token))
    counted = (await stack.http.get("/metrics")).text
    logged = capsys.readouterr()
    assert "route=page" in logged.out + logged.err
    assert token not in logged.out + logged.err + counted


async def test_what_fails_on_the_page_is_logged_without_its_address(
    stack: Stack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.pages.WEB", WEB / "missing")
    reply = await stack.http.get("/consent/a-secret-token")
    assert reply.status_code == 500
    logged = capsys.readouterr()
    assert "request_failed" in logged.out + logged.err
    assert "a-secret-token" not in logged.out + logged.err
