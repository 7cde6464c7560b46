"""Decodes one file in a child process: every sample is decoded once and goes to the wav, the mp3 and the peaks."""

import resource
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import av
from av.container import InputContainer

from transcript_svc.audio_files import Mp3File, WavFile
from transcript_svc.peaks import Peaks
from transcript_svc.speakers import NOBODY, Voices
from transcript_svc.tracks import Undecodable, is_cut_off, open_container, raise_if_ours, sound_of
from transcript_svc.workers import Message, serve

PROGRESS_SECONDS = 0.25
# Three hours of mp4 take less than half of this, counted as the kernel counts here: addresses, not pages.
MEMORY_LIMIT = 2**30
# Of pictures nothing but the claim is known, and no audio may last longer either.
DAY_MS = 24 * 3600 * 1000


def do(request: Message) -> Iterator[Message]:
    """One request of `transcript_svc.media`."""
    source = request.get("probe") or request["decode"]
    try:
        _limit(request["cpu_seconds"])
        yield from (
            probe(source)
            if "probe" in request
            else decode(source, request["wav"], request["mp3"], request["peaks"], request["audio_seconds"])
        )
    except MemoryError as error:  # FFmpeg's own is one, too
        raise Undecodable(f"decoding takes more than {MEMORY_LIMIT // 2**20} MiB of memory") from error
    except av.error.FFmpegError as error:
        raise_if_ours(error, source)
        raise Undecodable(f"the audio cannot be converted: {error.strerror}") from error


def probe(source: str) -> Iterator[Message]:
    """What the file says of itself."""
    with open_container(source) as container:
        yield {"has_audio": bool(container.streams.audio), "duration_ms": _claimed_ms(container)}


def decode(source: str, wav: str, mp3: str | None, peak_count: int, longest_seconds: int) -> Iterator[Message]:
    """Progress now and then, at last what was found."""
    with open_container(source) as container, ExitStack() as opened:
        total_ms = _claimed_ms(container)
        sound = sound_of(source, container, opened, longest_seconds)
        if sound is None:
            yield _found(has_audio=False, duration_ms=total_ms)
            return
        peaks = Peaks(peak_count)
        samples = opened.enter_context(WavFile(wav))
        playable = opened.enter_context(Mp3File(mp3, sound.rate, sound.channels)) if mp3 else None
        last = time.monotonic()
        for frame in sound.large_frames():
            for piece in samples.write(frame):
                peaks.add(piece)
            if playable:
                playable.write(frame)
            if samples.duration_ms > longest_seconds * 1000:
                raise Undecodable(f"the file holds more than {_readable(longest_seconds)} of audio for its size")
            if time.monotonic() - last > PROGRESS_SECONDS:
                last = time.monotonic()
                yield {"done_ms": samples.duration_ms, "total_ms": total_ms}
        for piece in samples.write(None):
            peaks.add(piece)
        if not samples.duration_ms and (not sound.is_empty or total_ms or is_cut_off(source)):
            raise Undecodable("the audio track holds no sound that can be decoded")
    # A track in which nothing was ever recorded is like none.
    yield _found(samples.duration_ms > 0, samples.duration_ms, peaks.finished(), sound.damaged, sound.voices)


def _limit(cpu_seconds: int) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = int(used.ru_utime + used.ru_stime) + cpu_seconds
    resource.setrlimit(resource.RLIMIT_CPU, (most, most + 1))  # the kernel's answer is SIGXCPU


def _claimed_ms(container: InputContainer) -> int:
    return min(max((container.duration or 0) * 1000 // av.time_base, 0), DAY_MS)


def _found(
    has_audio: bool, duration_ms: int, peaks: Sequence[float] = (), damaged: int = 0, voices: Voices = NOBODY
) -> Message:
    found = {
        "has_audio": has_audio,
        "duration_ms": duration_ms,
        "peaks": peaks if has_audio else (),
        "damaged": damaged,
        "voices": voices.to_json(),
    }
    return {"decoded": found}


def _readable(seconds: int) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds} s"


if __name__ == "__main__":
    serve(do, Undecodable, OSError, memory_limit=MEMORY_LIMIT)
