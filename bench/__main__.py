"""Starts a stack of its own on free ports, measures, prints a table, removes everything."""

import asyncio
import signal
import sys
import tempfile

from bench.answers import measure
from deploy.local import PartError, Stack

PARTS = ("postgres", "nats", "moto", "issuer", "whereby", "consent_svc", "recording_svc", "transcript_svc", "gateway")


def main() -> int:
    """Exit code 0 only if every answer was accepted and is in the history."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # leave by the way that stops the stack
    with tempfile.TemporaryDirectory(prefix="assent-bench-") as folder:
        try:
            with Stack(folder, parts=PARTS, environ={}) as stack:
                return asyncio.run(measure(stack))
        except PartError as error:
            print(error, file=sys.stderr)
            return 1


if __name__ == "__main__":
    raise SystemExit(main())
