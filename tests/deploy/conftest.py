"""Browsers at a local issuer: of a client with a secret, and of a public one."""

from collections.abc import AsyncIterator

import pytest

from deploy.local.issuer.stand_in import Issuer
from tests.deploy.sign_in import SECRET, Browser


@pytest.fixture(scope="session")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Issuer:
    return Issuer(tmp_path_factory.mktemp("issuer"), dict)


@pytest.fixture
async def browser(issuer: Issuer) -> AsyncIterator[Browser]:
    made = Browser(issuer, SECRET)
    async with made.http:
        yield made


@pytest.fixture
async def public(issuer: Issuer) -> AsyncIterator[Browser]:
    made = Browser(issuer, None)
    async with made.http:
        yield made
