"""Notes which of several tracks is the loudest, slice by slice, while they are read."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from transcript_svc.audio_files import Samples
from transcript_svc.speakers import SLICE_MS, Voices

# As much louder than the next one, 6 dB, must a track be. Who is heard through another's microphone is softer.
CLEARLY = 2.0
# Not every sample is needed to tell; odd, so that both of two interleaved channels are looked at.
STRIDE = 7


class Loudness:
    """Takes all tracks block by block. Memory: two bytes a slice."""

    def __init__(self, rate: int, channels: int) -> None:
        self._size = rate * channels * SLICE_MS // 1000
        self._loudest = bytearray()
        self._decibels = bytearray()

    def add(self, blocks: Sequence[Samples | None]) -> None:
        """The next block of every track, begun together, whole slices but for the last; None where one has ended."""
        slices = -(-max(len(block) for block in blocks if block is not None) // self._size)
        loudness = np.stack([self._of(block, slices) for block in blocks])
        second, most = np.sort(loudness, axis=0)[-2:]
        clear = np.where(most > CLEARLY * second, loudness.argmax(axis=0) + 1, 0)
        self._loudest += clear.astype(np.uint8).tobytes()
        self._decibels += np.rint(20 * np.log10(np.maximum(most, 1))).astype(np.uint8).tobytes()

    def voices(self, names: Sequence[str]) -> Voices:
        """All that was noted; the names are the tracks'."""
        return Voices(tuple(names), bytes(self._loudest), bytes(self._decibels))

    def _of(self, block: Samples | None, slices: int) -> NDArray[np.float32]:
        """Root mean square of each slice."""
        samples = np.zeros(slices * self._size, np.int16)
        if block is not None:
            samples[: len(block)] = block
        some = samples.reshape(slices, self._size)[:, ::STRIDE].astype(np.float32)
        squares: NDArray[np.float32] = np.einsum("ij,ij->i", some, some) / some.shape[1]
        return np.sqrt(squares)
