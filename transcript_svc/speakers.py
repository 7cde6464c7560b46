"""Tells who speaks in a recording that has a track for everybody: whose track is clearly the loudest at that time."""

import re
from base64 import b64decode, b64encode
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from transcript_svc.domain import Segment, Word

SLICE_MS = 100
# So much of what is heard in a segment's time comes from one track; what others throw in meanwhile is the rest.
CLEAR_SHARE = 2 / 3
# People who talk at once are not taken apart word by word.
SHORTEST_TURN_MS = 500

LONGEST_NAME = 100
# What programs call a track of which they know nothing.
_SAYS_NOTHING = re.compile(
    r".*handle.*|(core|iso) media.*|((audio|sound|mono|stereo|surround)( track)?)?|soun|track", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Voices:
    """Which of several tracks is clearly the loudest, slice by slice: two bytes a slice, however many tracks."""

    # In the tracks' order; none where there is nobody to tell apart.
    names: tuple[str, ...] = ()
    # Counted from 1; 0 where none is clearly louder than the others.
    loudest: bytes = b""
    # Of the loudest, above one step of 16 bits.
    decibels: bytes = b""

    def told(self, segments: Iterable[Segment]) -> tuple[Segment, ...]:
        """The segments with who speaks in them, where that is clear; parted where one takes over from another."""
        return tuple(part for segment in segments for part in self._parts(segment))

    def to_json(self) -> dict[str, Any]:
        """For another process."""
        return {
            "names": self.names,
            "loudest": b64encode(self.loudest).decode(),
            "decibels": b64encode(self.decibels).decode(),
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Voices":
        """As `to_json` put it."""
        return cls(tuple(told["names"]), b64decode(told["loudest"]), b64decode(told["decibels"]))

    def _parts(self, segment: Segment) -> Iterator[Segment]:
        speaker = self._speaker(segment.start_ms, segment.end_ms)
        turns = [] if speaker else self._turns(segment.words)
        parts = [replace(Segment.of(words), speaker=name) for name, words in turns]
        lasting = all(part.end_ms - part.start_ms >= SHORTEST_TURN_MS for part in parts)
        # Where a recogniser writes more than its words, commas for one, nobody knows what belongs to which part.
        whole = " ".join(part.text for part in parts) == segment.text
        yield from parts if len(parts) > 1 and lasting and whole else [replace(segment, speaker=speaker)]

    def _turns(self, words: Sequence[Word]) -> list[tuple[str, list[Word]]]:
        turns: list[tuple[str, list[Word]]] = []
        for word in words:
            before = turns[-1][0] if turns else ""
            speaker = self._speaker(word.start_ms, word.end_ms) or before
            if turns and before in ("", speaker):
                turns[-1] = speaker, [*turns[-1][1], word]
            else:
                turns.append((speaker, [word]))
        return turns

    def _speaker(self, start_ms: int, end_ms: int) -> str:
        first = start_ms // SLICE_MS
        last = max(-(-end_ms // SLICE_MS), first + 1)
        heard: defaultdict[int, float] = defaultdict(float)
        for track, decibels in zip(self.loudest[first:last], self.decibels[first:last], strict=True):
            heard[track] += 10 ** (decibels / 20)
        track = max(heard, key=lambda one: heard[one], default=0)
        return self.names[track - 1] if track and heard[track] >= CLEAR_SHARE * sum(heard.values()) else ""


NOBODY = Voices()
"""Where there is nobody to tell apart."""


def names_of(tracks: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    """A name for each track from what its container says of it; its number, from 1, where that names nobody."""
    numbers = tuple(str(number) for number in range(1, len(tracks) + 1))
    given = [_given(track) for track in tracks]
    names = tuple(
        name if name and given.count(name) == 1 else number for name, number in zip(given, numbers, strict=True)
    )
    # Somebody may have called the first track "2".
    return names if len(set(names)) == len(names) else numbers


def _given(track: Mapping[str, str]) -> str:
    for key in ("title", "name", "handler_name"):
        # Whoever made the file chose it: it must neither break lines nor turn them around.
        printable = "".join(letter if letter.isprintable() else " " for letter in track.get(key, ""))
        name = " ".join(printable.split())[:LONGEST_NAME].strip()
        if not _SAYS_NOTHING.fullmatch(name):
            return name
    return ""
