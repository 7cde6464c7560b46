"""Recordings at the front door: where their copies lie, and the proof that they are gone."""

from assent.recording.v1 import recording_pb2

from tests.gateway.conftest import Stack


async def test_a_recording_shows_its_copies_and_its_proof(stack: Stack) -> None:
    copies = [
        recording_pb2.AudioCopy(
            kind=recording_pb2.COPY_KIND_MP3, bucket="b", key="k", state=recording_pb2.COPY_STATE_GONE
        )
    ]
    recording = recording_pb2.Recording(
        recording_id="r1",
        bucket="recordings",
        object_key="weekly-x.mp4",
        version_id="v1",
        owner_id="recorder",
        meeting_ids=["4711"],
        state=recording_pb2.RECORDING_STATE_ERASED,
        reason="SOMEBODY_REFUSED",
        copies=copies,
    )
    recording.erased_at.FromJsonString("2026-11-22T10:00:00.5Z")
    stack.backend.recordings["r1"] = recording
    owner = stack.owner("recorder")
    shown = (await stack.http.get("/v1/recordings/r1", headers=owner)).json()
    assert (shown["state"], shown["reason"], shown["meeting_id"]) == ("erased", "SOMEBODY_REFUSED", "4711")
    assert shown["copies"] == [{"kind": "mp3", "bucket": "b", "key": "k", "state": "gone"}]
    assert (shown["erased_at"], shown["recorded_at"]) == ("2026-11-22T10:00:00.500000Z", None)
    assert shown["blocked_until"] is None
    listed = await stack.http.get("/v1/recordings", params={"meeting_id": "4711"}, headers=owner)
    assert listed.json() == {"recordings": [shown], "next_page_token": ""}
    early = await stack.http.get("/v1/recordings/r1/certificate", headers=owner)
    assert (early.status_code, early.json()["reason"]) == (409, "NOT_ERASED")
    stack.backend.certificates["r1"] = "a.b.c"
    proof = await stack.http.get("/v1/recordings/r1/certificate", headers=owner)
    assert proof.json() == {"recording_id": "r1", "certificate": "a.b.c"}


async def test_d6_a_meetings_certificate_is_its_owners(stack: Stack) -> None:
    opened = await stack.opened("proven")
    path, owner = f"/v1/meetings/{opened['meeting']['id']}/certificate", stack.owner("owner-demo")
    early = await stack.http.get(path, headers=owner)
    assert (early.status_code, early.json()["reason"]) == (409, "NOT_ERASED")
    stack.backend.certificates[opened["meeting"]["id"]] = "a.b.c"
    proof = await stack.http.get(path, headers=owner)
    assert proof.json() == {"meeting_id": opened["meeting"]["id"], "certificate": "a.b.c"}
    theirs = {"Authorization": f"Bearer {opened['participant']['token']}"}
    assert (await stack.http.get(path, headers=theirs)).status_code in (401, 403)
