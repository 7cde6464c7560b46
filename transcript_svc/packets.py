"""Reads the packets of several tracks side by side, out of one file that is opened once where it can be."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet

# Of all tracks together. Most files lay what is heard at one time side by side; of others no more than this is held.
MOST_WAITING_BYTES = 2**25
# What a packet takes beside its sound, which may be a single byte.
_WRAPPING = 2**9


class Packets:
    """What is read before its track asks for it waits. Each further opening takes memory for the file's whole index."""

    def __init__(
        self, container: InputContainer, streams: Sequence[AudioStream], again: Callable[[], InputContainer]
    ) -> None:
        """`again` opens the same file once more."""
        self._reading = container.demux(streams)
        self._again = again
        self._waiting: dict[int, deque[Packet[Any]]] = {stream.index: deque() for stream in streams}
        self._bytes = 0

    def of(self, index: int) -> Iterator["Packet[Any]"]:
        """All of the container's stream of this index. Raises FFmpegError where the file ends too early."""
        waiting, given = self._waiting[index], 0
        while waiting or self._bytes <= MOST_WAITING_BYTES:
            if not (waiting or self._read()):
                return
            while waiting:
                given += 1
                packet = waiting.popleft()
                self._bytes -= packet.size + _WRAPPING
                yield packet
        del self._waiting[index]
        container = self._again()
        yield from islice(container.demux(container.streams[index]), given, None)

    def _read(self) -> bool:
        """Reads one; False at the end."""
        packet = next(self._reading, None)
        # The last ones, which are empty, do not say themselves whose they are.
        waiting = self._waiting.get(packet.stream.index) if packet else None
        if packet and waiting is not None:
            waiting.append(packet)
            self._bytes += packet.size + _WRAPPING
        return packet is not None
