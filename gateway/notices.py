"""The wordings that people are asked with: read from the pages' texts, and made known before anyone answers to them."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import structlog
from assent.consent.v1 import consent_pb2
from assent.consent.v1 import consent_service_pb2 as rpc

from chassis.errors import FailedPrecondition, ServiceError
from chassis.tasks import end

if TYPE_CHECKING:  # it exists for the type checker alone
    from assent.consent.v1.consent_service_pb2_grpc import ConsentServiceAsyncStub

log = structlog.get_logger()

_SHOWN = ("title", "notice", "grant", "deny")
_LONGEST_PAUSE = 30.0


def read_notices(texts: Path) -> list[consent_pb2.Notice]:
    """The notice in each language's file: version, language, and the exact words as canonical JSON."""
    return [_notice(path.stem, json.loads(path.read_text(encoding="utf-8"))) for path in sorted(texts.glob("*.json"))]


def _notice(language: str, texts: dict[str, Any]) -> consent_pb2.Notice:
    # Sorted keys and no spaces: the same words are always the same text, and so have the same hash.
    shown = {part: texts["consent"][part] for part in _SHOWN}
    wording = json.dumps(shown, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return consent_pb2.Notice(version=texts["notice_version"], language=language, wording=wording)


class Notices:
    """Registers notices with consent_svc while it is entered; `pause` is seconds before the first repetition."""

    def __init__(
        self, consent: "ConsentServiceAsyncStub", notices: Sequence[consent_pb2.Notice], *, pause: float = 1.0
    ) -> None:
        self._consent = consent
        self._notices = notices
        self._pause = pause
        self._task: asyncio.Task[None] | None = None
        self.are_registered = False

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._register(), name="notices")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        await end(self._task)

    async def _register(self) -> None:
        pause = self._pause
        while not self.are_registered:
            try:
                await self._consent.RegisterNotices(rpc.RegisterNoticesRequest(notices=self._notices))
                self.are_registered = True
                log.info("notices_registered", languages=[notice.language for notice in self._notices])
            except FailedPrecondition as error:
                todo = "give the changed wording a new notice_version in every file of gateway/web/texts, and restart"
                log.error("notices_refused", reason=error.reason, detail=error.message, todo=todo)
                return
            except ServiceError as error:
                log.warning("notices_not_registered", reason=error.reason, again_in=pause)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
