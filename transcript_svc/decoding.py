"""Decodes one file in a child process: every sample is decoded once and goes to the wav, the mp3 and the peaks."""

import errno
import queue
import threading
import time
import wave
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import av
import lameenc
import numpy as np
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from transcript_svc.peaks import Peaks
from transcript_svc.workers import Message, serve

WAV_RATE = 16_000
MP3_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
MP3_KBPS_PER_CHANNEL = 64
MP3_QUALITY = 5
LONGEST_SECONDS = 24 * 3600
PROGRESS_SECONDS = 0.25
# Work is done on about a second of audio at a time: frame by frame it takes three times the CPU.
LARGE_FRAME_SECONDS = 1

# A playlist would name other files for us to open; only containers that hold their own bytes are read.
CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mp3,wav,w64,ogg,flac,aac,avi,flv,asf,mpegts,aiff,caf,amr"
OPTIONS = {"protocol_whitelist": "file", "format_whitelist": CONTAINERS}

# The machine's troubles, not the file's: with these the work is tried again.
OURS = frozenset({errno.EIO, errno.ENOSPC, errno.ENOMEM, errno.EMFILE, errno.ENFILE})

Samples = NDArray[np.int16]


class Undecodable(Exception):
    """The file's fault; the message says which."""


def do(request: Message) -> Iterator[Message]:
    """One request of `transcript_svc.media`."""
    if "probe" in request:
        with _opened(request["probe"]) as container:
            yield {"has_audio": bool(container.streams.audio), "duration_ms": _claimed_ms(container)}
    else:
        yield from decode(request["decode"], request["wav"], request["mp3"], request["peaks"])


def decode(source: str, wav: str, mp3: str | None, peak_count: int) -> Iterator[Message]:
    """Progress now and then, at last what was found."""
    with _opened(source) as container, ExitStack() as outputs:
        total_ms = _claimed_ms(container)
        if not container.streams.audio:
            yield _found(has_audio=False, duration_ms=total_ms)
            return
        track = _Track(container, container.streams.audio[0])
        peaks = Peaks(peak_count)
        samples = outputs.enter_context(_WavFile(wav))
        playable = outputs.enter_context(_Mp3File(mp3, track.stream)) if mp3 else None
        last = time.monotonic()
        for frame in track.large_frames():
            for piece in samples.write(frame):
                peaks.add(piece)
            if playable:
                playable.write(frame)
            if time.monotonic() - last > PROGRESS_SECONDS:
                last = time.monotonic()
                yield {"done_ms": samples.duration_ms, "total_ms": total_ms}
        for piece in samples.write(None):
            peaks.add(piece)
        if not samples.duration_ms:
            raise Undecodable("the audio track holds no sound that can be decoded")
    yield _found(True, samples.duration_ms, peaks.finished(), track.damaged)


class _Track:
    """One audio track as large frames of one format; what cannot be decoded is left out and counted."""

    def __init__(self, container: InputContainer, stream: AudioStream) -> None:
        if getattr(stream, "codec_context", None) is None:
            raise Undecodable("the audio track's codec is not known")
        self.stream = stream
        self.damaged = 0
        self._container = container

    def large_frames(self) -> Iterator[AudioFrame]:
        fifo, form = AudioFifo(), None
        decoded = 0
        for frame in self._frames():
            decoded += frame.samples
            if decoded > LONGEST_SECONDS * frame.sample_rate:
                raise Undecodable(f"the audio is longer than {LONGEST_SECONDS // 3600} h")
            if form not in (None, _form(frame)):  # a track may change its rate or channels on the way
                yield from _all_of(fifo)
                fifo = AudioFifo()
            form = _form(frame)
            frame.pts = None
            fifo.write(frame)
            yield from fifo.read_many(frame.sample_rate * LARGE_FRAME_SECONDS)
        yield from _all_of(fifo)

    def _frames(self) -> Iterator[AudioFrame]:
        packets = self._container.demux(self.stream)
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    return
            except av.error.FFmpegError as error:
                _raise_if_ours(error)
                self.damaged += 1
                return  # the file ends too early
            try:
                frames = packet.decode()
            except av.error.FFmpegError as error:
                _raise_if_ours(error)
                self.damaged += 1
                continue
            yield from (frame for frame in frames if isinstance(frame, AudioFrame) and frame.samples)


