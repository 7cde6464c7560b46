"""Prints the story: plain text that reads as well in a log file as on a terminal."""

import os
import shutil
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

NARROW, WIDE = 80, 100  # columns
LABEL = 19  # columns of a fact's label
BAR = 40  # columns of the progress bar
PLAIN_STEP = 25  # percent between two lines of progress where a bar cannot be redrawn

BOLD, DIM, GREEN, RED, RESET = "\x1b[1m", "\x1b[2m", "\x1b[32m", "\x1b[31m", "\x1b[0m"


class Screen:
    """Writes to `out`. Colours and a moving bar only where `out` is a terminal."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._is_terminal = out.isatty()
        self._has_colours = self._is_terminal and not os.environ.get("NO_COLOR")
        columns = shutil.get_terminal_size((WIDE, 24)).columns if self._is_terminal else WIDE
        self.width = min(max(columns, NARROW), WIDE)
        self._began = time.monotonic()

    def title(self, text: str) -> None:
        """The first line."""
        self._write(self._coloured(BOLD, text))

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """A heading, and how long what follows took. A step that fails has no end."""
        began = time.monotonic()
        self._write("\n" + self._coloured(BOLD, title))
        yield
        self._write(self._coloured(DIM, f"   ({time.monotonic() - began:.1f} s)"))

    def say(self, text: str) -> None:
        """A sentence or two."""
        for line in textwrap.wrap(text, self.width - 3, break_long_words=False, break_on_hyphens=False):
            self._write(f"   {line}")

    def line(self, text: str) -> None:
        """A line as it is."""
        self._write(f"   {text}")

    def fact(self, label: str, value: str) -> None:
        """Something that was seen, under its name."""
        indent = " " * (3 + LABEL)
        lines = textwrap.wrap(value, self.width - len(indent), break_long_words=False, break_on_hyphens=False)
        for number, line in enumerate(lines):
            self._write((indent if number else f"   {label:<{LABEL}}") + line)

    def proof(self, label: str, value: str) -> None:
        """A fact that the story is about."""
        self._write(f"   {label:<{LABEL}}{self._coloured(GREEN, value)}")

    def total(self) -> None:
        """How long all of it took."""
        self._write(f"\n{self._coloured(BOLD, f'All of it was observed, in {time.monotonic() - self._began:.0f} s.')}")

    def failure(self, text: str) -> None:
        """What went wrong, under everything that went right."""
        self._write(f"\n{self._coloured(RED, 'The demo stops here.')}")
        for line in text.splitlines():
            if line.startswith(" "):  # of a log: as it is
                self.line(line)
            else:
                self.say(line)

    @contextmanager
    def bar(self) -> Iterator["Bar"]:
        """A progress bar, which ends with a line of its own whatever happens."""
        bar = Bar(self._out, self._is_terminal)
        try:
            yield bar
        finally:
            bar.close()

    def _coloured(self, colour: str, text: str) -> str:
        return f"{colour}{text}{RESET}" if self._has_colours else text

    def _write(self, line: str) -> None:
        self._out.write(line + "\n")
        self._out.flush()


class Bar:
    """Progress: redrawn in place on a terminal, a line now and then elsewhere."""

    def __init__(self, out: TextIO, redraws: bool) -> None:
        self._out = out
        self._redraws = redraws
        self._told = -PLAIN_STEP

    def show(self, percent: float, seconds_left: float) -> None:
        """Draw it."""
        line = f"   [{'#' * round(BAR * percent / 100):-<{BAR}}] {percent:3.0f} %"
        if 0 < percent < 100:
            line += f"   about {seconds_left:.0f} s left"
        if self._redraws:
            self._out.write(f"\r{line}\x1b[K")
        elif percent // PLAIN_STEP > self._told // PLAIN_STEP:
            self._out.write(line + "\n")
        else:
            return
        self._told = int(percent)
        self._out.flush()

    def close(self) -> None:
        """Go on below it."""
        if self._redraws and self._told >= 0:
            self._out.write("\n")
            self._out.flush()
