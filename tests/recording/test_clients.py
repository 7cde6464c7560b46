"""Times as AWS writes them."""

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.utils import parse_timestamp

from recording_svc.clients import read_time


@pytest.mark.parametrize(
    "said",
    [
        "2026-11-22T11:20:00.000Z",
        "2026-11-22T11:20:00+00:00",
        "Sun, 22 Nov 2026 11:20:00 GMT",
        1795346400,
        1795346400.0,
    ],
)
def test_every_form_is_the_same_moment(said: Any) -> None:
    assert read_time(said) == parse_timestamp(said) == datetime(2026, 11, 22, 11, 20, tzinfo=UTC)


def test_a_time_without_a_zone_is_read_as_botocore_reads_it() -> None:
    assert read_time("2026-11-22T11:20:00") == parse_timestamp("2026-11-22T11:20:00")
