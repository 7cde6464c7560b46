"""A corpus of broken, odd and hostile files, and what is to become of each."""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from tests.transcript.media_bytes import (
    FRAGMENTED,
    boxes,
    elements,
    encoded,
    flipped,
    media,
    patched,
    picture_only,
    wav,
)  # fmt: skip
from transcript_svc.domain import Status

# Replaced by the folder in which the file lies, beside a sound called secret.wav, and by a server that listens.
FOLDER, SERVER = b"@FOLDER@", b"@SERVER@"
ANY = (Status.COMPLETED, Status.NO_AUDIO, Status.FAILED)
DONE, SILENT, FAILED = (Status.COMPLETED,), (Status.NO_AUDIO,), (Status.FAILED,)

NO_MEDIA = "not a media file that can be read"
NO_INDEX = "an mp4 without a readable index"
NO_SOUND = "holds no sound that can be decoded"
UNFIT = "cannot be converted"
UNKNOWN = "codec is not known"
CUT_OFF = "was cut off or never finished"
BROKEN = f"{NO_MEDIA}|{NO_INDEX}|{NO_SOUND}|{UNFIT}|{CUT_OFF}|{UNKNOWN}|more than"


@dataclass(frozen=True)
class Odd:
    """One file."""

    name: str
    content: Callable[[], bytes]
    expected: tuple[Status, ...]
    # Part of the sentence that tells why it failed.
    says: str = ""
    # Where it is completed.
    seconds: tuple[float, float] = (1.8, 2.2)
    ending: str = "mp4"


def corpus() -> list[Odd]:
    """All files. They are made only when their bytes are asked for, apart from those whose borders must be known."""
    return [*usual(), *without_sound(), *no_media(), *leading_elsewhere(), *cut(), *cut_mkv(), *damaged(), *lying()]


def usual() -> Iterator[Odd]:
    """What any recorder may write."""
    for rate in (8_000, 11_025, 22_050, 96_000):
        yield Odd(f"mp4 at {rate} Hz", partial(media, "mp4", rate=rate), DONE)
    for layout in ("stereo", "2.1", "quad", "5.0", "5.1", "7.1"):
        yield Odd(f"mp4 in {layout}", partial(media, "mp4", layout=layout), DONE)
    for container, codec in (
        ("matroska", "libopus"), ("webm", "libopus"), ("ogg", "libopus"), ("flac", "flac"), ("mp3", "libmp3lame"),
        ("wav", "pcm_s16le"), ("wav", "pcm_mulaw"), ("w64", "pcm_f32le"), ("ipod", "aac"), ("mov", "pcm_s16le"),
        ("adts", "aac"), ("avi", "libmp3lame"), ("mpegts", "aac"), ("flv", "aac"), ("aiff", "pcm_s16be"),
        ("caf", "pcm_s16le"), ("3gp", "aac"), ("mp4", "ac3"),
    ):  # fmt: skip
        yield Odd(f"{codec} in {container}", partial(media, container, codec), DONE)
    yield Odd("mp4 in fragments", partial(media, "mp4", flags=FRAGMENTED), DONE)
    yield Odd("two tracks", partial(media, "mp4", tracks=2), DONE)
    yield Odd("three tracks in mkv", partial(media, "matroska", "libopus", tracks=3), DONE)
    silence = [np.zeros(96_000, np.int16)]
    yield Odd("silence", partial(encoded, "mp4", "aac", 48_000, "mono", silence), DONE)
    for container, codec in (("matroska", "libopus"), ("mp3", "libmp3lame"), ("wav", "pcm_s16le")):
        yield Odd(f"{container} named mp4", partial(media, container, codec), DONE)
    yield Odd("mp4 named txt", partial(media, "mp4"), DONE, ending="txt")
    yield Odd("mp4 named m3u8", partial(media, "mp4"), DONE, ending="m3u8")
    yield Odd("rate and channels change", lambda: media("adts") + media("adts", "aac", 22_050, "stereo"), DONE,
              seconds=(3.8, 4.3))  # fmt: skip
    yield Odd("mp3 whose rate changes", lambda: media("mp3", "libmp3lame")
              + media("mp3", "libmp3lame", 22_050), DONE, seconds=(3.7, 4.4))  # fmt: skip
    yield Odd("ogg chained", lambda: media("ogg", "libopus") * 2, DONE, seconds=(1.9, 4.2))


