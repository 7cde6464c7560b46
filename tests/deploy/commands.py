"""A part's commands in this process: what they say is what they would say in one of their own, and sooner."""

import importlib
import io
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest


def run_here(
    words: Sequence[str], *, env: Mapping[str, str], cwd: Path, capture_output: bool, text: bool
) -> subprocess.CompletedProcess[str]:
    """As `subprocess.run` of `python -m part …`, for commands that need neither variables nor a folder."""
    assert (words[:2], env, capture_output, text) == ([sys.executable, "-m"], {}, True, True)
    said, complained = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(said), redirect_stderr(complained):
        patch.setattr(sys, "argv", list(words[2:]))
        status = importlib.import_module(f"{words[2]}.__main__").main()
    return subprocess.CompletedProcess(words, status, said.getvalue(), complained.getvalue())
