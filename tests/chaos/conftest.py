"""A stack of its own, durable as in production, whose parts are killed."""

from collections.abc import AsyncIterator, Iterator

import pytest

from deploy.local import Stack
from tests.system.world import World

PARTS = ("postgres", "nats", "issuer", "whereby", "consent_svc", "gateway")
"""What an answer needs."""


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    unlimited = {"ASSENT_ANSWERS_PER_MINUTE": "0"}
    with Stack(tmp_path_factory.mktemp("chaos"), parts=PARTS, environ=unlimited, fsync=True) as stack:
        yield stack


@pytest.fixture
async def world(stack: Stack) -> AsyncIterator[World]:
    stack.up()  # whatever an earlier test left dead
    async with World.of(stack) as world:
        yield world
