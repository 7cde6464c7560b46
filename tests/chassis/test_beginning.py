"""A process does not begin with reading what it may never use: services are started by the dozen, and after a kill."""

import os
import subprocess
import sys

SELDOM_NEEDED = ("alembic", "opentelemetry.exporter")


def test_what_only_migrations_or_a_collector_need_is_read_when_they_do() -> None:
    code = "import sys, chassis.database, chassis.outbox, chassis.telemetry; print(*sys.modules)"
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    read = set(done.stdout.split())
    assert "chassis.telemetry" in read
    assert read.isdisjoint(SELDOM_NEEDED)
