"""Proves what became of the audio: gone from every place, with a certificate; or there, and playing."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from deploy.demo.api import Assent, Json, expect, problem, until
from deploy.demo.audio import Found, Places, decode
from deploy.demo.offline import checked_offline, relative
from deploy.demo.screen import Screen

SETTLED_WITHIN = 60.0  # seconds from the transcript to the verdict carried out
WIPED_WITHIN = 10.0  # seconds
FIRST_BYTES = 1000
KEY_WIDTH = 50  # columns


@dataclass(frozen=True)
class Proofs:
    """Looks with the owner's eyes, and at the places themselves. `older` lay there before the demo began."""

    owner: Assent
    places: Places
    older: frozenset[Found]
    public_key: Path
    folder: Path
    screen: Screen

    def listed(self, when: str) -> set[Found]:
        """Show what both buckets have, beside what lay there before."""
        found = self.places.listed() - self.older
        self.screen.line(f"Both buckets {when}:")
        for bucket in self.places.buckets:
            rows = sorted((one for one in found if one.bucket == bucket), key=lambda one: one.key)
            nothing = "" if rows else " no version, no delete marker, no unfinished upload"
            self.screen.line(f"  {bucket}:{nothing}")
            for one in rows:
                self.screen.line(f"    {one.kind:<14}{_short(one.key):<{KEY_WIDTH}}{_size(one.size):>9}")
        return found

    def gone(self, call_ids: Iterable[str], arrived: Found, recording_id: str, transcript: Json) -> Json:
        """Every copy of a recording's audio is gone, and the certificate says so; the transcript is still there.

        Returns the recording.
        """
        path = f"/v1/recordings/{recording_id}"
        recording = until(
            lambda: self.owner.get(path), lambda one: one["state"] == "erased", SETTLED_WITHIN, "the recording erased"
        )
        left = self.listed("afterwards")
        expect(not left, "nothing of this recording in any bucket", ", ".join(f"{one.kind} {one.key}" for one in left))
        until(self.places.scratch, lambda files: not files, WIPED_WITHIN, "an empty scratch folder")
        self.screen.proof("scratch", "empty")
        states = {f"{copy['kind']} {copy['state']}" for copy in recording["copies"]}
        expect(
            bool(states) and all(state.endswith(" gone") for state in states), "every known copy gone", sorted(states)
        )
        self.screen.proof("known copies", ", ".join(sorted(states)))
        self._answers_gone(transcript["id"])
        self._certified(recording, arrived, set(call_ids))
        return recording

    def plays(self, somebody: Assent, transcript: Json) -> None:
        """The mp3 is handed out, plays to its end, and can be fetched in parts."""
        path = f"/v1/transcripts/{transcript['id']}/audio/mp3"
        whole = somebody.ask("GET", path)
        expect(whole.status_code == 200, f"GET {path} to answer 200", problem(whole))
        kept = whole.headers.get("Cache-Control", "none")
        expect("no-store" in kept, "Cache-Control: no-store", kept)
        sound, seconds = decode(whole.content), transcript["duration_ms"] / 1000
        expect(abs(sound.seconds - seconds) < 0.5, f"an mp3 of {seconds:.1f} s", f"{sound.seconds:.1f} s")
        expect(sound.loudest > 0.05, "an mp3 with voices in it", f"silence (loudest sample {sound.loudest:.3f})")
        self.screen.proof("mp3", f"{_size(len(whole.content))}, decoded to its end: {sound.seconds:.1f} s of sound")
        part = somebody.ask("GET", path, range=f"bytes=0-{FIRST_BYTES - 1}")
        came = f"{problem(part)}, {len(part.content)} bytes"
        expect(part.status_code == 206, f"a Range of {FIRST_BYTES} bytes to answer 206", came)
        expect(part.content == whole.content[:FIRST_BYTES], f"the first {FIRST_BYTES} bytes", came)
        self.screen.proof("Range", f"206, {part.headers.get('Content-Range')}")

    def _answers_gone(self, transcript_id: str) -> None:
        path = f"/v1/transcripts/{transcript_id}"
        answer = self.owner.ask("GET", f"{path}/audio/mp3")
        expect(
            answer.status_code == 410 and answer.json().get("reason") == "AUDIO_DELETED",
            f"GET {path}/audio/mp3 to answer 410 AUDIO_DELETED",
            problem(answer),
        )
        self.screen.proof("GET .../audio/mp3", "410 AUDIO_DELETED")
        transcript = until(
            lambda: self.owner.get(path),
            lambda one: bool(one["audio_deleted"]),
            WIPED_WITHIN,
            "the transcript to say audio_deleted",
        )
        expect(bool(transcript["segments"]), "the transcript to keep its words", "none")
        self.screen.proof("transcript", "still there, with audio_deleted: true")

    def _certified(self, recording: Json, arrived: Found, call_ids: set[str]) -> None:
        certificate = self.owner.get(f"/v1/recordings/{recording['id']}/certificate")["certificate"]
        file = self.folder / f"{recording['id']}.jws"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(certificate)
        holding = "a certificate whose signature holds"
        states = json.loads(checked_offline("recording_svc", "certificate", file, self.public_key, holding))
        named = (states["recording_id"], states["object"]["key"], states["object"]["version_id"])
        expect(named == (recording["id"], arrived.key, arrived.version_id), "a certificate of this recording", named)
        people = [one for one in call_ids if one in json.dumps(states)]
        expect(not people, "a certificate that names no person", people)
        refusals = [one["revision"] for one in states["grounds"]["refusals"]]
        expect(bool(refusals), "a certificate that names the refusal it rests on", states["grounds"])
        looks = {place["bucket"] for place in states["listing"]}
        expect(arrived.bucket in looks, f"a listing of {arrived.bucket} in the certificate", sorted(looks))
        self.screen.proof("certificate", "the signature holds (Ed25519), checked by a process without any address")
        removed = [one["key"] for one in states["removed"]]
        expect(arrived.key in removed, f"{arrived.key} among what was removed", removed)
        self.screen.fact("  it rests on", f"{states['grounds']['reason']}, revision {refusals[-1]} of the answers")
        self.screen.fact("  it removed", f"{len(removed)} object version(s): {', '.join(map(_short, removed))}")
        self.screen.fact("  it then listed", f"{', '.join(sorted(looks))} and found nothing, {states['issued_at']}")
        self.screen.fact("  check it again", ".venv/bin/python -m recording_svc certificate FILE --key KEY, with")
        for path in (file, self.public_key):
            self.screen.line(f"    {relative(path)}")


def _short(key: str) -> str:
    """A key that fits: its two ends say which one it is."""
    return key if len(key) < KEY_WIDTH else f"{key[:20]}...{key[-26:]}"


def _size(count: int) -> str:
    return f"{count / 1000:.0f} kB" if count else ""
