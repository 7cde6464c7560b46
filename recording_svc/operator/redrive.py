"""Brings messages back from the dead-letter queue, one by one: sent first, deleted after, so that none is lost."""

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from types_aiobotocore_sqs.client import SQSClient

_BATCH = 10
# Until then nobody else sees what is being moved.
_HIDDEN_SECONDS = 60
# A wait makes SQS ask all its servers; without one it may say "none" though there are some.
_WAIT_SECONDS = 1


class RedriveInterruptedError(Exception):
    """SQS did not answer, or refused; `moved` is what was moved before."""

    def __init__(self, moved: int, why: Exception) -> None:
        super().__init__(f"{type(why).__name__}: {why}")
        self.moved = moved


async def depth(sqs: "SQSClient", queue: str) -> int:
    """About how many messages lie in a queue."""
    reply = await sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages"])
    return int(reply["Attributes"]["ApproximateNumberOfMessages"])


async def redrive(sqs: "SQSClient", dead_letters: str, recordings: str, limit: int) -> int:
    """Move at most `limit` messages to the recordings queue; returns how many.

    The limit keeps it from turning round with messages that still cannot be understood and are buried anew.
    Raises RedriveInterruptedError.
    """
    moved = 0
    try:
        while moved < limit:
            reply = await sqs.receive_message(
                QueueUrl=dead_letters,
                MaxNumberOfMessages=min(_BATCH, limit - moved),
                VisibilityTimeout=_HIDDEN_SECONDS,
                WaitTimeSeconds=_WAIT_SECONDS,
            )
            if not reply.get("Messages"):
                break
            for message in reply["Messages"]:
                await sqs.send_message(QueueUrl=recordings, MessageBody=message["Body"])
                await sqs.delete_message(QueueUrl=dead_letters, ReceiptHandle=message["ReceiptHandle"])
                moved += 1
    except (BotoCoreError, ClientError, OSError) as error:
        raise RedriveInterruptedError(moved, error) from error
    return moved
