"""D6: what a certificate says, and that nobody can change it."""

import base64
import json
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from recording_svc.certificate import (
    TYPE,
    CertificateError,
    KeyFileError,
    Proof,
    Signer,
    is_of_meeting,
    key_id,
    verify,
    verify_meeting,
)
from recording_svc.domain.recordings import (
    Copy,
    CopyKind,
    CopyState,
    Grounds,
    Match,
    Recording,
    Revision,
    Transcription,
)
from recording_svc.remnants import Place, Remnant, RemnantKind, Sight
from tests.recording.surroundings import NOON


def proof(*remnants: Remnant) -> Proof:
    recording = Recording(
        "r-1", "bucket", "room.mp4", "v1", 5, NOON, match=Match(("meeting-1",), "owner-secret", NOON),
        transcription=Transcription(transcript_id="t-1"),
    )  # fmt: skip
    grounds = Grounds("SOMEBODY_REFUSED", NOON, (Revision("meeting-1", 3),), (Revision("meeting-1", 4),))
    removed = [Remnant(RemnantKind.VERSION, "bucket", "room.mp4", "v1", 5, NOON - timedelta(hours=1))]
    copies = [Copy("c", "r-1", CopyKind.SCRATCH, "instance-0", "r-1/audio.wav", CopyState.GONE, NOON)]
    return Proof(recording, grounds, removed, copies, [Sight(Place("bucket", "room.mp4", "v1"), NOON, remnants)], NOON)


def test_d6_it_names_objects_times_revisions_and_the_empty_listing(signing_key: Ed25519PrivateKey) -> None:
    statement = verify(Signer(signing_key).sign(proof()), signing_key.public_key())
    assert statement["object"]["version_id"] == "v1"
    assert statement["removed"] == [
        {"kind": "version", "bucket": "bucket", "key": "room.mp4", "version_id": "v1", "size_bytes": 5,
         "modified_at": "2026-11-22T11:00:00.000Z"}
    ]  # fmt: skip
    assert statement["grounds"]["refusals"] == [{"meeting_id": "meeting-1", "revision": 3}]
    assert statement["grounds"]["rests_on"] == [{"meeting_id": "meeting-1", "revision": 4}]
    assert [place["found"] for place in statement["listing"]] == [[]]
    assert statement["scratch"] == [
        {"instance": "instance-0", "path": "r-1/audio.wav", "wiped_at": "2026-11-22T12:00:00.000Z"}
    ]


def test_m5_it_says_whether_an_operator_named_the_meeting(signing_key: Ed25519PrivateKey) -> None:
    for by_hand in (False, True):
        recording = replace(proof().recording, match=replace(proof().recording.match, by_hand=by_hand))
        signed = Signer(signing_key).sign(replace(proof(), recording=recording))
        assert verify(signed, signing_key.public_key())["meetings_named_by_hand"] is by_hand


def test_d6_it_names_no_person(signing_key: Ed25519PrivateKey) -> None:
    assert "owner-secret" not in json.dumps(verify(Signer(signing_key).sign(proof()), signing_key.public_key()))


def test_d6_the_same_statement_is_the_same_bytes_and_names_its_key(signing_key: Ed25519PrivateKey) -> None:
    first, second = (Signer(signing_key).sign(proof()) for _ in range(2))
    assert first == second
    assert jwt.get_unverified_header(first) == {"alg": "EdDSA", "typ": TYPE, "kid": key_id(signing_key.public_key())}


def test_d6_one_changed_byte_is_noticed(signing_key: Ed25519PrivateKey) -> None:
    header, payload, signature = Signer(signing_key).sign(proof()).split(".")
    for position in range(0, len(payload), 41):
        other = "A" if payload[position] != "A" else "B"
        changed = payload[:position] + other + payload[position + 1 :]
        with pytest.raises(CertificateError):
            verify(f"{header}.{changed}.{signature}", signing_key.public_key())


def test_d6_another_key_does_not_verify(signing_key: Ed25519PrivateKey) -> None:
    another = Ed25519PrivateKey.generate()
    with pytest.raises(CertificateError, match=f"signed with key {key_id(another.public_key())}, which was not given"):
        verify(Signer(another).sign(proof()), signing_key.public_key())


