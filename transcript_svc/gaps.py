"""Keeps a track on its file's clock: silence takes the place of what was never sent, as by somebody muted."""

from collections.abc import Iterator
from functools import lru_cache
from itertools import repeat

from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.filter.graph import Graph

from transcript_svc.audio_files import form_of

# Containers round times, and devices deliver late: what is shorter is no gap.
SMALLEST_GAP_SECONDS = 0.1
# A third of a second, mostly: hours of silence are quickly made, and a short one is not cut from too long a piece.
_PIECE = 2**14


class Clock:
    """Where each frame of one track belongs, beside where it would come to lie.

    Compared is always with all that came before, so that small errors do not add up. A time that lies behind it, or so
    far ahead that the track would last longer than `longest` seconds, is nonsense: the frame follows the one before.
    """

    def __init__(self, begin: float | None, longest: float, smallest_lead: float = SMALLEST_GAP_SECONDS) -> None:
        """The track begins at `begin`, in seconds, or with its first frame."""
        self._begin = begin
        self._longest = longest
        self._smallest = smallest_lead
        self._is_running = False
        self._filled = 0.0

    def gap_before(self, frame: AudioFrame) -> float:
        """Seconds of silence that belong before the frame, which is the next one."""
        gap = 0.0 if frame.time is None else self._gap(frame.time)
        self._filled += gap + frame.samples / max(frame.sample_rate, 1)
        return gap

    def _gap(self, time: float) -> float:
        if not self._is_running:
            self._start(time)
        gap = time - (self._begin or 0.0) - self._filled
        is_one = gap > self._smallest and self._filled + gap <= self._longest
        self._smallest = SMALLEST_GAP_SECONDS
        return gap if is_one else 0.0

    def _start(self, time: float) -> None:
        self._is_running = True
        if self._begin is None or not 0 <= time - self._begin <= self._longest:
            self._begin = time - self._filled


def silence(like: AudioFrame, seconds: float) -> Iterator[AudioFrame]:
    """Small frames of silence that go with this one."""
    missing = round(seconds * like.sample_rate)
    if missing:
        whole = _silent(*form_of(like))
        whole.time_base = like.time_base
        yield from repeat(whole, missing // _PIECE)
        yield from _begin_of(whole, missing % _PIECE)


@lru_cache(maxsize=4)
def _silent(form: str, layout: str, rate: int) -> AudioFrame:
    # PyAV's own way to fill a frame reads past its end where it has eight channels.
    graph = Graph()
    graph.threads = 1
    source = graph.add("anullsrc", channel_layout=layout, sample_rate=str(rate), nb_samples=str(_PIECE))
    graph.link_nodes(source, graph.add("aformat", sample_fmts=form), graph.add("abuffersink")).configure()
    frame = graph.pull()
    assert isinstance(frame, AudioFrame)
    frame.pts = None
    return frame


def _begin_of(frame: AudioFrame, samples: int) -> Iterator[AudioFrame]:
    if samples:
        fifo = AudioFifo()
        fifo.write(frame)
        begin = fifo.read(samples)
        assert begin is not None
        yield begin
