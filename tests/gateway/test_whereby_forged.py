"""Webhooks that somebody tampered with, by the hundred thousand, and the same one a thousand times."""

import asyncio
import json
import random
import string
import time
from collections.abc import Callable

from chassis.errors import Unauthenticated
from gateway.whereby import verify
from tests.gateway.conftest import WEBHOOK_SECRETS, Stack
from tests.gateway.test_whereby import envelope, post, sessions_heard_of, sign

FORGERIES = 100_000
REPLAYS, AT_ONCE = 1_000, 50
LETTERS = (string.hexdigits + "t=v1, ;\t\x00é").encode("latin-1")


def _flip(some: bytearray, place: int, chance: random.Random) -> None:
    if some:
        some[place % len(some)] ^= 1 << chance.randrange(8)


def _insert(some: bytearray, place: int, chance: random.Random) -> None:
    some.insert(place, chance.choice(LETTERS))


def _remove(some: bytearray, place: int, chance: random.Random) -> None:
    del some[place : place + chance.randint(1, 4)]


def _repeat(some: bytearray, place: int, chance: random.Random) -> None:
    some[place:place] = some[place : place + chance.randint(1, 80)]


def _cut(some: bytearray, place: int, chance: random.Random) -> None:
    del some[place:]


def _swap(some: bytearray, place: int, chance: random.Random) -> None:
    other = chance.randrange(len(some)) if some else 0
    if some:
        place %= len(some)
        some[place], some[other] = some[other], some[place]


MUTATIONS: tuple[Callable[[bytearray, int, random.Random], None], ...] = (_flip, _insert, _remove, _repeat, _cut, _swap)


def mutated(some: bytes, chance: random.Random) -> bytes:
    """With one to three changes, which may undo each other."""
    changed = bytearray(some)
    for _ in range(chance.randint(1, 3)):
        chance.choice(MUTATIONS)(changed, chance.randint(0, len(changed)), chance)
    return bytes(changed)


def means_the_same(header: str, genuine: str) -> bool:
    """The one time and a good digest are still there: blanks and unknown or further fields change nothing."""
    fields, good = [part.strip() for part in header.split(",")], genuine.split(",")
    return [one for one in fields if one.startswith("t=")] == good[:1] and good[1] in fields


def test_of_a_hundred_thousand_tampered_webhooks_none_is_believed_and_none_breaks_the_check() -> None:
    chance, now = random.Random(20261123), time.time()
    secrets = tuple(secret.encode() for secret in WEBHOOK_SECRETS)
    body = json.dumps(envelope(), ensure_ascii=False).encode()
    genuine = sign(body, at=now)
    verify(genuine, body, secrets, now)
    refused = believed = 0
    while refused < FORGERIES:
        part = chance.randrange(3)
        header = genuine if part == 1 else mutated(genuine.encode(), chance).decode("latin-1")
        sent = body if part == 0 else mutated(body, chance)
        if sent == body and means_the_same(header, genuine):
            continue
        try:
            verify(header, sent, secrets, now)
        except Unauthenticated:
            refused += 1
        else:
            believed += 1
            break
    assert (refused, believed) == (FORGERIES, 0), (header, sent)


async def test_a_thousand_replays_of_a_webhook_have_one_effect(stack: Stack) -> None:
    sent = envelope("room.session.started")
    body = json.dumps(sent).encode()
    for _ in range(REPLAYS // AT_ONCE):
        replies = await asyncio.gather(*(post(stack, body, sign(body)) for _ in range(AT_ONCE)))
        assert {status for status, _ in replies} == {200}
    assert (await sessions_heard_of(stack)).count(sent["id"]) == 1
