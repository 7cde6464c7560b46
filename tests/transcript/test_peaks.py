"""A waveform of fixed size, whatever the length."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcript_svc.peaks import Peaks


@pytest.mark.parametrize("length", [1, 159, 161, 5_000, 16_000 * 60, 16_000 * 60 * 7 + 13])
def test_the_number_of_peaks_does_not_depend_on_the_length(length: int) -> None:
    peaks = Peaks(1_000)
    peaks.add(np.full(length, 16_384, np.int16))
    assert peaks.finished() == [0.5] * 1_000


def test_no_audio_has_a_flat_line() -> None:
    assert Peaks(10).finished() == [0.0] * 10


def test_the_lowest_sample_is_loud_too() -> None:
    peaks = Peaks(4)
    peaks.add(np.array([-32_768], np.int16))
    assert max(peaks.finished()) == 1.0


@given(st.lists(st.integers(1, 40_000), min_size=1, max_size=30), st.data())
def test_a_click_is_seen_where_it_was_heard(pieces: list[int], data: st.DataObject) -> None:
    samples = np.zeros(sum(pieces), np.int16)
    click = data.draw(st.integers(0, len(samples) - 1))
    samples[click] = 32_767
    peaks = Peaks(50)
    for piece in np.split(samples, np.cumsum(pieces)[:-1]):
        peaks.add(piece)
    drawn = peaks.finished()
    assert max(drawn) == pytest.approx(1.0, abs=1e-3)
    # Exact to one peak where there are more blocks than peaks.
    if len(samples) > 50 * 160 * 4:
        assert abs(drawn.index(max(drawn)) - click * 50 // len(samples)) <= 1
