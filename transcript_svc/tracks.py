"""Reads the sound of a file: its audio track in large frames, or all its tracks mixed so that nobody's words are lost.

While they are mixed it is noted which of them is the loudest. Only this file is read, whatever it names. What cannot be
decoded is left out and counted; silence takes its place, as that of what was never sent.
"""

import errno
import struct
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from itertools import chain, zip_longest
from pathlib import Path

import av
import numpy as np
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer

from transcript_svc.audio_files import Resampler, Samples, form_of
from transcript_svc.gaps import Clock, silence
from transcript_svc.loudness import Loudness
from transcript_svc.packets import Packets
from transcript_svc.speakers import NOBODY, Voices, names_of

# Work is done on about a second of audio at a time: frame by frame it takes three times the CPU.
LARGE_FRAME_SECONDS = 1
# However many a second a file claims to have.
LARGEST_FRAME = 400_000
MIX_RATE = 48_000
MOST_TRACKS = 64

# A playlist would name other files for us to open; only containers that hold their own bytes are read.
CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mp3,wav,w64,ogg,flac,aac,avi,flv,asf,mpegts,aiff,caf,amr"
OPTIONS = {"protocol_whitelist": "file", "format_whitelist": CONTAINERS}

_CHUNK = 2**20


class Undecodable(Exception):
    """The file's fault; the message says which."""


class Track:
    """One audio track as large frames of one format, of at most `longest` seconds with its gaps."""

    def __init__(self, source: str, packets: Packets, stream: AudioStream, longest: float) -> None:
        self.damaged = 0
        self.is_empty = True
        self.rate = stream.codec_context.sample_rate
        self.channels = stream.codec_context.channels
        self._source = source
        self._packets = packets
        self._stream = stream
        self._longest = longest
        self._clock = Clock(self.starts_at, longest)

    @property
    def voices(self) -> Voices:
        """Of one track nobody can tell who speaks."""
        return NOBODY

    @property
    def starts_at(self) -> float | None:
        """Seconds, on the container's clock; None where that is not known before it is read."""
        start = self._stream.start_time
        return None if start is None else float(start * (self._stream.time_base or 0))

    def begin_at(self, moment: float) -> None:
        """There is silence from this moment, on the container's clock, until the track has sound."""
        self._clock = Clock(moment, self._longest, smallest_lead=0.0)

    def large_frames(self) -> Iterator[AudioFrame]:
        """All its sound, in order, each at its time."""
        fifo, form = AudioFifo(), None
        for frame in self._frames():
            if form not in (None, form_of(frame)):  # a track may change its rate or channels on the way
                yield from _all_of(fifo)
                fifo = AudioFifo()
            form = form_of(frame)
            size = min(frame.sample_rate * LARGE_FRAME_SECONDS, LARGEST_FRAME)
            for piece in chain(silence(frame, self._clock.gap_before(frame)), [frame]):
                piece.pts = None  # the queue takes only what follows on one another
                fifo.write(piece)
                yield from fifo.read_many(size)
        yield from _all_of(fifo)

    def _frames(self) -> Iterator[AudioFrame]:
        packets = self._packets.of(self._stream.index)
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError as error:
                self._count_damage(error)
                return  # the file ends too early
            if packet is None:
                return
            self.is_empty = self.is_empty and not packet.size
            try:
                frames = self._stream.decode(packet)  # not `packet.decode`: it may come from a later opening
            except av.error.FFmpegError as error:
                self._count_damage(error)
                continue
            yield from (frame for frame in frames if frame.samples)

    def _count_damage(self, error: av.error.FFmpegError) -> None:
        raise_if_ours(error, self._source)
        self.damaged += 1


class Mix:
    """Several tracks as one."""

    rate = MIX_RATE
    channels = 2

    def __init__(self, tracks: Sequence[Track], names: Sequence[str], longest: float) -> None:
        self._tracks = tracks
        self._longest = longest
        self._names = names
        self._loudness = Loudness(self.rate, self.channels)

    @property
    def voices(self) -> Voices:
        """Who speaks in what has been read by now."""
        return self._loudness.voices(self._names)

    @property
    def damaged(self) -> int:
        """Parts of any track that were left out."""
        return sum(track.damaged for track in self._tracks)

    @property
    def is_empty(self) -> bool:
        """None of the tracks holds anything."""
        return all(track.is_empty for track in self._tracks)

    def large_frames(self) -> Iterator[AudioFrame]:
        """All their sound, begun together where the tracks begin together."""
        first = self._first_moment()
        for track in self._tracks:
            track.begin_at(first)
        voices = [_blocks(track) for track in self._tracks]
        for blocks in zip_longest(*voices):
            self._loudness.add(blocks)
            heard = [block for block in blocks if block is not None]
            mixed = np.zeros(max(map(len, heard)), np.int32)
            for block in heard:
                mixed[: len(block)] += block
            frame = AudioFrame.from_ndarray(np.clip(mixed, -32_768, 32_767).astype(np.int16)[None], "s16", "stereo")
            frame.sample_rate = MIX_RATE
            yield frame

    def _first_moment(self) -> float:
        """Where the first track begins; one that begins ages before or behind the others is not heeded."""
        starts = [track.starts_at for track in self._tracks if track.starts_at is not None]

        def followers(start: float) -> int:
            return sum(start <= other <= start + self._longest for other in starts)

        return max(sorted(starts), key=followers, default=0.0)


