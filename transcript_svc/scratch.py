"""The one place on disk where audio may lie while it is worked on: private, registered before it is used, wiped."""

import asyncio
import fcntl
import os
import shutil
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from assent.recording.v1 import recording_pb2
from assent.recording.v1 import recording_service_pb2 as rpc

from chassis.errors import ServiceError
from chassis.tasks import end

if TYPE_CHECKING:
    from assent.recording.v1.recording_service_pb2_grpc import RecordingServiceAsyncStub

log = structlog.get_logger()

SWEEP_SECONDS = 2.0


class Scratch:
    """Folders below one directory that belongs to this instance alone.

    An erasure waits until recording_svc has heard that our copy is wiped, so that word is repeated until it is
    taken. Use as an async context manager: what an earlier life of this instance left is wiped first.
    """

    def __init__(
        self,
        directory: Path,
        instance: str,
        recordings: "RecordingServiceAsyncStub",
        is_ours: asyncio.Event | None = None,
    ) -> None:
        self._directory = directory
        self._instance = instance
        self._recordings = recordings
        # Whether the name is: another's folders are not ours to release.
        self._is_ours = is_ours
        # Whose work has ended: what still lies there, and what is wiped but not released.
        self._left: set[str] = set()
        self._wiped: set[str] = set()
        self._ready = asyncio.Event()
        # Registering a folder and releasing its predecessor must not overtake one another.
        self._calls = asyncio.Lock()
        self._wiping = asyncio.Lock()
        self._owned = ExitStack()
        self._sweeping: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Scratch":
        self._owned.enter_context(_owned(self._directory))
        await asyncio.to_thread(_wipe_all, self._directory)
        self._sweeping = asyncio.create_task(self._sweep(), name="scratch sweep")
        return self

    async def __aexit__(self, *raised: object) -> None:
        if self._sweeping:
            await end(self._sweeping)
        await asyncio.to_thread(_wipe_all, self._directory)
        self._owned.close()
        with suppress(ServiceError):  # our next life says it again
            await self._release_wiped()

    @asynccontextmanager
    async def folder(self, recording_id: str) -> AsyncIterator[Path]:
        """An empty private folder for the work on one recording, wiped at the end, however that comes.

        Raises what RegisterCopy raises, and OSError, also where it cannot be wiped; the sweep goes on trying.
        """
        # Only then: releasing what an earlier life held would release this folder too.
        await self._ready.wait()
        folder = self._directory / recording_id
        try:
            await self._wipe_ended({recording_id} & self._left)
            await self._register(recording_id)
            await asyncio.to_thread(folder.mkdir, mode=0o700)
            yield folder
        finally:
            await asyncio.shield(self._put_away(recording_id))

    async def _register(self, recording_id: str) -> None:
        place = rpc.RegisterCopyRequest(
            recording_id=recording_id, kind=recording_pb2.COPY_KIND_SCRATCH, bucket=self._instance, key=recording_id
        )
        async with self._calls:
            self._wiped.discard(recording_id)
            await self._recordings.RegisterCopy(place)

    async def _put_away(self, recording_id: str) -> None:
        self._left.add(recording_id)
        await self._wipe_ended({recording_id})
        try:
            await self._release_wiped()
        except ServiceError as error:
            log.warning("scratch_release_deferred", recording_id=recording_id, reason=error.reason)

    async def _wipe_ended(self, recording_ids: Iterable[str]) -> None:
        """Wipe what lies there of work that has ended. Raises OSError, once all was tried."""
        failure: OSError | None = None
        async with self._wiping:
            for recording_id in recording_ids:
                if recording_id not in self._left:
                    continue  # somebody else wiped it meanwhile, and it may be in use again
                try:
                    await asyncio.to_thread(_wipe, self._directory / recording_id)
                except OSError as error:
                    log.error("scratch_not_wiped", recording_id=recording_id, error=str(error))
                    failure = error
                else:
                    self._left.discard(recording_id)
                    self._wiped.add(recording_id)
        if failure:
            raise failure

    async def _sweep(self) -> None:
        if self._is_ours:
            await self._is_ours.wait()
        while True:
            try:
                if not self._ready.is_set():
                    await self._recordings.ReleaseScratch(rpc.ReleaseScratchRequest(instance=self._instance))
                    self._ready.set()
                with suppress(OSError):  # the log has it
                    await self._wipe_ended(tuple(self._left))
                await self._release_wiped()
            except ServiceError as error:
                log.warning("scratch_sweep_deferred", reason=error.reason)
            await asyncio.sleep(SWEEP_SECONDS)

    async def _release_wiped(self) -> None:
        async with self._calls:
            for recording_id in list(self._wiped):
                request = rpc.ReleaseScratchRequest(instance=self._instance, recording_id=recording_id)
                await self._recordings.ReleaseScratch(request)
                self._wiped.discard(recording_id)


@contextmanager
def _owned(directory: Path) -> Iterator[None]:
    """Nobody else works below this directory; the kernel ends the claim with the process, however that ends."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise RuntimeError(f"{directory} is another instance's scratch: give each its own ASSENT_SCRATCH_DIR") from None
    finally:
        os.close(descriptor)


def _wipe_all(directory: Path) -> None:
    directory.chmod(0o700)
    for left in directory.iterdir():
        _wipe(left)


def _wipe(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
