"""A recorded meeting of two speaking people, for the demo and the tests: `meeting.mp4` and its words, `meeting.txt`."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parent
MEETING = FOLDER / "meeting.mp4"
WORDS = FOLDER / "meeting.txt"
