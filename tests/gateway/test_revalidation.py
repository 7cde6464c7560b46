"""Who has something already is told so instead of being sent it again, and never what they may not have."""

import json

import pytest

from tests.gateway.conftest import Stack, bearer
from tests.gateway.vault import Vault, made

KEPT = {
    "/v1/meetings/{meeting_id}": "private, no-cache",
    "/v1/recordings/{recording_id}": "private, no-cache",
    "/v1/transcripts/{transcript_id}": "private, no-cache",
    "/v1/transcripts/{transcript_id}/text": "private, no-cache",
    "/v1/transcripts/{transcript_id}/text?format=vtt": "private, no-cache",
    "/v1/transcripts/{transcript_id}/audio/waveform": "no-store",
}


@pytest.fixture
async def vault(stack: Stack) -> Vault:
    return await made(stack)


@pytest.mark.parametrize("path", KEPT)
async def test_what_is_unchanged_is_not_sent_again(stack: Stack, vault: Vault, path: str) -> None:
    place, owner = path.format(**vault.ids), stack.owner()
    first = await stack.http.get(place, headers=owner)
    assert first.status_code == 200
    etag = first.headers["etag"]
    assert first.headers["cache-control"] == KEPT[path]
    for named in (etag, f"W/{etag}", f'"another", {etag}', "*"):
        again = await stack.http.get(place, headers={**owner, "If-None-Match": named})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
        assert again.headers["cache-control"] == KEPT[path]
        assert again.headers["x-request-id"]
    for named in ('"another"', etag.strip('"'), "", "nonsense"):
        anew = await stack.http.get(place, headers={**owner, "If-None-Match": named})
        assert (anew.status_code, anew.content, anew.headers["etag"]) == (200, first.content, etag)


async def test_a_change_changes_the_tag(stack: Stack, vault: Vault) -> None:
    place, owner = f"/v1/transcripts/{vault.ids['transcript_id']}", stack.owner()
    first = await stack.http.get(place, headers=owner)
    asked = {**owner, "If-None-Match": first.headers["etag"]}
    assert (await stack.http.get(place, headers=asked)).status_code == 304
    changed = await stack.http.patch(f"{place}/segments/0", json={"text": "what was meant"}, headers=owner)
    assert changed.status_code == 200
    again = await stack.http.get(place, headers=asked)
    assert (again.status_code, again.json()["segments"][0]["text"]) == (200, "what was meant")
    assert again.headers["etag"] != first.headers["etag"]


async def test_what_only_the_owner_sees_has_a_tag_of_its_own(stack: Stack, vault: Vault) -> None:
    place = f"/v1/meetings/{vault.ids['meeting_id']}"
    owners = await stack.http.get(place, headers=stack.owner())
    theirs = await stack.http.get(place, headers=bearer(vault.token))
    assert owners.json()["host_room_url"] != theirs.json()["host_room_url"]
    assert owners.headers["etag"] != theirs.headers["etag"]


@pytest.mark.parametrize("path", KEPT)
async def test_whoever_may_not_see_it_is_not_told_that_it_is_unchanged(stack: Stack, vault: Vault, path: str) -> None:
    place = path.format(**vault.ids)
    etag = (await stack.http.get(place, headers=stack.owner())).headers["etag"]
    for named in (etag, "*"):
        for headers, status in (({}, 401), (stack.owner("owner-2"), 404)):
            reply = await stack.http.get(place, headers={**headers, "If-None-Match": named})
            assert (reply.status_code, "etag" in reply.headers) == (status, False)


@pytest.mark.parametrize(
    ("reason", "status"), [("AUDIO_DELETED", 410), ("CONSENT_UNDECIDED", 409), ("SOMETHING_NEW", 409)]
)
@pytest.mark.parametrize("part", ["waveform", "mp3"])
async def test_d2_audio_that_may_not_be_heard_is_never_unchanged(
    stack: Stack, vault: Vault, part: str, reason: str, status: int
) -> None:
    place, owner = f"/v1/transcripts/{vault.ids['transcript_id']}/audio/{part}", stack.owner()
    etag = (await stack.http.get(place, headers=owner)).headers["etag"]
    stack.backend.withheld[vault.ids["transcript_id"]] = reason
    for named in (etag, f"W/{etag}", "*"):
        reply = await stack.http.get(place, headers={**owner, "If-None-Match": named})
        assert (reply.status_code, reply.json()["reason"]) == (status, reason)
        assert (reply.headers["cache-control"], "etag" in reply.headers) == ("no-store", False)


async def test_the_words_stay_when_the_audio_goes_and_say_so_in_a_new_tag(stack: Stack, vault: Vault) -> None:
    place, owner = f"/v1/transcripts/{vault.ids['transcript_id']}", stack.owner()
    etag = (await stack.http.get(place, headers=owner)).headers["etag"]
    stack.backend.transcripts[vault.ids["transcript_id"]].audio_deleted = True
    reply = await stack.http.get(place, headers={**owner, "If-None-Match": etag})
    assert (reply.status_code, reply.json()["audio_deleted"]) == (200, True)


async def test_a_wording_never_changes_and_is_kept(stack: Stack) -> None:
    notice = next(iter(stack.backend.notices.values()))
    reply = await stack.http.get(f"/v1/notices/{notice.hash}")
    assert reply.headers["cache-control"] == "public, max-age=31536000, immutable"
    unknown = await stack.http.get(f"/v1/notices/{'0' * 64}")
    assert (unknown.status_code, unknown.headers["cache-control"]) == (404, "no-store")


async def test_the_description_says_what_can_be_unchanged(stack: Stack) -> None:
    described = (await stack.http.get("/openapi.json")).json()["paths"]
    for path in {one.partition("?")[0] for one in KEPT}:
        operation = described[path]["get"]
        assert "content" not in operation["responses"]["304"]
        assert "ETag" in operation["responses"]["200"]["headers"]
        assert operation["responses"]["200"]["content"]
        assert "If-None-Match" in [one["name"] for one in operation["parameters"]]
    for method in ("get", "head"):
        asked_with = {
            one["name"] for one in described["/v1/transcripts/{transcript_id}/audio/mp3"][method]["parameters"]
        }
        assert asked_with == {"transcript_id", "Range", "If-Range", "If-Match", "If-None-Match"}
    assert "$ref" in json.dumps(described["/v1/transcripts/{transcript_id}"]["get"]["responses"]["200"])
