"""Starts, stops and shows Assent on this machine: `python -m deploy.local up|down|status`."""

import argparse
import sys
from pathlib import Path

from deploy.local.part import PartError
from deploy.local.stack import Stack


def main() -> int:
    """Do what was asked. The exit status is 1 where something did not start, or does not run."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    parser.add_argument("command", choices=("up", "down", "status"))
    parser.add_argument("--run-dir", type=Path, help="where the stack keeps its state (ASSENT_RUN_DIR, else .run)")
    asked = parser.parse_args()
    stack = Stack(asked.run_dir, say=lambda line: print(line, flush=True))
    if asked.command == "status":
        return status(stack)
    try:
        return up(stack) if asked.command == "up" else down(stack)
    except PartError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1


def up(stack: Stack) -> int:
    """Start what is missing, and say what is used instead of the rest."""
    for line in stack.status():
        if line.state == "yours":
            print(f"{line.part:<15} yours  {line.address:<22} {line.log}")
    gateway = stack.up()["ASSENT_GATEWAY_URL"]
    print(f"\nOpen {gateway} and sign in; the demo's owner is owner-demo.")
    print(f"Its variables, for programs, are in {stack.run_dir.path / 'stack.env'}.")
    print("`make demo` plays a meeting, `make status` shows every part and its log, `make down` stops them.")
    return 0


def down(stack: Stack) -> int:
    """Stop what was started."""
    held = stack.parts["moto"].pid is not None
    stack.down()
    if held:
        print("The local S3 lived in memory: recordings and audio that it held are gone; transcripts stay.")
    return 0


def status(stack: Stack) -> int:
    """Print a table."""
    rows = [("part", "state", "pid", "address", "log")]
    rows += [(line.part, line.state, str(line.pid or ""), line.address, line.log) for line in stack.status()]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0 if all(line.state in ("running", "yours") for line in stack.status()) else 1


if __name__ == "__main__":
    sys.exit(main())
