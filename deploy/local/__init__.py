"""Assent on one machine: everything it needs, started in the background and stopped again.

`python -m deploy.local up|down|status` is what the Makefile calls; the classes here are what tests use.
"""

from deploy.local.moto import Moto
from deploy.local.nats import Nats
from deploy.local.part import Part, PartError
from deploy.local.postgres import Postgres
from deploy.local.stack import Stack

__all__ = ["Moto", "Nats", "Part", "PartError", "Postgres", "Stack"]