class _Resampler:
    """A resampler that also takes what PyAV's does not: frames whose format changes."""

    def __init__(self, layout: str, rate: int) -> None:
        self._wanted: dict[str, Any] = {"format": "s16", "layout": layout, "rate": rate}
        self._resampler: AudioResampler | None = None
        self._form: tuple[Any, ...] | None = None

    def resample(self, frame: AudioFrame | None) -> Iterator[Samples]:
        form = _form(frame) if frame else None
        if form != self._form and self._resampler:
            yield from (_samples(out) for out in self._resampler.resample(None))
            self._resampler = None
        self._form = form
        if frame:
            self._resampler = self._resampler or AudioResampler(**self._wanted)
            yield from (_samples(out) for out in self._resampler.resample(frame))


class _WavFile:
    """16 kHz, one channel, 16 bits: what recognisers are trained on."""

    def __init__(self, path: str) -> None:
        self._file = wave.open(path, "wb")  # noqa: SIM115 - closed by __exit__
        self._file.setparams((1, 2, WAV_RATE, 0, "NONE", ""))
        self._resampler = _Resampler("mono", WAV_RATE)
        self._count = 0

    @property
    def duration_ms(self) -> int:
        return self._count * 1000 // WAV_RATE

    def write(self, frame: AudioFrame | None) -> Iterator[Samples]:
        """Writes and passes on the resampled samples; None flushes."""
        for samples in self._resampler.resample(frame):
            self._file.writeframesraw(samples.tobytes())
            self._count += len(samples)
            yield samples

    def __enter__(self) -> "_WavFile":
        return self

    def __exit__(self, *raised: object) -> None:
        self._file.close()


class _Mp3File:
    """Encodes in a thread of its own; LAME works outside Python's lock, so both cores are busy."""

    def __init__(self, path: str, stream: AudioStream) -> None:
        channels = min(max(stream.codec_context.channels, 1), 2)
        rate = min(MP3_RATES, key=lambda rate: abs(rate - (stream.codec_context.sample_rate or WAV_RATE)))
        self._resampler = _Resampler("stereo" if channels == 2 else "mono", rate)
        self._encoder = _mp3_encoder(rate, channels)
        self._path = path
        self._pieces: queue.Queue[Samples | None] = queue.Queue(maxsize=8)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._encode)

    def write(self, frame: AudioFrame | None) -> None:
        if self._failure:
            raise self._failure
        for samples in self._resampler.resample(frame):
            self._pieces.put(samples)

    def _encode(self) -> None:
        with Path(self._path).open("wb") as file:
            while (samples := self._pieces.get()) is not None:
                if self._failure is None:  # after a failure only drain, or the writer waits for ever
                    try:
                        file.write(self._encoder.encode(samples))
                    except Exception as error:  # handed to the writer
                        self._failure = error
            file.write(self._encoder.flush())

    def __enter__(self) -> "_Mp3File":
        self._thread.start()
        return self

    def __exit__(self, kind: object, *raised: object) -> None:
        if kind is None:
            self.write(None)
        self._pieces.put(None)
        self._thread.join()
        if kind is None and self._failure:
            raise self._failure


def _mp3_encoder(rate: int, channels: int) -> Any:  # lameenc has no stubs
    encoder = lameenc.Encoder()
    encoder.set_in_sample_rate(rate)
    encoder.set_out_sample_rate(rate)
    encoder.set_channels(channels)
    encoder.set_bit_rate(MP3_KBPS_PER_CHANNEL * channels)
    encoder.set_quality(MP3_QUALITY)
    encoder.silence()
    return encoder


def _opened(source: str) -> closing[InputContainer]:
    try:
        return closing(av.open(source, options=OPTIONS))
    except av.error.FFmpegError as error:
        _raise_if_ours(error)
        raise Undecodable(f"not a media file that can be read: {error.strerror}") from error


def _claimed_ms(container: InputContainer) -> int:
    return max((container.duration or 0) * 1000 // av.time_base, 0)


def _found(has_audio: bool, duration_ms: int, peaks: list[float] | None = None, damaged: int = 0) -> Message:
    found = {"has_audio": has_audio, "duration_ms": duration_ms, "peaks": peaks or [], "damaged": damaged}
    return {"decoded": found}


def _form(frame: AudioFrame) -> tuple[Any, ...]:
    return frame.format.name, frame.layout.name, frame.sample_rate


def _all_of(fifo: AudioFifo) -> Iterator[AudioFrame]:
    rest = fifo.read(partial=True) if fifo.samples_written else None
    if rest:
        yield rest


def _samples(frame: AudioFrame) -> Samples:
    return frame.to_ndarray().reshape(-1).astype(np.int16, copy=False)


def _raise_if_ours(error: av.error.FFmpegError) -> None:
    if error.errno in OURS:
        raise OSError(error.errno, error.strerror)


if __name__ == "__main__":
    serve(do, Undecodable, OSError)
