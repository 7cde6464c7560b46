"""The story that the demo tells. Each step acts, looks, and ends the story where what it sees is not what must be."""

import secrets
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from deploy.demo.api import Assent, Json, StandIn, UnexpectedError, expect, until
from deploy.demo.audio import Found, length
from deploy.demo.papers import Papers
from deploy.demo.proofs import Proofs
from deploy.demo.screen import Screen
from deploy.demo.words import word_error_rate
from deploy.local.sample import MEETING, WORDS

# Seconds from the file in S3 to our service knowing it. The local queue may hand the news to a life of the service that
# just ended, and hands it out again only after its visibility timeout.
HEARD_WITHIN = 90.0
BEGUN_WITHIN = 30.0  # seconds from there to a transcript
MOST_WRONG = 0.15  # word error rate
LINES_SHOWN = 3
FINAL = ("completed", "failed", "no_audio")


@dataclass(frozen=True)
class Person:
    """Somebody with a page open: the name, the id that we gave, and what they may do."""

    name: str
    id: str
    assent: Assent


@dataclass(frozen=True)
class Call:
    """A meeting in one of our rooms, and the name of that room at Whereby."""

    room: str
    meeting_id: str
    whereby_room: str
    ana: Person
    ben: Person


@dataclass(frozen=True)
class Heard:
    """What became of a call: the file as it arrived, our recording of it, and its transcript."""

    arrived: Found
    recording_id: str
    transcript: Json


