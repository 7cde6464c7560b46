"""The whole stack, once for all system tests: real processes, real Postgres, NATS, S3 API and recogniser."""

from collections.abc import AsyncIterator, Iterator

import pytest

from deploy.local import Stack
from tests.system.world import World
from tests.web.conftest import browser as browser


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    # Nobody waits a minute here for what webhooks did not tell.
    with Stack(tmp_path_factory.mktemp("stack"), environ={"ASSENT_CONSENT_INSIGHTS_SECONDS": "1"}) as stack:
        yield stack


@pytest.fixture
async def world(stack: Stack) -> AsyncIterator[World]:
    stack.up()  # whatever an earlier test left dead
    async with World.of(stack) as world:
        yield world
