"""Has a file checked by the command that anybody else would use, in a process that knows of no service."""

import sys
from pathlib import Path
from subprocess import run

from deploy.demo.api import expect
from deploy.local.part import REPOSITORY


def checked_offline(part: str, command: str, file: Path, key: Path, expected: str) -> str:
    """What the command prints of a file that holds. Raises UnexpectedError with what it finds where it does not."""
    words = [sys.executable, "-m", part, command, str(file), "--key", str(key)]
    # No variables: it could not find a service if it wanted to.
    done = run(words, env={}, cwd=REPOSITORY, capture_output=True, text=True)  # noqa: S603  fixed words
    expect(done.returncode == 0, expected, done.stderr.strip())
    return done.stdout


def relative(path: Path) -> Path:
    """A file as one would type it here."""
    return path.relative_to(REPOSITORY) if path.is_relative_to(REPOSITORY) else path