def without_sound() -> Iterator[Odd]:
    """Files that are whole and in which nothing is to be heard."""
    for name in ("a.mp4", "a.mkv", "a.avi"):
        yield Odd(f"only pictures in {name}", partial(picture_only, name), SILENT)
    nothing = [np.zeros(0, np.int16)]
    for container, codec in (("wav", "pcm_s16le"), ("flac", "flac")):
        yield Odd(f"{container} of no length", partial(encoded, container, codec, 48_000, "mono", nothing), SILENT)
    yield Odd("mov without tracks", partial(encoded, "mov", "pcm_s16le", 48_000, "mono", nothing), FAILED, CUT_OFF)
    yield Odd("mkv of no length", partial(encoded, "matroska", "pcm_s16le", 48_000, "mono", nothing), FAILED, NO_MEDIA)


def no_media() -> Iterator[Odd]:
    """Anything but a recording."""
    yield Odd("empty", lambda: b"", FAILED, "the file is empty")
    yield Odd("one byte", lambda: b"\0", FAILED, NO_MEDIA)
    yield Odd("zeros", lambda: bytes(100_000), FAILED, NO_MEDIA)
    yield Odd("noise", lambda: np.random.default_rng(1).bytes(100_000), ANY, NO_MEDIA)
    yield Odd("text", lambda: b"The meeting was not recorded. " * 300, FAILED, NO_MEDIA)
    yield Odd("html", lambda: b"<!DOCTYPE html><html><body><h1>403 Forbidden</h1></body></html>", FAILED, NO_MEDIA)
    yield Odd("json", lambda: b'{"error": {"code": "NoSuchKey", "key": "a.mp4"}}', FAILED, NO_MEDIA)
    yield Odd("png", lambda: b"\x89PNG\r\n\x1a\n" + bytes(2_000), FAILED, NO_MEDIA)
    yield Odd("zip", lambda: b"PK\x03\x04" + bytes(2_000), FAILED, NO_MEDIA)
    yield Odd("head of an mp4", lambda: media("mp4")[:28], FAILED, NO_INDEX)
    yield Odd("head of a wav", lambda: b"RIFF\xff\xff\xff\xffWAVEfmt ", FAILED, NO_MEDIA)


def leading_elsewhere() -> Iterator[Odd]:
    """Files that name other files or addresses, none of which may be opened."""
    hls = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n%s\n#EXT-X-ENDLIST\n"
    for name, target in (("file", FOLDER + b"/secret.wav"), ("neighbour", b"secret.wav"), ("address", SERVER)):
        yield Odd(f"hls with a {name}", partial(bytes, hls % target), FAILED, NO_MEDIA, ending="m3u8")
        yield Odd(f"concat with a {name}", partial(bytes, b"ffconcat version 1.0\nfile '%s'\n" % target), FAILED,
                  NO_MEDIA, ending="ffconcat")  # fmt: skip
    dash = b'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>%s</BaseURL><Period></Period></MPD>' % SERVER
    yield Odd("dash manifest", lambda: dash, FAILED, NO_MEDIA, ending="mpd")
    yield Odd("sdp", lambda: b"v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n", FAILED,
              NO_MEDIA, ending="sdp")  # fmt: skip
    yield Odd("playlist", lambda: b"[playlist]\nFile1=%s\nNumberOfEntries=1\n" % SERVER, FAILED, NO_MEDIA, ending="pls")
    yield Odd("mov whose sound is in another file", lambda: _elsewhere(media("mov", "pcm_s16le")), FAILED, NO_SOUND)


