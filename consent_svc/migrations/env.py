"""Runs the numbered scripts beside it."""

from chassis.database import run_migrations

run_migrations()
