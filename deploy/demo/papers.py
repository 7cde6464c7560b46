"""Proves what was answered: a participant's receipt and the meeting's history are taken along and checked offline."""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from deploy.demo.api import Assent, Json, expect, problem
from deploy.demo.offline import checked_offline, relative
from deploy.demo.screen import Screen
from deploy.local.run_dir import write_private

SAID = {"granted": "yes", "denied": "no"}


@dataclass(frozen=True)
class Papers:
    """Keeps them in `folder`, those of each meeting in one of its own."""

    owner: Assent
    folder: Path
    screen: Screen

    def prove(self, meeting_id: str, name: str, participant: Assent, answer: str) -> None:
        """The receipt of a participant's answer holds, so does the history, and the answer is in it."""
        folder, path = self.folder / meeting_id, f"/v1/meetings/{meeting_id}/consent"
        keys = _taken(self.owner.seen_by(None), "/v1/keys", folder / "keys.json")
        receipt = _taken(participant, f"{path}/receipt", folder / "receipt.json")
        history = _taken(self.owner, f"{path}/history?format=jsonl", folder / "history.jsonl")
        event = self._receipt(name, receipt, keys, (meeting_id, answer))
        self._history(name, history, keys, event["hash"])
        self.screen.fact(
            "check them again", ".venv/bin/python -m consent_svc receipt (or history) FILE --key KEYS, with"
        )
        for file in (receipt, history, keys):
            self.screen.line(f"  {relative(file)}")

    def _receipt(self, name: str, file: Path, keys: Path, wanted: tuple[str, str]) -> Json:
        checked_offline("consent_svc", "receipt", file, keys, "a receipt that holds")
        receipt = json.loads(file.read_bytes())["receipt"]
        event = dict(receipt["event"])
        came = (receipt["meeting"]["meeting_id"], event["answer"])
        expect(came == wanted, f"a receipt of {wanted}", came)
        at = datetime.fromisoformat(event["event_time"])
        self.screen.proof(
            f"{name}'s receipt", f'"{SAID[came[1]]}" at {at:%H:%M:%S} UTC, signed; it holds, checked offline'
        )
        return event

    def _history(self, name: str, file: Path, keys: Path, hash_of_answer: str) -> None:
        checked_offline("consent_svc", "history", file, keys, "an exported history that is intact")
        lines = map(json.loads, file.read_bytes().splitlines())
        entries = [line for line in lines if "answer" in line]
        hashes = [entry["hash"] for entry in entries]
        expect(hash_of_answer in hashes, f"{name}'s answer in the history, with hash {hash_of_answer}", hashes)
        said = [entry["answer"] for entry in entries]
        counted = " and ".join(f"{said.count(answer)} {word}" for answer, word in SAID.items())
        told = f"{counted}, {name}'s among them; none changed or missing, checked offline"
        self.screen.proof("the whole history", told)


def _taken(somebody: Assent, path: str, file: Path) -> Path:
    answer = somebody.ask("GET", path)
    expect(answer.status_code == 200, f"GET {path} to answer 200", problem(answer))
    write_private(file, answer.content)  # whoever has the link in a receipt can change the answer
    return file