@dataclass(frozen=True)
class Story:
    """Told with the owner's token and the stand-in's levers."""

    owner: Assent
    stand_in: StandIn
    proofs: Proofs
    papers: Papers
    screen: Screen

    def tell(self) -> tuple[Call, Heard, Heard]:
        """All of it. Returns the second call, and both recordings."""
        with self.screen.step("1. Ana and Ben meet, the call is recorded, and Ben refuses"):
            first = self.meet("planning", ben_agrees=False)
        with self.screen.step("2. The call ends, the file arrives, the transcript is made"):
            refused = self.transcribe(first)
        with self.screen.step("3. Ben refused: every copy of the audio is gone"):
            self.screen.say("One refusal is enough. The transcript came first; then the audio went.")
            recording = self.gone(first, refused)
            self._show_how_soon(refused.transcript["id"], recording)
        with self.screen.step("4. Once more, and both agree: the audio stays and plays"):
            second = self.meet("review", ben_agrees=True)
            agreed = self.transcribe(second)
            self.kept(second, agreed)
        with self.screen.step("5. Ben's no can be shown, years later and without us"):
            self.screen.say("He keeps a receipt of his answer, the owner the history of all answers. Both are signed.")
            self.papers.prove(first.meeting_id, first.ben.name, first.ben.assent, "denied")
        return second, refused, agreed

    def meet(self, topic: str, ben_agrees: bool) -> Call:
        """A room is made, two people open it, join and answer, and the recorder is there."""
        call = self._open(f"{topic}-{secrets.token_hex(2)}")
        # A recording takes as long as what it records: the call began that long ago.
        began = datetime.now(UTC) - timedelta(seconds=length(MEETING) + 3)
        for person, seconds in ((call.ana, 0), (call.ben, 1)):
            self.stand_in.join(call.whereby_room, person.name, person.id, began + timedelta(seconds=seconds))
        roles = self.stand_in.roles(call.whereby_room)
        expect(sorted(roles) == ["recorder", "visitor", "visitor"], "two people and the recorder in the call", roles)
        self.screen.fact("in the call", f"Ana, Ben and the recorder, since {began:%H:%M:%S} UTC (dated back)")
        for person, agrees in ((call.ana, True), (call.ben, ben_agrees)):
            self.answer(call, person, agrees)
        counts = self.owner.get(f"/v1/meetings/{call.meeting_id}/consent")["counts"]
        wanted = {"present": 2, "granted": 1 + ben_agrees, "denied": 1 - ben_agrees, "unanswered": 0}
        wanted |= {"dial_in": 0, "unidentified": 0}
        expect(counts == wanted, f"the owner to see {wanted}", counts)
        self.screen.fact("the owner sees", ", ".join(f"{number} {name}" for name, number in counts.items()))
        return call

    def answer(self, call: Call, person: Person, agrees: bool) -> None:
        """What pressing a button of the dialog sends."""
        notice = self.owner.get("/static/texts/en.json")["notice_version"]
        body = {"consent_given": agrees, "notice_version": notice, "language": "en"}
        path = f"/v1/meetings/{call.meeting_id}/consent"
        stored = person.assent.post(path, body, idempotency_key=str(uuid.uuid4()))
        came = (stored["status"], stored["consent_given"])
        expect(came == ("success", agrees), f"{person.name}'s answer to be stored as it was given", came)
        says = "yes, store the audio" if agrees else "no, erase the audio"
        self.screen.fact(f"{person.name} answers", f"{says} (committed as revision {stored['revision']})")

    def transcribe(self, call: Call) -> Heard:
        """The call ends; what Whereby drops is heard of, and transcribed before our eyes."""
        put = self.stand_in.end(call.whereby_room)
        began = time.monotonic()
        self.screen.fact("file in S3", put["key"])
        listed = self.proofs.listed("now")
        arrived = next((one for one in listed if (one.key, one.version_id) == (put["key"], put["version_id"])), None)
        if arrived is None:
            raise UnexpectedError(f"Expected {put['key']} in {put['bucket']}.\nWhat came instead: {listed}.")
        recording = self._recording_of(call, arrived)
        self.screen.fact("heard of it", f"through SQS within {time.monotonic() - began:.1f} s")
        transcript = self._watch(recording["id"])
        words = " ".join(segment["text"] for segment in transcript["segments"])
        wrong = word_error_rate(WORDS.read_text(), words)
        expect(wrong < MOST_WRONG, f"a transcript with fewer than {MOST_WRONG:.0%} wrong words", f"{wrong:.0%}")
        self.screen.fact("transcript", f"{len(words.split())} words, {wrong:.0%} of them wrong. It begins:")
        for segment in transcript["segments"][:LINES_SHOWN]:
            self.screen.line(f"  {segment['start_ms'] / 1000:5.1f} s  {segment['text'][: self.screen.width - 15]}")
        return Heard(arrived, recording["id"], transcript)

    def gone(self, call: Call, heard: Heard) -> Json:
        """Nothing of the audio is left. Returns its recording."""
        ids = (call.ana.id, call.ben.id)
        return self.proofs.gone(ids, heard.arrived, heard.recording_id, heard.transcript)

    def kept(self, call: Call, heard: Heard) -> None:
        """The audio is there, and plays for whoever took part."""
        path = f"/v1/recordings/{heard.recording_id}"
        until(lambda: self.owner.get(path), lambda one: one["state"] == "kept", HEARD_WITHIN, "the recording kept")
        left = self.proofs.listed("afterwards")
        expect(heard.arrived in left, "the original to stay", left)
        self.proofs.plays(call.ana.assent, heard.transcript)

    def _open(self, room: str) -> Call:
        asked = {"name": room, "recording_type": "cloud", "recording_trigger": "automatic-2nd-participant"}
        self.owner.post("/v1/rooms", asked, status=201)
        stranger = self.owner.seen_by(None)
        opened = [stranger.post(f"/v1/rooms/{room}/meeting") for _ in range(2)]
        meetings = {one["meeting"]["id"]: one["meeting"] for one in opened}
        expect(len(meetings) == 1, "two people who open a room to be in one meeting", sorted(meetings))
        [meeting] = meetings.values()
        given = [one["participant"] for one in opened]
        expect(given[0]["id"] != given[1]["id"], "two people to have two ids", given[0]["id"])
        ana, ben = (
            Person(name, one["id"], self.owner.seen_by(one["token"]))
            for name, one in zip(("Ana", "Ben"), given, strict=True)
        )
        self.screen.fact("room", f"{self.owner.url}/{room}")
        self.screen.fact("meeting", f"{meeting['id']}, opened by Ana and Ben without signing in")
        return Call(room, meeting["id"], meeting["room_name"].removeprefix("/"), ana, ben)

    def _show_how_soon(self, transcript_id: str, recording: Json) -> None:
        finished = self.owner.get(f"/v1/transcripts/{transcript_id}")["finished_at"]
        took = (datetime.fromisoformat(recording["erased_at"]) - datetime.fromisoformat(finished)).total_seconds()
        expect(took >= 0, "the erasure after the transcript", f"{-took:.1f} s before it")
        self.screen.proof("erased", f"{took:.1f} s after the transcript was committed")

    def _recording_of(self, call: Call, arrived: Found) -> Json:
        found = until(
            lambda: self.owner.get(f"/v1/recordings?meeting_id={call.meeting_id}")["recordings"],
            bool,
            HEARD_WITHIN,
            "a recording of the meeting",
        )
        named = [(one["object_key"], one["version_id"]) for one in found]
        expect(named == [(arrived.key, arrived.version_id)], f"one recording, of {arrived.key}", named)
        return dict(found[0])

    def _watch(self, recording_id: str) -> Json:
        """Follow the transcript while it is made."""
        begun = until(
            lambda: self.owner.get(f"/v1/recordings/{recording_id}"),
            lambda one: bool(one["transcript_id"]),
            BEGUN_WITHIN,
            "a transcript of it to begin",
        )
        path = f"/v1/transcripts/{begun['transcript_id']}"
        with self.screen.bar() as bar:
            bar.show(0, 0)
            for event, data in self.owner.events(f"{path}/events"):
                if event == "PROGRESS":
                    bar.show(data["percent"], data["seconds_left"])
                elif event == "STATUS" and data["status"] in FINAL:
                    break
            transcript = self.owner.get(path)
            came = f"{transcript['status']} {transcript['failure'] or ''}"
            expect(transcript["status"] == "completed", "a transcript completed", came)
            bar.show(100, 0)
        return transcript
