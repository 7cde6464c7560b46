"""Writes sound to the two files that are made of it: the wav that is recognised and the mp3 that is played."""

import queue
import threading
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import lameenc
import numpy as np
from av.audio.frame import AudioFrame
from av.filter.graph import Graph
from numpy.typing import NDArray

WAV_RATE = 16_000
# What people say lies below 16 kHz, which 32 kHz hold. Lower rates than these are no MPEG standard, and the encoder's
# lead-in of 1,105 samples would be heard against the words.
MP3_RATES = (16_000, 22_050, 24_000, 32_000)
MP3_KBPS_PER_CHANNEL = 64
# Of LAME's 0 (best) to 9: at this many bits for speech the slower ones gain little, and they take half as long again.
MP3_QUALITY = 7

Samples = NDArray[np.int16]


class Resampler:
    """A resampler that also takes what PyAV's does not: frames whose format changes.

    It is without threads of its own: PyAV's starts as many as there are cores, of 8 MiB each, and has no work for them.
    """

    def __init__(self, layout: str, rate: int) -> None:
        self._wanted = {"sample_fmts": "s16", "channel_layouts": layout, "sample_rates": str(rate)}
        self._graph: Graph | None = None
        self._form: tuple[Any, ...] | None = None

    def resample(self, frame: AudioFrame | None) -> Iterator[Samples]:
        """The samples that are ready by now, channels interleaved; None flushes."""
        form = form_of(frame) if frame else None
        if form != self._form and self._graph:
            yield from _through(self._graph, None)
            self._graph = None
        self._form = form
        if frame:
            self._graph = self._graph or self._graph_for(frame)
            yield from _through(self._graph, frame)

    def _graph_for(self, frame: AudioFrame) -> Graph:
        graph = Graph()
        graph.threads = 1
        form, layout, rate = form_of(frame)
        begin = graph.add_abuffer(sample_rate=rate, format=form, layout=layout, time_base=frame.time_base)
        graph.link_nodes(begin, graph.add("aformat", **self._wanted), graph.add("abuffersink")).configure()
        return graph


class WavFile:
    """16 kHz, one channel, 16 bits: what recognisers are trained on."""

    def __init__(self, path: str) -> None:
        self._file = wave.open(path, "wb")  # noqa: SIM115 - closed by __exit__
        self._file.setparams((1, 2, WAV_RATE, 0, "NONE", ""))
        self._resampler = Resampler("mono", WAV_RATE)
        self._count = 0

    @property
    def duration_ms(self) -> int:
        """Of what is written by now."""
        return self._count * 1000 // WAV_RATE

    def write(self, frame: AudioFrame | None) -> Iterator[Samples]:
        """Writes and passes on the resampled samples; None flushes."""
        for samples in self._resampler.resample(frame):
            self._file.writeframesraw(samples.tobytes())
            self._count += len(samples)
            yield samples

    def __enter__(self) -> "WavFile":
        return self

    def __exit__(self, *raised: object) -> None:
        self._file.close()


class Mp3File:
    """Encodes in a thread of its own; LAME works outside Python's lock, so both cores are busy."""

    def __init__(self, path: str, rate: int, channels: int) -> None:
        channels = min(max(channels, 1), 2)
        rate = min(MP3_RATES, key=lambda possible: abs(possible - (rate or WAV_RATE)))
        self._resampler = Resampler("stereo" if channels == 2 else "mono", rate)
        self._encoder = _mp3_encoder(rate, channels)
        self._path = Path(path)
        self._pieces: queue.Queue[Samples | None] = queue.Queue(maxsize=8)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._encode)

    def write(self, frame: AudioFrame | None) -> None:
        """The next sound; None flushes. Raises what went wrong with an earlier piece."""
        if self._failure:
            raise self._failure
        for samples in self._resampler.resample(frame):
            self._pieces.put(samples)

    def _encode(self) -> None:
        pieces = self._waiting()
        try:
            self._encode_all(pieces)
        except Exception as error:
            self._failure = error  # handed to the writer, who waits for ever unless somebody goes on taking pieces
            for _ in pieces:
                pass

    def _encode_all(self, pieces: Iterator[Samples]) -> None:
        with self._path.open("wb") as file:
            begun = False
            for samples in pieces:
                begun = True
                file.write(self._encoder.encode(samples))
            if begun:
                file.write(self._encoder.flush())

    def _waiting(self) -> Iterator[Samples]:
        while (samples := self._pieces.get()) is not None:
            yield samples

    def __enter__(self) -> "Mp3File":
        self._thread.start()
        return self

    def __exit__(self, kind: object, *raised: object) -> None:
        try:
            if kind is None:
                self.write(None)
        finally:
            self._pieces.put(None)
            self._thread.join()
        if kind is None and self._failure:
            raise self._failure


def form_of(frame: AudioFrame) -> tuple[Any, ...]:
    """Frames of one form can be joined and resampled together."""
    return frame.format.name, frame.layout.name, frame.sample_rate


def _mp3_encoder(rate: int, channels: int) -> Any:  # lameenc has no stubs
    encoder = lameenc.Encoder()
    encoder.set_in_sample_rate(rate)
    encoder.set_out_sample_rate(rate)
    encoder.set_channels(channels)
    encoder.set_bit_rate(MP3_KBPS_PER_CHANNEL * channels)
    encoder.set_quality(MP3_QUALITY)
    encoder.silence()
    return encoder


def _through(graph: Graph, frame: AudioFrame | None) -> Iterator[Samples]:
    graph.push(frame)
    while True:
        try:
            out = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        assert isinstance(out, AudioFrame)
        yield out.to_ndarray().reshape(-1).astype(np.int16, copy=False)