def sound_of(source: str, container: InputContainer, opened: ExitStack, longest: float) -> Track | Mix | None:
    """The audio of a file, with gaps within its first `longest` seconds; None where it has pictures and no audio track.

    Raises Undecodable.
    """
    count = len(container.streams.audio)
    if not count and container.streams.video and not is_cut_off(source):
        return None
    if not count:
        raise Undecodable("no sound is found in the file, which was cut off or never finished")
    if count > MOST_TRACKS:
        raise Undecodable(f"the file has {count} audio tracks; at most {MOST_TRACKS} are mixed")
    known = [index for index, stream in enumerate(container.streams.audio) if _is_known(stream)]
    if not known:
        raise Undecodable("the audio track's codec is not known")
    streams = [container.streams.audio[index] for index in known]
    packets = Packets(container, streams, lambda: opened.enter_context(open_container(source)))
    tracks = [Track(source, packets, stream, longest) for stream in streams]
    names = names_of([stream.metadata for stream in container.streams.audio])
    return Mix(tracks, [names[index] for index in known], longest) if len(tracks) > 1 else tracks[0]


def open_container(source: str) -> closing[InputContainer]:
    """The file, to be read by nobody else and to lead nowhere else. Raises Undecodable, and OSError where we fail."""
    try:
        return closing(av.open(source, options=OPTIONS, metadata_errors="replace"))
    except av.error.FFmpegError as error:
        raise_if_ours(error, source)
        raise Undecodable(_why(source, error)) from error


def is_cut_off(source: str) -> bool:
    """It is an mp4 that ends before one of its boxes does, so that tracks may be missing."""
    with Path(source).open("rb") as file:
        end, at = file.seek(0, 2), 0
        while at + 16 <= end:
            file.seek(at)
            size, kind, long_size = struct.unpack(">I4sQ", file.read(16))
            if at == 0 and kind != b"ftyp":
                return False
            at += max({0: end - at, 1: long_size}.get(size, size), 8)
    return at > end


def raise_if_ours(error: av.error.FFmpegError, source: str) -> None:
    """Raises OSError where the machine is to blame, so that the work is tried again, and MemoryError."""
    if error.errno == errno.ENOMEM:
        raise MemoryError from error
    if error.errno in (errno.EMFILE, errno.ENFILE):
        raise OSError(error.errno, error.strerror)
    if error.errno == errno.EIO:  # FFmpeg says so of broken files too: see whether the disk gives every byte
        with Path(source).open("rb") as file:
            while file.read(_CHUNK):
                pass


def _why(source: str, error: av.error.FFmpegError) -> str:
    with Path(source).open("rb") as file:
        head = file.read(12)
    if not head:
        return "the file is empty"
    if head[4:8] == b"ftyp":
        return "an mp4 without a readable index: it was cut off, or its recording never ended"
    return f"not a media file that can be read: {error.strerror}"


def _is_known(stream: AudioStream) -> bool:
    return getattr(stream, "codec_context", None) is not None


def _blocks(track: Track) -> Iterator[Samples]:
    """Its samples, stereo, in blocks of exactly a second."""
    size = 2 * MIX_RATE
    waiting = np.empty(0, np.int16)
    resampler = Resampler("stereo", MIX_RATE)
    for frame in chain(track.large_frames(), [None]):
        waiting = np.concatenate([waiting, *resampler.resample(frame)])
        while len(waiting) >= size:
            yield waiting[:size]
            waiting = waiting[size:]
    if len(waiting):
        yield waiting


def _all_of(fifo: AudioFifo) -> Iterator[AudioFrame]:
    rest = fifo.read(partial=True) if fifo.samples_written else None
    if rest:
        yield rest
