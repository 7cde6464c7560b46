"""Draws a waveform: a fixed number of peaks, whatever the length, from samples that come in pieces."""

import numpy as np
from numpy.typing import NDArray

FIRST_BLOCK = 160  # samples; doubled whenever there are too many blocks
LOUDEST = 32768


class Peaks:
    """Keeps the loudest sample of each block, and makes the blocks longer as the audio grows."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._block = FIRST_BLOCK
        self._loudest: NDArray[np.int32] = np.zeros(0, np.int32)
        self._pending: NDArray[np.int16] = np.zeros(0, np.int16)

    def add(self, samples: NDArray[np.int16]) -> None:
        """The next samples, one channel."""
        self._pending = np.concatenate([self._pending, samples])
        blocks = len(self._pending) // self._block
        blocks -= (len(self._loudest) + blocks) % 2  # an even number in all, so that blocks pair up
        if blocks > 0:
            ready, self._pending = np.split(self._pending, [blocks * self._block])
            loudest = np.abs(ready.astype(np.int32)).reshape(blocks, self._block).max(axis=1)
            self._loudest = np.concatenate([self._loudest, loudest])
        if len(self._loudest) > 4 * self._count and len(self._loudest) % 2 == 0:
            self._loudest = self._loudest.reshape(-1, 2).max(axis=1)
            self._block *= 2

    def finished(self) -> list[float]:
        """`count` peaks between 0 and 1 over the whole length."""
        rest = np.abs(self._pending.astype(np.int32))
        blocks = np.concatenate([self._loudest, [rest.max()]]) if len(rest) else self._loudest
        if not len(blocks):
            return [0.0] * self._count
        beginnings = np.arange(self._count) * len(blocks) // self._count
        peaks = np.maximum.reduceat(blocks, beginnings) / LOUDEST
        return [round(float(peak), 4) for peak in peaks]
