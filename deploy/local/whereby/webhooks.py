"""Signs webhooks and delivers them, as stubbornly as Whereby does and not more."""

import asyncio
import hashlib
import hmac
import json
import time
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import httpx

SILENCE = 5.0  # seconds without an answer that count as a failure
ATTEMPTS = 3  # the first and at most two more
API_VERSION = "1.0"

Mode = Literal["deliver", "hold", "lose"]


def signature(secret: str, body: bytes, seconds: int) -> str:
    """The value of the header Whereby-Signature."""
    signed = hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256)
    return f"t={seconds},v1={signed.hexdigest()}"


def envelope(kind: str, data: dict[str, Any], at: datetime) -> dict[str, Any]:
    """What is sent: the event's data in Whereby's frame."""
    return {
        "id": str(uuid.uuid4()),
        "apiVersion": API_VERSION,
        "createdAt": rfc3339(at),
        "type": kind,
        "data": data,
    }


def encode(event: dict[str, Any]) -> bytes:
    """The body as JSON.stringify writes it: no spaces, names like José in UTF-8."""
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def rfc3339(at: datetime) -> str:
    """The time with milliseconds, in UTC, as JavaScript writes it."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class Delivery:
    """One webhook and how it fared."""

    event: dict[str, Any]
    state: Literal["held", "lost", "waiting", "delivered", "given up"] = "waiting"
    attempts: int = 0
    status: int | None = None

    def shown(self) -> dict[str, Any]:
        """For the control API."""
        return {
            "id": self.event["id"],
            "type": self.event["type"],
            "state": self.state,
            "attempts": self.attempts,
            "status": self.status,
        }


@dataclass
class Webhooks:
    """Sends events to one address. `mode` and `copies` are the control API's levers."""

    url: str
    secret: str
    client: httpx.AsyncClient
    mode: Mode = "deliver"
    copies: int = 1
    between: float = 1.0  # seconds from one attempt to the next
    log: list[Delivery] = field(default_factory=list)
    _running: set["asyncio.Task[None]"] = field(default_factory=set)

    async def send(self, kind: str, data: dict[str, Any], at: datetime, wait: bool) -> None:
        """Send an event; with `wait` return only when it was delivered or given up."""
        delivery = Delivery(envelope(kind, data, at))
        self.log.append(delivery)
        if self.mode == "deliver":
            await self._begin([delivery] * self.copies, wait)
        else:
            delivery.state = "held" if self.mode == "hold" else "lost"

    async def release(self, reverse: bool = False) -> int:
        """Deliver what was held, one after the other. Returns how many."""
        held = [delivery for delivery in self.log if delivery.state == "held"]
        for delivery in reversed(held) if reverse else held:
            delivery.state = "waiting"
            await self._begin([delivery] * self.copies, wait=True)
        return len(held)

    async def _begin(self, deliveries: list[Delivery], wait: bool) -> None:
        tasks = {asyncio.create_task(self._deliver(delivery)) for delivery in deliveries}
        self._running |= tasks  # a task nobody holds may be collected before it ran
        for task in tasks:
            task.add_done_callback(self._running.discard)
        if wait:
            await asyncio.gather(*tasks)

    async def _deliver(self, delivery: Delivery) -> None:
        body = encode(delivery.event)
        for attempt in range(ATTEMPTS):
            await asyncio.sleep(self.between if attempt else 0)
            delivery.attempts += 1
            delivery.status = await self._post(body)
            if delivery.status is not None and delivery.status < 500:
                delivery.state = "delivered"
                return
        delivery.state = "given up"

    async def _post(self, body: bytes) -> int | None:
        """The status, or None after silence."""
        headers = {
            "Content-Type": "application/json",
            "Whereby-Signature": signature(self.secret, body, int(time.time())),
        }
        try:
            answer = await self.client.post(self.url, content=body, headers=headers, timeout=SILENCE)
        except httpx.TransportError:
            return None
        return answer.status_code
