"""Starts a stack of its own on free ports, measures, prints tables, removes everything."""

import argparse
import signal
import sys
import tempfile

import uvloop

from bench import answers, erasure, intake, listeners, media, verdict, words
from bench.contenders import Scale
from chassis import logs
from deploy.local import PartError, Postgres, Stack
from deploy.local.stack import ALL

MEASURED = ("answers", "verdict", "intake", "erasure", "listeners", "words", "media")
PARTS = {
    "verdict": ("postgres",),
    "intake": ("postgres", "moto"),
    "erasure": ("postgres", "moto"),
    "words": ("postgres",),
    "media": ("postgres",),
}
"""Of the stack, what a measurement needs that does not need all."""
CONNECTIONS = 300
"""That Postgres takes at once: pgbench's 200 beside the pools of the services."""


def main() -> int:
    """Exit code 0 only if all went as it must; whether the aims were reached is printed."""
    logs.configure("bench", "WARNING")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # leave by the way that stops the stack
    wanted, scale = _arguments()
    listeners.allow_files()  # before what inherits it is started
    with tempfile.TemporaryDirectory(prefix="assent-bench-") as folder:
        stack = Stack(folder, parts=PARTS.get(wanted, ALL), environ={"ASSENT_ANSWERS_PER_MINUTE": "0"})
        postgres = stack.parts["postgres"]
        assert isinstance(postgres, Postgres)
        postgres.connections = CONNECTIONS
        try:
            with stack:
                return uvloop.run(_measure(stack, postgres, wanted, scale))
        except PartError as error:
            print(error, file=sys.stderr)
            return 1


async def _measure(stack: Stack, postgres: Postgres, wanted: str, scale: Scale) -> int:
    failed = 0
    if wanted in ("all", "answers"):
        failed |= await answers.measure(stack, scale)
    if wanted in ("all", "verdict"):
        failed |= await verdict.measure(postgres, verdict.Sizes(rounds=scale.rounds))
    if wanted in ("all", "intake"):
        failed |= await intake.measure(stack, intake.Sizes(rounds=scale.rounds))
    if wanted in ("all", "erasure"):
        failed |= await erasure.measure(stack, erasure.Sizes(rounds=scale.rounds))
    if wanted in ("all", "listeners"):
        failed |= await listeners.measure(stack, listeners.Sizes(rounds=scale.rounds))
    if wanted in ("all", "words"):
        failed |= await words.measure()
    if wanted in ("all", "media"):
        failed |= await media.measure(scale.rounds)
    return failed


def _arguments() -> tuple[str, Scale]:
    usual = Scale()
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("what", nargs="?", default="all", choices=("all", *MEASURED))
    parser.add_argument("--clients", type=int, nargs="+", default=usual.clients)
    parser.add_argument("--rounds", type=int, default=usual.rounds, help="of each; the first is thrown away")
    parser.add_argument("--seconds", type=float, default=usual.seconds, help="of a round")
    parser.add_argument("--meetings", type=int, default=usual.meetings)
    parser.add_argument("--people", type=int, default=usual.people, help="in each meeting")
    parser.add_argument("--in-steps", action="store_true", help="pgbench sends statement by statement, unpipelined")
    given = vars(parser.parse_args())
    wanted = given.pop("what")
    return wanted, Scale(**given | {"clients": tuple(given["clients"])})


if __name__ == "__main__":
    raise SystemExit(main())
