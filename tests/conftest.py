"""The real things that tests run against, one of each for the whole run, and the certificates between services."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from chassis.channel import Tls
from deploy.local import Moto, Nats, Postgres
from deploy.local.certificates import Certificates
from deploy.local.run_dir import RunDir


def pytest_configure(config: pytest.Config) -> None:
    # Errors without their frames' variables, as the services log them: structlog shows those where rich is installed.
    *processors, _ = structlog.get_config()["processors"]
    console = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*processors, console])
    config.addinivalue_line("markers", "radosgw: needs Ceph's S3 server; left out unless -m asks for it (make test-s3)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "radosgw" in config.option.markexpr:
        return
    left_out = [item for item in items if item.get_closest_marker("radosgw")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with Postgres(tmp_path_factory.mktemp("postgres"), fsync=False) as server:
        yield server


@pytest.fixture(scope="session")
def nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nats]:
    with Nats(tmp_path_factory.mktemp("nats"), fsync=False) as server:
        yield server


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    with Moto(tmp_path_factory.mktemp("moto")) as server:
        yield server


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    """An authority and one certificate for localhost, used by both sides."""
    return make_tls(tmp_path_factory.mktemp("tls"))


def make_tls(folder: Path) -> Tls:
    """A new authority in `folder`, with a certificate for localhost and 127.0.0.1."""
    made = Certificates(RunDir(folder)).env("localhost")
    return Tls(*(Path(made[f"ASSENT_TLS_{part}"]) for part in ("CA", "CERT", "KEY")))
