"""transcript_svc in forked processes, whose recogniser listens to nothing: it takes as long as it is told to, and hears
always the same.
"""

import asyncio
import os
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import uvloop

import transcript_svc.__main__ as service
from chassis.bus import consuming
from chassis.settings import load
from tests.forking import serve, write_to
from transcript_svc import transcription
from transcript_svc.domain import Segment
from transcript_svc.recognition import Heard
from transcript_svc.settings import Settings

PIECES = tuple(Segment(250 * number, 250 * number + 200, f"piece {number}") for number in range(6))
"""What is heard in every recording."""


@dataclass(frozen=True)
class Life:
    """One process: what is in its environment, where its output goes, and how long things take, in seconds."""

    environ: dict[str, str]
    log: str
    hold: float
    piece: float


class Ears:
    """Hears the same pieces in everything, each after a while."""

    language = "en"

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def hear(self, wav: Path) -> AsyncGenerator[Heard, None]:
        for piece in PIECES:
            await asyncio.sleep(self._seconds)
            yield Heard(piece.end_ms, (piece,))

    async def aclose(self) -> None:
        """Nothing to let go of."""


def live(said: dict[str, Any]) -> int:
    """Be transcript_svc until signalled."""
    life = Life(**said)
    os.environ |= life.environ
    write_to(life.log)

    async def ears(_: Settings) -> Ears:
        return Ears(life.piece)

    assert hasattr(service, "recogniser")
    setattr(service, "recogniser", ears)  # noqa: B010  # mypy knows that it is another's
    transcription.HOLD = timedelta(seconds=life.hold)
    transcription.SIGN_OF_LIFE_SECONDS = life.hold / 4
    consuming.ACK_WAIT = life.hold * 1.25
    uvloop.run(service.serve(load(Settings)))
    return 0


if __name__ == "__main__":
    serve(live)
