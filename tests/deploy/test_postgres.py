"""Postgres on one machine: as root and as an ordinary user, from installed binaries and from the wheel's."""

import os
import shutil
import signal
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from deploy.local import PartError, Postgres, postgres_binaries
from deploy.local.process import stop
from deploy.local.run_dir import is_free

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")


async def ask(url: str, question: str) -> object:
    engine = create_async_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        return await connection.scalar(text(question))


async def test_every_service_has_a_database_and_a_role_of_its_own(postgres: Postgres) -> None:
    url = postgres.env()["ASSENT_CONSENT_DATABASE_URL"]
    assert url.startswith("postgresql+asyncpg://assent_consent:")
    assert await ask(url, "SELECT current_user") == "assent_consent"
    assert await ask(url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False


async def test_a_service_cannot_look_into_anothers_database(postgres: Postgres) -> None:
    with pytest.raises(DBAPIError, match="permission denied for database"):
        await ask(postgres.url("assent_recording", role="assent_consent"), "SELECT 1")


async def test_a_service_cannot_make_tables_of_its_own_accord(postgres: Postgres) -> None:
    with pytest.raises(DBAPIError, match="permission denied for schema"):
        await ask(postgres.url("assent_consent", role="assent_consent"), "CREATE TABLE t (i int)")


async def test_a_wrong_password_is_refused(postgres: Postgres) -> None:
    url = postgres.url("assent_consent").replace(postgres.password("postgres"), "wrong")
    with pytest.raises(DBAPIError, match="password authentication failed"):
        await ask(url, "SELECT 1")


async def test_a_fresh_database_is_a_copy_of_its_template(postgres: Postgres) -> None:
    template = postgres.fresh_database()
    postgres.execute(["CREATE TABLE words (word text)", "INSERT INTO words VALUES ('here')"], template)
    copy = postgres.fresh_database(template)
    assert await ask(postgres.url(copy), "SELECT word FROM words") == "here"
    postgres.drop_database(copy)
    with pytest.raises(DBAPIError, match="does not exist"):
        await ask(postgres.url(copy), "SELECT 1")


async def test_it_is_durable_unless_told_otherwise(tmp_path: Path, postgres: Postgres) -> None:
    assert await ask(postgres.url(), "SHOW fsync") == "off"
    with Postgres(tmp_path) as durable:
        assert await ask(durable.url(), "SHOW fsync") == "on"
        assert await ask(durable.url(), "SHOW synchronous_commit") == "on"


async def test_it_comes_back_after_sigkill_with_its_data_at_its_port(tmp_path: Path) -> None:
    with Postgres(tmp_path) as server:
        server.execute(["CREATE TABLE words (word text)", "INSERT INTO words VALUES ('here')"])
        address, pid = server.address, server.pid
        server.kill()
        assert server.pid is None
        server.start()
        assert (server.address, server.pid != pid) == (address, True)
        assert await ask(server.url(), "SELECT word FROM words") == "here"


def test_nothing_is_left_when_it_is_over(tmp_path: Path) -> None:
    with Postgres(tmp_path, fsync=False) as server:
        place, port = server.data.resolve(), server.run_dir.port("postgres")
        assert (place / "PG_VERSION").exists()
    assert not place.parent.exists()
    assert is_free(port)


@as_root
def test_root_becomes_somebody_else(postgres: Postgres) -> None:
    assert Path(f"/proc/{postgres.pid}").stat().st_uid != 0
    assert postgres.data.resolve().stat().st_uid != 0


@as_root
def test_a_run_directory_that_the_server_cannot_reach_gets_a_place_outside(tmp_path: Path) -> None:
    closed = tmp_path / "home"
    closed.mkdir(mode=0o700)
    with Postgres(closed / ".run", fsync=False) as server:
        assert (closed / ".run" / "postgres").is_symlink()
        assert server.data.resolve().is_relative_to("/var/tmp")


@as_root
def test_a_place_outside_that_was_left_behind_is_made_anew(tmp_path: Path) -> None:
    first = Postgres(tmp_path / ".run", fsync=False)
    first.start()
    left, outside = first.process, first.data.resolve().parent
    assert left is not None
    shutil.rmtree(tmp_path / ".run")
    try:
        with Postgres(tmp_path / ".run", fsync=False) as second:
            assert second.data.resolve().parent == outside
            assert second.pid != left.pid
            assert not left.alive
    finally:
        stop(left, signal.SIGINT)


@as_root
def test_a_place_outside_that_is_a_strangers_is_left_alone(tmp_path: Path) -> None:
    stranger = Postgres(tmp_path / ".run")
    stranger.prepare()
    outside = stranger.data.resolve().parent
    (tmp_path / ".run" / "postgres").unlink()
    os.chown(outside, 65534, 65534)
    try:
        with pytest.raises(PartError, match="belongs to somebody else"):
            Postgres(tmp_path / ".run").start()
        assert outside.exists()
    finally:
        shutil.rmtree(outside)


def test_without_installed_binaries_the_wheels_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_binaries, "installed", list)
    with Postgres(tmp_path, fsync=False) as server:
        assert (server.data.resolve() / "PG_VERSION").read_text().strip() == "18"


@as_root
def test_a_wheel_that_the_server_cannot_reach_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = postgres_binaries.wheel()
    assert wheel is not None
    closed = tmp_path / "closed"
    postgres_binaries.copy_wheel(wheel, closed)
    closed.chmod(0o700)
    hidden = closed / wheel.relative_to(wheel.parents[1])
    hidden.chmod(0o700)
    monkeypatch.setattr(postgres_binaries, "installed", list)
    monkeypatch.setattr(postgres_binaries, "wheel", lambda: hidden)
    with Postgres(tmp_path, fsync=False) as server:
        program = Path(f"/proc/{server.pid}/exe").readlink()
        assert program.is_relative_to("/var/tmp")


def test_data_of_a_version_that_is_not_here_is_refused_with_words(tmp_path: Path) -> None:
    server = Postgres(tmp_path, fsync=False)
    server.prepare()
    (server.data.resolve() / "PG_VERSION").write_text("9\n")
    with pytest.raises(PartError, match="no server binaries of version 9"):
        server.start()
    server.discard()
