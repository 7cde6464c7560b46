"""Makes recordings in which everybody has an audio track of their own."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.packet import Packet
from av.stream import Stream

from tests.transcript.media_bytes import Samples
from tests.transcript.media_files import tone

RATE = 48_000


@dataclass
class OwnTrack:
    """One person's track, which may begin later than the others and for a while send nothing."""

    samples: Samples
    late: float = 0.0
    # From which second of the samples on they come how many seconds later.
    pauses: dict[float, float] = field(default_factory=dict)
    about: dict[str, str] = field(default_factory=dict)


def talk(*spans: tuple[float, float], seconds: float, loudness: float = 0.5, pitch: int = 440) -> Samples:
    """Sound from a second up to another, and silence otherwise."""
    sound = tone(seconds, RATE, loudness, pitch)
    moments = np.arange(len(sound)) / RATE
    heard = np.zeros(len(sound), bool)
    for begin, end in spans:
        heard |= (begin <= moments) & (moments < end)
    return np.where(heard, sound, 0).astype(np.int16)


def tracks_file(container: str, codec: str, *tracks: OwnTrack, layout: str = "mono") -> bytes:
    """The tracks in one file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made"
        with av.open(str(path), "w", format=container) as file:
            streams = [file.add_stream(codec, rate=RATE, layout=layout) for _ in tracks]
            for stream, track in zip(streams, tracks, strict=True):
                stream.metadata.update(track.about)
            file.start_encoding()
            packets = [packet for pair in zip(streams, tracks, strict=True) for packet in _packets(*pair)]
            file.mux(sorted(packets, key=_time))
        return path.read_bytes()


def _packets(stream: Stream, track: OwnTrack) -> "Iterator[Packet[Any]]":
    assert isinstance(stream, AudioStream)
    for frame in [*_frames(stream, track), None]:
        yield from stream.encode(frame)


def _time(packet: "Packet[Any]") -> float:
    assert packet.dts is not None
    assert packet.time_base is not None
    return float(packet.dts * packet.time_base)


def _frames(stream: AudioStream, track: OwnTrack) -> Iterator[AudioFrame]:
    context = stream.codec_context
    whole = AudioFrame.from_ndarray(track.samples[None, :], "s16", "mono")
    whole.sample_rate = RATE
    resampler = AudioResampler(context.format.name, context.layout, RATE, context.frame_size or 1024)
    at = 0
    for frame in [*resampler.resample(whole), *resampler.resample(None)]:
        paused = sum(pause for begin, pause in track.pauses.items() if begin * RATE <= at)
        frame.pts = at + round((track.late + paused) * RATE)
        at += frame.samples
        yield frame
