"""The demo says that something was observed only where it was: each proof fails when its fact is not there."""

import io
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from deploy.demo import proofs as proofs_module
from deploy.demo.api import Assent, UnexpectedError, until
from deploy.demo.audio import Found, Places
from deploy.demo.proofs import Proofs
from deploy.demo.screen import Screen
from deploy.demo.words import word_error_rate
from deploy.local import Moto
from recording_svc.certificate import Proof, Signer
from recording_svc.domain.recordings import Copy, CopyKind, Grounds, Match, Recording, Revision
from recording_svc.remnants import Place, Remnant, RemnantKind, Sight

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
KEY = "planning-2026-11-22T11:00:00Z.mp4"
TRANSCRIPT = "/v1/transcripts/t1"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@dataclass
class World:
    """A gateway whose answers a test may bend, real buckets, a scratch folder, and a certificate's key."""

    s3: Any
    bucket: str
    places: Places
    older: frozenset[Found]
    folder: Path
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    grounds: Grounds = field(default_factory=lambda: Grounds("SOMEBODY_REFUSED", NOON, (Revision("m1", 2),)))
    answers: dict[str, tuple[int, dict[str, Any]]] = field(default_factory=dict)
    said: io.StringIO = field(default_factory=io.StringIO)

    def certificate(self, meeting_id: str = "m1") -> str:
        recording = Recording("r1", self.bucket, KEY, "v1", 9, NOON, match=Match((meeting_id,)))
        removed = Remnant(RemnantKind.VERSION, self.bucket, KEY, "v1", 9, NOON)
        copy = Copy("c1", "r1", CopyKind.ORIGINAL, self.bucket, KEY)
        sights = [Sight(Place(self.bucket, KEY, "v1"), NOON)]
        return Signer(self.key).sign(Proof(recording, self.grounds, [removed], [copy], sights, NOON))

    def answer_as_erased(self) -> None:
        copies = [{"kind": kind, "state": "gone"} for kind in ("original", "scratch")]
        self.answers["/v1/recordings/r1"] = (200, {"id": "r1", "state": "erased", "copies": copies})
        self.answers["/v1/recordings/r1/certificate"] = (200, {"certificate": self.certificate()})
        self.answers[f"{TRANSCRIPT}/audio/mp3"] = (410, {"reason": "AUDIO_DELETED"})
        self.answers[TRANSCRIPT] = (200, {"id": "t1", "audio_deleted": True, "segments": [{"text": "hello"}]})

    def prove_gone(self, url: str) -> None:
        public = self.folder / "key.pub.pem"
        public.write_bytes(self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        certificates = self.folder / "certificates"
        proofs = Proofs(Assent(url), self.places, self.older, public, certificates, Screen(self.said))
        proofs.gone(["ana", "ben"], Found("version", self.bucket, KEY, "v1", 9), "r1", {"id": "t1"})


@pytest.fixture(scope="module")
def variables(moto: Moto, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return moto.fresh_buckets("demo") | {"ASSENT_SCRATCH_DIR": str(tmp_path_factory.mktemp("scratch"))}


@pytest.fixture(scope="module")
def places(variables: dict[str, str]) -> Places:
    return Places(variables)


@pytest.fixture
def world(
    moto: Moto, variables: dict[str, str], places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> World:
    monkeypatch.setattr(proofs_module, "WIPED_WITHIN", 0.3)
    monkeypatch.setattr(proofs_module, "SETTLED_WITHIN", 0.3)
    bucket = variables["ASSENT_RECORDINGS_BUCKET"]
    world = World(moto.cloud.client("s3"), bucket, places, frozenset(places.listed()), tmp_path)
    world.answer_as_erased()
    return world


@pytest.fixture
def gateway(world: World) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, document = world.answers[self.path]
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Said by no test."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_gone_is_said_when_nothing_is_left(world: World, gateway: str) -> None:
    world.prove_gone(gateway)

    said = world.said.getvalue()
    assert "410 AUDIO_DELETED" in said
    assert "SOMEBODY_REFUSED, revision 2" in said


@pytest.mark.parametrize("left", ["version", "delete marker", "unfinished upload"])
def test_gone_is_not_said_while_a_bucket_has_something_left(world: World, gateway: str, left: str) -> None:
    if left == "unfinished upload":
        world.s3.create_multipart_upload(Bucket=world.bucket, Key=KEY)
    else:
        put = world.s3.put_object(Bucket=world.bucket, Key=KEY, Body=b"audio")
    if left == "delete marker":
        world.s3.delete_object(Bucket=world.bucket, Key=KEY)
        world.s3.delete_object(Bucket=world.bucket, Key=KEY, VersionId=put["VersionId"])

    with pytest.raises(UnexpectedError, match=f"{left} {KEY}"):
        world.prove_gone(gateway)


def test_gone_is_not_said_while_scratch_has_a_file(world: World, gateway: str, variables: dict[str, str]) -> None:
    file = Path(variables["ASSENT_SCRATCH_DIR"]) / "r1" / "audio.wav"
    file.parent.mkdir()
    file.write_bytes(b"audio")

    with pytest.raises(UnexpectedError, match=r"empty scratch(.|\n)*audio\.wav"):
        world.prove_gone(gateway)
    file.unlink()


@pytest.mark.parametrize(
    ("path", "answer", "complaint"),
    [
        ("/v1/recordings/r1", (200, {"state": "erasing"}), "erased within"),
        (
            "/v1/recordings/r1",
            (200, {"state": "erased", "copies": [{"kind": "mp3", "state": "present"}]}),
            "mp3 present",
        ),
        (f"{TRANSCRIPT}/audio/mp3", (200, {}), "410 AUDIO_DELETED"),
        (f"{TRANSCRIPT}/audio/mp3", (410, {"reason": "SOMETHING_ELSE"}), "SOMETHING_ELSE"),
        (TRANSCRIPT, (200, {"audio_deleted": False, "segments": [1]}), "audio_deleted"),
        (TRANSCRIPT, (200, {"audio_deleted": True, "segments": []}), "keep its words"),
        ("/v1/recordings/r1/certificate", (409, {"reason": "NOT_ERASED"}), "NOT_ERASED"),
    ],
)
def test_gone_is_not_said_when_the_gateway_says_otherwise(
    world: World, gateway: str, path: str, answer: tuple[int, dict[str, Any]], complaint: str
) -> None:
    world.answers[path] = answer

    with pytest.raises(UnexpectedError, match=complaint):
        world.prove_gone(gateway)


def test_a_certificate_by_another_key_is_refused(world: World, gateway: str) -> None:
    world.key = Ed25519PrivateKey.generate()

    with pytest.raises(UnexpectedError, match="signature"):
        world.prove_gone(gateway)


def test_a_certificate_that_names_a_person_is_refused(world: World, gateway: str) -> None:
    world.answers["/v1/recordings/r1/certificate"] = (200, {"certificate": world.certificate("meeting-of-ana")})

    with pytest.raises(UnexpectedError, match="names no person"):
        world.prove_gone(gateway)


def test_a_certificate_without_a_refusal_is_refused(world: World, gateway: str) -> None:
    world.grounds = Grounds("SOMEBODY_REFUSED", NOON)
    world.answers["/v1/recordings/r1/certificate"] = (200, {"certificate": world.certificate()})

    with pytest.raises(UnexpectedError, match="names the refusal"):
        world.prove_gone(gateway)


def test_waiting_ends_with_what_was_seen_last() -> None:
    numbers = iter(range(100))

    assert until(lambda: next(numbers), lambda seen: seen == 2, within=5, expected="a two") == 2
    with pytest.raises(UnexpectedError, match=r"Expected a million within 0 s(.|\n)*: 3"):
        until(lambda: next(numbers), lambda seen: seen == 1_000_000, within=0, expected="a million")


@pytest.mark.parametrize(
    ("heard", "rate"),
    [
        ("We meet again, today", 0.0),
        ("we meet today", 0.25),
        ("we eat again today", 0.25),
        ("well we meet again today too", 0.5),
        ("", 1.0),
    ],
)
def test_the_word_error_rate_counts_what_is_missing_wrong_and_too_much(heard: str, rate: float) -> None:
    assert word_error_rate("We meet again today.", heard) == rate


def test_a_log_file_gets_plain_lines_and_progress_now_and_then() -> None:
    out = io.StringIO()
    screen = Screen(out)
    with screen.step("1. A step"), screen.bar() as bar:
        for percent in range(0, 101, 5):
            bar.show(percent, 3)

    lines = out.getvalue().splitlines()
    told = [int(line.rpartition("]")[2].split("%")[0]) for line in lines if "]" in line]
    assert told == [0, 25, 50, 75, 100]
    assert "\x1b" not in out.getvalue()
    assert "\r" not in out.getvalue()


def test_a_bar_on_a_terminal_is_redrawn_and_leaves_its_line_even_after_a_failure() -> None:
    out = Terminal()

    def fail_at(percents: list[int]) -> None:
        with Screen(out).bar() as bar:
            for percent in percents:
                bar.show(percent, 9)
            raise UnexpectedError("Expected more")

    with pytest.raises(UnexpectedError):
        fail_at([10, 12])
    assert out.getvalue().count("\r") == 2
    assert out.getvalue().endswith("\n")
