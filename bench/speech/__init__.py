"""Ten minutes of two voices talking, for measuring recognition: `talk.opus` and its words, `talk.txt`."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parent
TALK = FOLDER / "talk.opus"
WORDS = FOLDER / "talk.txt"
"""One line for each turn; the two take turns."""
