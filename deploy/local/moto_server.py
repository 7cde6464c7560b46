"""moto's server, with one request at a time at each queue.

moto changes a queue's list of messages from several threads at once: a deletion that meets another, or a message that
arrives, brings back what was deleted or loses what was sent. SQS hands a message out twice at times, but loses none.
"""

import functools
from collections.abc import Callable
from typing import Any

from moto.server import main
from moto.sqs.models import Queue, SQSBackend


def guarded(of_queue: Callable[..., Any]) -> Callable[..., Any]:
    """A method of a queue that waits for its turn."""

    @functools.wraps(of_queue)
    def wait_and_do(queue: Queue, *arguments: Any, **named: Any) -> Any:
        with queue._messages_lock:
            return of_queue(queue, *arguments, **named)

    return wait_and_do


def guarded_by_name(of_backend: Callable[..., Any]) -> Callable[..., Any]:
    """A method of all queues that names one first. A long poll gives way to others while it waits."""

    @functools.wraps(of_backend)
    def wait_and_do(backend: SQSBackend, queue_name: str, *arguments: Any, **named: Any) -> Any:
        with backend.get_queue(queue_name)._messages_lock:
            return of_backend(backend, queue_name, *arguments, **named)

    return wait_and_do


def guard() -> None:
    """From now on, in this process."""
    for name in ("add_message", "delete_message"):
        setattr(Queue, name, guarded(getattr(Queue, name)))
    for name in ("receive_message", "change_message_visibility", "purge_queue"):
        setattr(SQSBackend, name, guarded_by_name(getattr(SQSBackend, name)))


if __name__ == "__main__":
    guard()
    main()
