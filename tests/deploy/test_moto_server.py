"""The local queue under requests at the same time."""

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from moto.sqs.models import Message, Queue, SQSBackend

from deploy.local.moto_server import guard

REGION, ACCOUNT = "eu-central-1", "123456789012"
SENT = [f"{sender} {number}" for sender in range(4) for number in range(100)]


@pytest.fixture
def sqs(monkeypatch: pytest.MonkeyPatch) -> Iterator[SQSBackend]:
    """moto's SQS with threads that take turns as often as they can."""
    for kind, name in [
        (Queue, "add_message"),
        (Queue, "delete_message"),
        *((SQSBackend, name) for name in ("receive_message", "change_message_visibility", "purge_queue")),
    ]:
        monkeypatch.setattr(kind, name, getattr(kind, name))  # put back afterwards
    guard()
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield SQSBackend(REGION, ACCOUNT)
    sys.setswitchinterval(before)


def test_what_is_sent_taken_and_deleted_at_once_is_neither_lost_nor_doubled_nor_back(sqs: SQSBackend) -> None:
    queue = sqs.create_queue("crowd", {})

    def send(texts: list[str]) -> None:
        for text in texts:
            message = Message(text, text)
            message.mark_sent()
            queue.add_message(message)

    def take() -> list[str]:
        got: list[str] = []
        until = time.monotonic() + 150  # seconds; it takes one or two on a quiet machine
        while time.monotonic() < until and len(queue.deleted_messages) < len(SENT):
            for message in sqs.receive_message("crowd", 10, 0, 60):
                got.append(message.body)
                queue.delete_message(str(message.receipt_handle))
        return got

    with ThreadPoolExecutor(8) as crowd:
        sending = [crowd.submit(send, SENT[start::4]) for start in range(4)]
        taking = [crowd.submit(take) for _ in range(4)]
        for one in sending:
            one.result()
        got = [text for one in taking for text in one.result()]
    assert sorted(got) == sorted(SENT)
    assert queue._messages == []


def test_a_long_poll_keeps_nobody_from_sending(sqs: SQSBackend) -> None:
    queue = sqs.create_queue("calm", {})
    with ThreadPoolExecutor(1) as receiver:
        waiting = receiver.submit(sqs.receive_message, "calm", 10, 20, 60)
        message = Message("m", "hello")
        message.mark_sent()
        queue.add_message(message)
        assert [one.body for one in waiting.result(timeout=10)] == ["hello"]