def test_d6_a_key_that_says_it_is_another_does_not_verify(signing_key: Ed25519PrivateKey) -> None:
    header = Signer(signing_key).sign(proof()).partition(".")[0]
    _, payload, signature = Signer(Ed25519PrivateKey.generate()).sign(proof()).split(".")
    with pytest.raises(CertificateError, match="does not hold"):
        verify(f"{header}.{payload}.{signature}", signing_key.public_key())


def test_d6_the_key_is_the_one_that_the_certificate_names(signing_key: Ed25519PrivateKey) -> None:
    old, keys = Ed25519PrivateKey.generate(), [Ed25519PrivateKey.generate().public_key(), signing_key.public_key()]
    certificate = Signer(old).sign(proof())
    assert verify(certificate, *keys, old.public_key()) == verify(certificate, old.public_key(), *keys)
    with pytest.raises(CertificateError, match="give its public half with --key"):
        verify(certificate, *keys)
    erased = replace(proof().recording, certificate=certificate, erased_at=NOON)
    of_meeting = Signer(signing_key).sign_meeting("meeting-1", [erased], NOON)
    assert verify_meeting(of_meeting, [certificate], *keys, old.public_key())["meeting_id"] == "meeting-1"
    with pytest.raises(CertificateError, match=f"key {key_id(old.public_key())}, which was not given"):
        verify_meeting(of_meeting, [certificate], *keys)


@pytest.mark.parametrize("header", [b"[" * 100_000, b"[]", b'{"alg":"EdDSA","kid":5}', b"{", b"\xff"])
def test_d6_what_is_no_certificate_is_refused(signing_key: Ed25519PrivateKey, header: bytes) -> None:
    _, payload, signature = Signer(signing_key).sign(proof()).split(".")
    certificate = f"{base64.urlsafe_b64encode(header).decode().rstrip('=')}.{payload}.{signature}"
    assert not is_of_meeting(certificate)
    with pytest.raises(CertificateError, match=r"no erasure certificate|no compact JWS"):
        verify(certificate, signing_key.public_key())


def test_d6_a_key_is_named_without_harm_to_a_terminal(signing_key: Ed25519PrivateKey) -> None:
    headers = {"kid": "\x1b[2J\nVALID: r-1", "typ": TYPE}
    forged = jwt.api_jws.encode(b"{}", signing_key, algorithm="EdDSA", headers=headers)
    with pytest.raises(CertificateError) as raised:
        verify(forged, signing_key.public_key())
    assert str(raised.value).isprintable()


def test_d6_another_kind_of_token_of_the_same_key_is_none(signing_key: Ed25519PrivateKey) -> None:
    token = jwt.encode({"sub": "anybody"}, signing_key, algorithm="EdDSA")
    with pytest.raises(CertificateError, match="no erasure certificate"):
        verify(token, signing_key.public_key())


def test_d5_a_listing_that_is_not_empty_is_no_proof(signing_key: Ed25519PrivateKey) -> None:
    left = Remnant(RemnantKind.VERSION, "bucket", "room.mp4", "v1", 5, NOON)
    with pytest.raises(CertificateError, match="not empty"):
        verify(Signer(signing_key).sign(proof(left)), signing_key.public_key())


def test_d6_a_meetings_certificate_names_all_of_its_recordings_by_their_own(signing_key: Ed25519PrivateKey) -> None:
    signer, key = Signer(signing_key), signing_key.public_key()
    one = replace(proof().recording, certificate=signer.sign(proof()), erased_at=NOON)
    later = replace(proof(), recording=replace(proof().recording, recording_id="r-2"))
    two = replace(later.recording, certificate=signer.sign(later), discovered_at=NOON + timedelta(hours=1))
    certificate = signer.sign_meeting("meeting-1", [two, one], NOON)
    statement = verify_meeting(certificate, [two.certificate, one.certificate], key)
    assert [recording["recording_id"] for recording in statement["recordings"]] == ["r-1", "r-2"]
    assert "owner-secret" not in json.dumps(statement)
    assert (is_of_meeting(certificate), is_of_meeting(one.certificate), is_of_meeting("nothing")) == (
        True,
        False,
        False,
    )
    with pytest.raises(CertificateError, match="missing: the certificates of recordings r-2"):
        verify_meeting(certificate, [one.certificate], key)
    other = signer.sign(replace(proof(), issued_at=NOON + timedelta(hours=1)))
    with pytest.raises(CertificateError, match="not the one that the meeting's names"):
        verify_meeting(certificate, [other, two.certificate], key)
    with pytest.raises(CertificateError, match="no erasure certificate of this kind"):
        verify(certificate, key)
    with pytest.raises(CertificateError, match="no erasure certificate of this kind"):
        verify_meeting(one.certificate, [], key)
    for erased in ([], [one, replace(two, certificate="")]):
        with pytest.raises(ValueError, match="not erased"):
            signer.sign_meeting("meeting-1", erased, NOON)


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    key = generate_private_key(SECP256R1())
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(KeyFileError, match="Ed25519"):
        Signer.load(path)


