"""Every broken, odd or hostile file comes to a clear end, within its limits and without a look at anything else."""

import asyncio
import ctypes
import os
import re
import struct
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.transcript.media_bytes import boxes, media, wav
from tests.transcript.odd_files import FOLDER, SERVER, Odd, corpus
from transcript_svc.domain import Status
from transcript_svc.media import PEAK_COUNT, BrokenMedia, Decoded, Limits, decode

AT_ONCE = 3
EACH = "test_an_odd_file_comes_to_a_clear_end"
CORPUS = {odd.name: odd for odd in corpus()}


@dataclass(frozen=True)
class End:
    """What became of one file."""

    status: Status
    failure: str
    decoded: Decoded | None
    seconds: float
    limits: Limits


class Endings:
    """Decodes those of the files that are asked about, a few at once, and watches what else is touched."""

    def __init__(self, folder: Path, server: str, names: list[str]) -> None:
        self._folder = folder
        self._server = server
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._works = {name: asyncio.create_task(self._decode(CORPUS[name])) for name in names}

    async def of(self, name: str) -> End:
        """How that file ended."""
        return await self._works[name]

    async def _decode(self, odd: Odd) -> End:
        async with self._turns:
            folder = self._folder / re.sub(r"\W", "-", odd.name)
            folder.mkdir()
            (folder / "secret.wav").write_bytes(wav(data=bytes(range(256)) * 100))
            source = folder / f"source.{odd.ending}"
            content = odd.content().replace(FOLDER, os.fsencode(folder))
            source.write_bytes(content.replace(SERVER, self._server.encode()))
            began = time.monotonic()
            with opened_in(folder) as opened:
                end = await _end(source)
                touched = opened()
            assert source.name in touched
            assert "secret.wav" not in touched
            return End(*end, time.monotonic() - began, Limits.of(source.stat().st_size))


async def _end(source: Path) -> tuple[Status, str, Decoded | None]:
    async def ignore(done_ms: int, total_ms: int) -> None: ...

    try:
        found = await decode(source, source.with_name("out.wav"), source.with_name("out.mp3"), ignore)
    except BrokenMedia as error:
        return Status.FAILED, str(error), None
    return (Status.COMPLETED if found.has_audio else Status.NO_AUDIO), "", found


@pytest.fixture(scope="module")
async def endings(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, quick_children: None
) -> AsyncIterator[Endings]:
    tests = [item for item in request.session.items if isinstance(item, pytest.Function)]
    names = [str(test.callspec.params["name"]) for test in tests if test.originalname == EACH]
    called: Counter[str] = Counter()
    server = await asyncio.start_server(lambda reader, writer: called.update(["call"]), "127.0.0.1")
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/secret.wav"
    yield Endings(tmp_path_factory.mktemp("odd"), address, names)
    server.close()
    assert not called, "a file made us call an address"


@pytest.mark.parametrize("name", CORPUS)
async def test_an_odd_file_comes_to_a_clear_end(endings: Endings, name: str) -> None:
    odd, end = CORPUS[name], await endings.of(name)
    assert end.status in odd.expected, end
    assert end.seconds < end.limits.wall_seconds
    if end.status is Status.FAILED:
        assert re.search(odd.says, end.failure), end.failure
        assert odd.says, end.failure
        assert "Errno" not in end.failure
    if end.status is Status.COMPLETED:
        assert end.decoded is not None
        least, most = odd.seconds
        assert least <= end.decoded.duration_ms / 1000 <= most
        assert len(end.decoded.peaks) == PEAK_COUNT


def test_there_are_enough_of_them_and_no_two_are_called_alike() -> None:
    assert len(corpus()) == len(CORPUS) >= 60


def test_mp4s_are_cut_at_every_box() -> None:
    cuts = [name for name in CORPUS if name.startswith("mp4, index last, cut before")]
    assert len(cuts) == len(list(boxes(media("mp4")))) - 1  # what is cut before its first box is empty


@contextmanager
def opened_in(folder: Path) -> Iterator[Callable[[], list[str]]]:
    """Tells the names of the files that were opened in a folder, by whomever."""
    kernel = ctypes.CDLL(None, use_errno=True)
    descriptor = kernel.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    with closing(os.fdopen(descriptor, "rb", buffering=0)) as events:
        in_open = 0x20
        assert kernel.inotify_add_watch(descriptor, os.fsencode(folder), in_open) > 0

        def names() -> list[str]:
            told, found, at = events.read(65_536) or b"", [], 0
            while at < len(told):
                length = struct.unpack_from("I", told, at + 12)[0]
                found.append(told[at + 16 : at + 16 + length].rstrip(b"\0").decode())
                at += 16 + length
            return found

        yield names
