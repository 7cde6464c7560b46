"""Makes long recordings in little time: a few minutes are encoded once, and their packets repeated."""

from pathlib import Path

import av
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream

from bench.speech import TALK


def short(path: Path, minutes: int) -> Path:
    """The beginning of the talk in stereo AAC at 48 kHz, as a recorder writes it."""
    with av.open(str(TALK)) as talk, av.open(str(path), "w") as file:
        stream = file.add_stream("aac", rate=48_000, layout="stereo", bit_rate=128_000)
        assert isinstance(stream, AudioStream)
        file.start_encoding()
        resampler = AudioResampler(stream.codec_context.format.name, "stereo", 48_000, stream.codec_context.frame_size)
        left = minutes * 60 * 48_000
        for spoken in talk.decode(audio=0):
            for frame in resampler.resample(spoken):
                file.mux(stream.encode(frame))
                left -= frame.samples
            if left <= 0:
                break
        file.mux(stream.encode(None))
    return path


def lengthened(source: Path, path: Path, times: int) -> Path:
    """The same sound so many times over; the container follows from the name."""
    with av.open(str(source)) as first, av.open(str(path), "w") as file:
        stream = file.add_stream_from_template(first.streams.audio[0])
        end = 0
        for _ in range(times):
            end = _append(source, file, stream, end)
    return path


def _append(source: Path, file: av.container.OutputContainer, stream: AudioStream, begin: int) -> int:
    moved = None
    with av.open(str(source)) as again:
        for packet in again.demux(audio=0):
            if packet.dts is None or packet.pts is None:  # the end
                continue
            moved = begin - packet.dts if moved is None else moved
            packet.dts, packet.pts = packet.dts + moved, packet.pts + moved
            end = packet.pts + (packet.duration or 0)
            packet.stream = stream
            file.mux(packet)
    return end