def pem(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def checked(*arguments: Path | str) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "recording_svc", "certificate", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin"})
    return done.returncode, done.stdout, done.stderr


def test_d6_certificates_from_before_and_after_a_change_of_the_key_are_verified_together(
    signing_key: Ed25519PrivateKey, tmp_path: Path
) -> None:
    old, keys = Ed25519PrivateKey.generate(), tmp_path / "keys"
    keys.mkdir()
    (keys / "2025.pem").write_bytes(pem(old))
    (keys / "2026.pem").write_bytes(pem(signing_key))
    (keys / "README").write_text("no key")
    of_recording, of_meeting = tmp_path / "recording.jws", tmp_path / "meeting.jws"
    of_recording.write_text(Signer(old).sign(proof()))
    erased = replace(proof().recording, certificate=of_recording.read_text(), erased_at=NOON)
    of_meeting.write_text(Signer(signing_key).sign_meeting("meeting-1", [erased], NOON))
    both = ("--key", keys / "2025.pem", "--key", keys / "2026.pem")
    for given in (both, ("--key", keys), ("--key", keys / "2026.pem", "--key", keys / "2025.pem")):
        code, _, told = checked(of_meeting, of_recording, *given)
        assert (code, told) == (0, "VALID: meeting meeting-1: 1 recordings were found gone\n")
    code, out, told = checked(of_meeting, of_recording, "--key", keys / "2026.pem")
    missing = f"signed with key {key_id(old.public_key())}, which was not given: give its public half with --key"
    assert (code, out, told) == (1, "", f"NOT VALID: {missing}\n")


def test_d6_a_key_that_cannot_be_read_says_nothing_about_the_certificate(
    signing_key: Ed25519PrivateKey, tmp_path: Path
) -> None:
    certificate, encrypted, empty = tmp_path / "c.jws", tmp_path / "encrypted.pem", tmp_path / "empty"
    certificate.write_text(Signer(signing_key).sign(proof()))
    empty.mkdir()
    secret = BestAvailableEncryption(b"secret")
    encrypted.write_bytes(signing_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, secret))
    for key, why in ((encrypted, "encrypted"), (empty, "*.pem"), (certificate, "holds no key in PEM")):
        code, out, told = checked(certificate, "--key", key)
        assert (code, out) == (2, ""), told
        assert why in told
        assert "nothing was verified" in told
        assert "Traceback" not in told
    with pytest.raises(KeyFileError, match="unencrypted"):
        Signer.load(encrypted)


def test_d6_it_is_verified_offline_by_a_command(signing_key: Ed25519PrivateKey, tmp_path: Path) -> None:
    certificate, key = tmp_path / "certificate.jws", tmp_path / "public.pem"
    certificate.write_text(Signer(signing_key).sign(proof()) + "\n")
    key.write_bytes(signing_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    command = [sys.executable, "-m", "recording_svc", "certificate", str(certificate), "--key", str(key)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin"})
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["recording_id"] == "r-1"
    of_meeting = tmp_path / "meeting.jws"
    erased = replace(proof().recording, certificate=Signer(signing_key).sign(proof()))
    of_meeting.write_text(Signer(signing_key).sign_meeting("meeting-1", [erased], NOON))
    command.insert(4, str(of_meeting))
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin"})
    assert (done.returncode, done.stderr) == (0, "VALID: meeting meeting-1: 1 recordings were found gone\n")
    command.pop(4)
    certificate.write_text(Signer(Ed25519PrivateKey.generate()).sign(proof()))
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin"})
    assert (done.returncode, done.stdout) == (1, "")
    assert "NOT VALID" in done.stderr
    key.unlink()
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin"})
    assert done.returncode == 2
    assert "cannot read" in done.stderr
    assert "NOT VALID" not in done.stderr
