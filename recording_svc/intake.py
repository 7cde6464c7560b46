"""Takes in what SQS announces: the row is committed before the message goes."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from chassis.errors import ServiceError
from recording_svc.buckets import AudioBuckets
from recording_svc.domain import Arrival
from recording_svc.notifications import Notice, read
from recording_svc.store import Recordings

if TYPE_CHECKING:
    from types_aiobotocore_sqs.client import SQSClient
    from types_aiobotocore_sqs.type_defs import MessageTypeDef

log = structlog.get_logger()

_BATCH = 10
"""Most messages that SQS hands out at once."""
_LONG_POLL = 20
"""Seconds, SQS's longest."""
_LONGEST_PAUSE = 10.0
_REASON_LENGTH = 1000


@dataclass(frozen=True)
class Queues:
    """Where S3's notifications come from, and where goes what cannot be understood."""

    recordings: str
    dead_letters: str


class Intake:
    """Turns notifications into recordings, and what else arrives into log lines or dead letters."""

    def __init__(
        self,
        sqs: "SQSClient",
        queues: Queues,
        bucket: str,
        audio: AudioBuckets,
        recordings: Recordings,
        now: Callable[[], datetime],
        wake: Callable[[], None],
    ) -> None:
        self._sqs = sqs
        self._queues = queues
        self._bucket = bucket
        self._audio = audio
        self._recordings = recordings
        self._now = now
        self._wake = wake

    async def run(self) -> None:
        """Receive until cancelled, with growing pauses while a dependency is away."""
        pause = 0.5
        while True:
            try:
                await self.receive()
                pause = 0.5
            except (ServiceError, BotoCoreError, ClientError, OSError) as error:
                log.warning("intake_interrupted", seconds=pause, error=f"{type(error).__name__}: {error}")
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)

    async def receive(self, wait_seconds: int = _LONG_POLL) -> int:
        """Take in one batch; returns how many messages there were.

        Whatever fails here leaves its messages in the queue: they come again.
        """
        reply = await self._sqs.receive_message(
            QueueUrl=self._queues.recordings, MaxNumberOfMessages=_BATCH, WaitTimeSeconds=wait_seconds
        )
        messages = reply.get("Messages", [])
        if not messages:
            return 0
        notices = [read(message.get("Body", ""), self._bucket) for message in messages]
        await self.take_in([one for notice in notices for one in await self._resolve(notice)])
        await self._delete([m for m, n in zip(messages, notices, strict=True) if await self._is_dealt_with(m, n)])
        return len(messages)

    async def take_in(self, arrivals: Sequence[Arrival]) -> int:
        """Commit the recordings that are new, and let them be matched at once. Returns how many."""
        begun = time.monotonic()
        new = await self._recordings.take_in(arrivals, self._now())
        for recording in new:
            log.info(
                "recording_discovered", recording_id=recording.recording_id, object_key=recording.object_key,
                version_id=recording.version_id, size_bytes=recording.size_bytes,
                commit_ms=round(1000 * (time.monotonic() - begun)),
            )  # fmt: skip
        if arrivals:
            self._wake()
        return len(new)

    async def _resolve(self, notice: Notice) -> list[Arrival]:
        """The object versions behind a notice. One without a version id may stand for any version of its key."""
        found = list(notice.arrivals)
        for key in sorted({one.key for one in notice.unversioned}):
            versions = await self._audio.versions_of(self._bucket, key)
            if not versions:
                log.warning("object_gone_before_intake", bucket=self._bucket, object_key=key)
            found += versions
        return found

    async def _is_dealt_with(self, message: "MessageTypeDef", notice: Notice) -> bool:
        if notice.ignored:
            log.info("notification_ignored", message_id=message.get("MessageId"), what=list(notice.ignored))
        return not notice.fault or await self._bury(message, notice.fault)

    async def _bury(self, message: "MessageTypeDef", fault: str) -> bool:
        """Hand a message that cannot be understood to the dead-letter queue."""
        try:
            await self._sqs.send_message(
                QueueUrl=self._queues.dead_letters,
                MessageBody=message.get("Body", "") or "(empty)",
                MessageAttributes={"reason": {"DataType": "String", "StringValue": fault[:_REASON_LENGTH]}},
            )
        except (BotoCoreError, ClientError, OSError) as error:
            log.error("dead_letter_not_sent", message_id=message.get("MessageId"), error=str(error))
            return False
        log.error("message_not_understood", message_id=message.get("MessageId"), reason=fault)
        return True

    async def _delete(self, messages: Sequence["MessageTypeDef"]) -> None:
        if not messages:
            return
        reply = await self._sqs.delete_message_batch(
            QueueUrl=self._queues.recordings,
            Entries=[{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(messages)],
        )
        for failed in reply.get("Failed", []):
            # It comes again, and finds its row.
            log.warning("message_not_deleted", code=failed.get("Code"), error=failed.get("Message"))