def cut() -> Iterator[Odd]:
    """Mp4s that end too early: at every box, and in its middle."""
    shapes = {"index last": "", "index first": "faststart", "fragments": FRAGMENTED}
    for shape, flags in shapes.items():
        whole = media("mp4", flags=flags)
        for number, (box, at) in enumerate(boxes(whole)):
            if at:
                yield _cut(f"mp4, {shape}, cut before {box} ({number})", whole, at)
            if box in ("mdat", "moov", "moof"):
                yield _cut(f"mp4, {shape}, cut inside {box} ({number})", whole, at + 9)
    first = media("mp4", flags="faststart")
    yield Odd("mp4, index first, half", lambda: first[: len(first) // 2], DONE, seconds=(0.7, 1.3))
    pictures = picture_only("a.mp4")
    yield Odd("pictures, cut in their index", lambda: pictures[:-50], FAILED, f"{NO_INDEX}|{CUT_OFF}")


def _cut(name: str, whole: bytes, end: int) -> Odd:
    # The samples' places come last of what is needed; whatever comes behind them may be missing.
    expected = ANY if b"stco" in whole[:end] else FAILED
    return Odd(
        name,
        partial(_beginning, whole, end),
        expected,
        f"{NO_INDEX}|{NO_SOUND}|{CUT_OFF}|{UNKNOWN}",
        seconds=(0.0, 2.2),
    )


def cut_mkv() -> Iterator[Odd]:
    """An mkv that ends at each of its elements."""
    whole = media("matroska", "libopus")
    for number, at in enumerate(elements(whole)):
        if at:
            yield Odd(f"mkv cut before element {number}", partial(_beginning, whole, at), ANY, f"{NO_SOUND}|{NO_MEDIA}",
                      seconds=(0.0, 2.2))  # fmt: skip
    yield Odd("mkv, half", lambda: whole[: len(whole) // 2], DONE, seconds=(0.7, 1.3))


def damaged() -> Iterator[Odd]:
    """Bits turned over: whatever can be heard is kept."""
    for seed, (container, codec) in enumerate(
        (("mp4", "aac"), ("mp4", "aac"), ("mp4", "aac"), ("matroska", "libopus"), ("matroska", "libopus"),
         ("webm", "libopus"), ("mp3", "libmp3lame"), ("ogg", "libopus"), ("flac", "flac"), ("wav", "pcm_s16le"),
         ("avi", "libmp3lame"), ("mpegts", "aac"), ("flv", "aac"))
    ):  # fmt: skip
        yield Odd(f"{container} with flipped bits, {seed}", partial(_flipped, container, codec, seed), ANY,
                  BROKEN, (0, 3_700))  # fmt: skip


def lying() -> Iterator[Odd]:
    """Headers that claim what is not so."""
    second = (0.9, 1.1)
    day = struct.pack(">I", 24 * 3600 * 1000)
    yield Odd("mp4 that claims 24 h", lambda: patched(media("mp4"), b"mvhd", 16, day), DONE)
    yield Odd("mp4 whose every sample lasts a day", lambda: patched(media("mp4"), b"stts", 12, b"\x7f\xff\xff\xff"),
              ANY, NO_SOUND, (0, 3))  # fmt: skip
    many = b"\0\0\0\1\x7f\xff\xff\xff"
    yield Odd("mp4 that claims 2 billion samples", lambda: patched(media("mp4"), b"stsz", 4, many),
              ANY, f"{NO_INDEX}|{NO_SOUND}|{UNFIT}|memory", (0, 3))  # fmt: skip
    yield Odd("mp4 with a box of negative size", lambda: patched(media("mp4"), b"moov", -8, b"\xff\xff\xff\xf0"), ANY,
              f"{NO_INDEX}|{NO_SOUND}")  # fmt: skip
    yield Odd(
        "mp4 with a box that is all the rest", lambda: patched(media("mp4"), b"mdat", -8, bytes(4)), FAILED, NO_INDEX
    )
    yield Odd("mp4 of a million channels", lambda: patched(media("mov", "pcm_s16le"), b"sowt", 16, b"\xff\xff"), ANY,
              f"{NO_SOUND}|{UNFIT}|{NO_INDEX}", (0, 3))  # fmt: skip
    yield Odd("wav that claims 24 h", lambda: wav(data_size=8_000 * 2 * 86_400), DONE, seconds=second)
    yield Odd("wav of negative size", lambda: wav(data_size=2**32 - 1, riff_size=2**32 - 1), DONE, seconds=second)
    yield Odd("wav at 4 GHz", lambda: wav(rate=2**32 - 1), FAILED, f"{NO_MEDIA}|{UNFIT}|{NO_SOUND}")
    yield Odd("wav at 2 GHz", lambda: wav(rate=2**31 - 1), FAILED, "MiB of memory")
    yield Odd("wav at 0 Hz", lambda: wav(rate=0), FAILED, f"{NO_MEDIA}|{UNFIT}|{NO_SOUND}")
    yield Odd("wav of 65535 channels", lambda: wav(channels=65_535, data=bytes(400_000)), FAILED,
              f"{NO_MEDIA}|{UNFIT}|{NO_SOUND}")  # fmt: skip
    yield Odd("wav of no channels", lambda: wav(channels=0), FAILED, f"{NO_MEDIA}|{NO_SOUND}|{UNFIT}")
    yield Odd("wav whose block is 0", lambda: wav(block=0), ANY, f"{NO_MEDIA}|{NO_SOUND}", (0, 1.1))
    yield Odd("wav at 1 Hz, of days", lambda: wav(rate=1, data=bytes(10_000)), FAILED, "more than 1.0 h of audio")
    opus = partial(media, "matroska", "libopus")
    yield Odd("mkv of a million channels", lambda: patched(opus(), b"\x9f", 0, b"\x81\xff"), ANY, ".", (0, 3))
    yield Odd("mkv at 1 GHz", lambda: patched(opus(), b"\xb5\x88", 0, struct.pack(">d", 1e9)), ANY, ".", (0, 3))
    yield Odd(
        "mkv at no rate", lambda: patched(opus(), b"\xb5\x88", 0, struct.pack(">d", float("nan"))), ANY, ".", (0, 3)
    )
    yield Odd("mkv that claims 24 h", lambda: patched(opus(), b"\x44\x89\x88", 0, struct.pack(">d", 86_400e3)), DONE)
    yield Odd("mp4 whose track is called what is no UTF-8",
              lambda: media("mp4").replace(b"SoundHandler", b"Sound\xff\xc3\xe9dler"), DONE)  # fmt: skip
    yield Odd("flac that claims 24 h", lambda: patched(media("flac", "flac"), b"fLaC", 17, b"\xff" * 5), ANY,
              f"{NO_MEDIA}|{NO_SOUND}", (0, 3))  # fmt: skip
    yield Odd("mp3 with a tag of 256 MiB", lambda: b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + media("mp3", "libmp3lame"), FAILED,
              f"{NO_MEDIA}|{NO_SOUND}")  # fmt: skip


def _beginning(whole: bytes, end: int) -> bytes:
    return whole[:end]


def _flipped(container: str, codec: str, seed: int) -> bytes:
    return flipped(media(container, codec), seed)


def _elsewhere(whole: bytes) -> bytes:
    """The same mov, whose table of sources says, in the way of the old Mac OS, that the sound lies in secret.wav."""
    path = b"disk:secret.wav\0"
    alias = (
        bytes(10) + b"\4disk".ljust(28, b"\0") + bytes(12) + b"\x0asecret.wav".ljust(64, b"\0") + bytes(16)
        + struct.pack(">HH16xHH", 1, 1, 2, len(path)) + path + b"\xff\xff\0\0"
    )  # fmt: skip
    entry = struct.pack(">I4sI", len(alias) + 12, b"alis", 0) + alias
    table = struct.pack(">I4sII", len(entry) + 16, b"dref", 0, 1) + entry
    at = whole.index(b"dref") - 4
    old = struct.unpack_from(">I", whole, at)[0]
    longer = bytearray(whole[:at] + table + whole[at + old :])
    for parent in (b"moov", b"trak", b"mdia", b"minf", b"dinf"):
        begin = whole.index(parent) - 4
        struct.pack_into(">I", longer, begin, struct.unpack_from(">I", whole, begin)[0] + len(table) - old)
    return bytes(longer)
