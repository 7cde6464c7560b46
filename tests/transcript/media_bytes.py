"""Media files of many kinds as bytes, and where their boxes and elements begin: what odd files are made from."""

import functools
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from numpy.typing import NDArray

from tests.transcript.media_files import tone, write_picture_only

SECONDS = 2
FRAGMENTED = "frag_keyframe+empty_moov"

# Boxes that hold boxes.
_NESTS = frozenset({"moov", "trak", "mdia", "minf", "dinf", "stbl", "moof", "traf", "mvex", "udta"})
_SEGMENT = 0x18538067

Samples = NDArray[np.int16]


@functools.cache
def media(
    container: str, codec: str = "aac", rate: int = 48_000, layout: str = "mono", flags: str = "", tracks: int = 1
) -> bytes:
    """Two seconds of a tone; every track is an octave above the one before."""
    voices = [tone(SECONDS, rate, 0.3, 440 << track) for track in range(tracks)]
    return encoded(container, codec, rate, layout, voices, flags)


def encoded(container: str, codec: str, rate: int, layout: str, tracks: list[Samples], flags: str = "") -> bytes:
    """These samples, one array a track."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made"
        _write(path, container, codec, rate, layout, tracks, {"movflags": flags} if flags else {})
        return path.read_bytes()


def _write(
    path: Path, container: str, codec: str, rate: int, layout: str, tracks: list[Samples], options: dict[str, str]
) -> None:
    with av.open(str(path), "w", format=container, options={**options, "fflags": "+bitexact"}) as file:
        streams = [file.add_stream(codec, rate=rate, layout=layout) for _ in tracks]
        file.start_encoding()  # without a packet nothing else would write the header
        for stream, samples in zip(streams, tracks, strict=True):
            assert isinstance(stream, AudioStream)
            for frame in _frames(stream, samples):
                file.mux(stream.encode(frame))
            file.mux(stream.encode(None))


def _frames(stream: AudioStream, samples: Samples) -> Iterator[AudioFrame]:
    context = stream.codec_context
    frame = AudioFrame.from_ndarray(samples[None, :], "s16", "mono")
    frame.sample_rate = context.sample_rate
    resampler = AudioResampler(context.format.name, context.layout, context.sample_rate, context.frame_size or 1024)
    yield from [*resampler.resample(frame if len(samples) else None), *resampler.resample(None)]


@functools.cache
def picture_only(name: str) -> bytes:
    """A video without an audio track, in the container that follows from the name."""
    with tempfile.TemporaryDirectory() as folder:
        return write_picture_only(Path(folder) / name).read_bytes()


def boxes(content: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[str, int]]:
    """Name and beginning of each box of an mp4, those inside others too."""
    end = len(content) if end is None else end
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", content, start)
        name = kind.decode("latin-1")
        yield name, start
        if name in _NESTS:
            yield from boxes(content, start + 8, start + size)
        start += size


def elements(content: bytes) -> Iterator[int]:
    """Where the elements of an mkv begin: its head, its segment, and all that lies right below that."""
    at, end = 0, len(content)
    while at < end:
        yield at
        name, body = _number(content, at, keep_mark=True)
        size, body = _number(content, body, keep_mark=False)
        at = body if name == _SEGMENT else body + size


def _number(content: bytes, at: int, *, keep_mark: bool) -> tuple[int, int]:
    """A number of EBML, whose leading zeros tell its length, and where it ends."""
    length = 9 - content[at].bit_length()
    value = int.from_bytes(content[at : at + length], "big")
    return value if keep_mark else value & ((1 << 7 * length) - 1), at + length


def wav(rate: int = 8_000, channels: int = 1, data: bytes = bytes(16_000), **lies: int) -> bytes:
    """16 bits a sample; `data_size`, `block`, `bits` and `riff_size` may say what is not so."""
    block = lies.get("block", min(channels * 2, 0xFFFF))
    bits = lies.get("bits", 16)
    head = struct.pack("<HHIIHH", 1, channels, rate, min(rate * block, 2**32 - 1), block, bits)
    sizes = lies.get("riff_size", len(data) + 36), lies.get("data_size", len(data))
    return (
        b"RIFF" + struct.pack("<I", sizes[0]) + b"WAVEfmt " + struct.pack("<I", 16) + head
        + b"data" + struct.pack("<I", sizes[1]) + data
    )  # fmt: skip


def patched(content: bytes, after: bytes, skip: int, new: bytes) -> bytes:
    """`new` written over what lies `skip` bytes behind the first `after`."""
    at = content.index(after) + len(after) + skip
    return content[:at] + new + content[at + len(new) :]


def flipped(content: bytes, seed: int, share: float = 0.002) -> bytes:
    """Some bits turned over, anywhere."""
    chance = np.random.default_rng(seed)
    damaged = bytearray(content)
    for at in chance.integers(0, len(content), max(int(len(content) * share), 1)):
        damaged[at] ^= 1 << int(chance.integers(0, 8))
    return bytes(damaged)
