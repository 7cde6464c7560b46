"""Makes small media files of every kind for the tests."""

from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from numpy.typing import NDArray


def tone(seconds: float, rate: int = 48_000, loudness: float = 0.5, pitch: int = 440) -> NDArray[np.int16]:
    """A sine, one channel; the pitch is in Hz."""
    moments = np.arange(int(seconds * rate)) / rate
    return (np.sin(moments * pitch * 2 * np.pi) * loudness * 32767).astype(np.int16)


def write_audio(
    path: Path, samples: NDArray[np.int16], rate: int = 48_000, codec: str = "aac", layout: str = "mono"
) -> Path:
    """A file of one audio track; its container follows from the name."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        assert isinstance(stream, AudioStream)
        context = stream.codec_context
        context.layout = layout
        context.open()
        resampler = AudioResampler(context.format.name, layout, rate, frame_size=context.frame_size or 1024)
        frame = AudioFrame.from_ndarray(samples[None, :], "s16", "mono")
        frame.sample_rate = rate
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return path


def write_picture_only(path: Path, frames: int = 5) -> Path:
    """A video without an audio track."""
    with av.open(str(path), "w") as container:
        _add_pictures(container, frames)
    return path


def _add_pictures(container: OutputContainer, frames: int) -> None:
    stream = container.add_stream("mpeg4", rate=25, width=64, height=48, pix_fmt="yuv420p")
    for _ in range(frames):
        picture = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), "rgb24")
        container.mux(stream.encode(picture))
    container.mux(stream.encode(None))
