"""Speaks with SQS about many messages at once: receives, hides, deletes, gives back, and sets aside."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from chassis.tasks import end

if TYPE_CHECKING:
    from types_aiobotocore_sqs.client import SQSClient
    from types_aiobotocore_sqs.type_defs import BatchResultErrorEntryTypeDef, SendMessageBatchRequestEntryTypeDef

log = structlog.get_logger()

_BATCH = 10
"""Most messages that one call of SQS takes or gives."""
_PAYLOAD = 256 * 1024
"""Bytes of all messages in one call; SQS itself takes four times as many by now, others do not."""
_REASON_LENGTH = 1000
_PATIENCE_SECONDS = 5
"""For giving back: a process that ends must not wait for long."""
_LONGEST = 12 * 3600
"""Seconds for which SQS hides a message at most, from its receipt on."""


@dataclass(frozen=True)
class Queues:
    """Where S3's notifications come from, and where goes what cannot be understood."""

    recordings: str
    dead_letters: str


@dataclass(frozen=True)
class Message:
    """One message in hand: `receipt` is what it is deleted or given back by."""

    message_id: str
    receipt: str
    body: str


@dataclass(frozen=True)
class Hold:
    """For how many seconds others do not see what is in hand, and how long that is prolonged at most.

    What is waited for because it is away does not count: nobody else would get further.
    """

    seconds: int = 60
    at_most: int = 600


@dataclass(eq=False)
class Hand:
    """Messages that are dealt with, and whether they wait for something that is away. What is done leaves it."""

    messages: set[Message]
    is_waiting: bool = False


class RecordingsQueue:
    """The queue of S3's notifications and its dead letters, over one client."""

    def __init__(self, sqs: "SQSClient", queues: Queues, hold: Hold) -> None:
        self._sqs = sqs
        self._queues = queues
        self._hold = hold

    async def receive(self, wait_seconds: int) -> list[Message]:
        """At most ten messages, hidden from others from now on. Raises botocore's errors.

        One without a receipt could be neither deleted nor given back: it is none.
        """
        reply = await self._sqs.receive_message(
            QueueUrl=self._queues.recordings,
            MaxNumberOfMessages=_BATCH,
            WaitTimeSeconds=wait_seconds,
            VisibilityTimeout=self._hold.seconds,
        )
        return [
            Message(one.get("MessageId", ""), one["ReceiptHandle"], one.get("Body", ""))
            for one in reply.get("Messages", [])
            if "ReceiptHandle" in one
        ]

    @asynccontextmanager
    async def held(self, hand: Hand) -> AsyncIterator[None]:
        """Keep hidden whatever is still in hand, up to the bound."""
        extending = asyncio.create_task(self._extend(hand))
        try:
            yield
        finally:
            await end(extending)

    async def delete(self, messages: Sequence[Message]) -> None:
        """Remove messages for good. One that stays comes again, and finds its row."""
        if messages:
            reply = await self._sqs.delete_message_batch(
                QueueUrl=self._queues.recordings,
                Entries=[{"Id": str(i), "ReceiptHandle": one.receipt} for i, one in enumerate(messages)],
            )
            _say("message_not_deleted", reply.get("Failed", []))

    async def give_back(self, messages: Sequence[Message]) -> None:
        """Let others have them at once. Where that fails, they come back when their time is over."""
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._hide(messages, 0)
        except (BotoCoreError, ClientError, OSError) as error:
            log.warning("messages_not_given_back", messages=len(messages), error=str(error))

    async def bury(self, faults: Sequence[tuple[Message, str]]) -> list[Message]:
        """Hand messages to the dead-letter queue, each with why. Returns those that are there now."""
        buried: list[Message] = []
        for batch in _in_batches(faults):
            try:
                buried += await self._bury(batch)
            except (BotoCoreError, ClientError, OSError) as error:
                log.error("dead_letters_not_sent", messages=len(batch), error=str(error))
        return buried

    async def _bury(self, batch: Sequence[tuple[Message, str]]) -> list[Message]:
        entries = [_dead_letter(str(i), message, fault) for i, (message, fault) in enumerate(batch)]
        reply = await self._sqs.send_message_batch(QueueUrl=self._queues.dead_letters, Entries=entries)
        _say("dead_letter_not_sent", reply.get("Failed", []))
        sent = [batch[int(one["Id"])] for one in reply.get("Successful", [])]
        for message, fault in sent:
            log.error("message_not_understood", message_id=message.message_id, reason=fault)
        return [message for message, _ in sent]

    async def _extend(self, hand: Hand) -> None:
        half, worked, waited = self._hold.seconds / 2, 0.0, 0.0
        while worked + waited + self._hold.seconds < _LONGEST:
            await asyncio.sleep(half)
            if hand.is_waiting:
                waited += half
            elif worked < self._hold.at_most:
                worked += half
            else:
                break
            try:
                await self._hide(list(hand.messages), self._hold.seconds)
            except (BotoCoreError, ClientError, OSError) as error:
                log.warning("messages_not_held", messages=len(hand.messages), error=str(error))
        log.warning("messages_held_too_long", messages=len(hand.messages), worked=worked, waited=waited)

    async def _hide(self, messages: Sequence[Message], seconds: int) -> None:
        if messages:
            reply = await self._sqs.change_message_visibility_batch(
                QueueUrl=self._queues.recordings,
                Entries=[
                    {"Id": str(i), "ReceiptHandle": one.receipt, "VisibilityTimeout": seconds}
                    for i, one in enumerate(messages)
                ],
            )
            _say("visibility_not_changed", reply.get("Failed", []))


def _in_batches(faults: Sequence[tuple[Message, str]]) -> list[list[tuple[Message, str]]]:
    """As few calls as SQS's two bounds allow. One that is too large alone goes alone, and is refused alone."""
    batches: list[list[tuple[Message, str]]] = []
    room = 0
    for message, fault in faults:
        size = len(message.body.encode()) + 2 * _REASON_LENGTH
        if not batches or len(batches[-1]) == _BATCH or size > room:
            batches.append([])
            room = _PAYLOAD
        batches[-1].append((message, fault))
        room -= size
    return batches


def _dead_letter(identity: str, message: Message, fault: str) -> "SendMessageBatchRequestEntryTypeDef":
    # SQS refuses control characters, and a fault may quote any.
    reason = fault[:_REASON_LENGTH].encode("ascii", "backslashreplace").decode()[:_REASON_LENGTH]
    printable = "".join(one if one.isprintable() else "?" for one in reason)
    return {
        "Id": identity,
        "MessageBody": message.body or "(empty)",
        "MessageAttributes": {"reason": {"DataType": "String", "StringValue": printable}},
    }


def _say(event: str, failed: Sequence["BatchResultErrorEntryTypeDef"]) -> None:
    for one in failed:
        log.warning(event, code=one.get("Code"), error=one.get("Message"))
