"""Finds a Chromium for the browser tests, and fetches one where the machine has none.

`python -m deploy.local.browser` prints the path of the program to start.
"""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
UNPACKED = REPOSITORY / ".tools" / "chromium"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
HOW_TO_INSTALL = (
    "no Chromium found and none could be fetched: install the package `chromium` (Debian, Ubuntu: "
    "`apt-get install chromium`) or set ASSENT_CHROMIUM to the path of a Chromium or Chrome"
)


class BrowserMissingError(RuntimeError):
    """There is no Chromium and no way to get one; the message says what to install."""


def chromium() -> Path:
    """The path of a Chromium that starts on this machine.

    In order: ASSENT_CHROMIUM, an installed one, one unpacked here before, Debian's package installed (as root) or
    unpacked into `.tools/chromium` (as anybody else). Raises BrowserMissingError where none of these starts.
    """
    complaints: list[str] = []
    for candidate in _candidates(complaints):
        complaint = _complaint_of(candidate)
        if complaint is None:
            return candidate
        complaints.append(complaint)
    raise BrowserMissingError("\n".join([HOW_TO_INSTALL, *complaints]))


def _candidates(complaints: list[str]) -> Iterator[Path]:
    chosen = os.environ.get("ASSENT_CHROMIUM")
    if chosen:
        yield Path(chosen)
        return
    yield from _installed()
    if (UNPACKED / "chromium").exists():
        yield UNPACKED / "chromium"
    if shutil.which("apt-get") is None:
        complaints.append("apt-get: not on this machine")
        return
    obtain: Callable[[], Iterator[Path]] = _install if os.geteuid() == 0 else _unpack
    try:
        yield from obtain()
    except subprocess.CalledProcessError as error:
        complaints.append(f"{shlex.join(error.cmd)}: {(error.stderr or error.stdout or '').strip()[-2000:]}")


def _installed() -> Iterator[Path]:
    for program in PROGRAMS:
        found = shutil.which(program)
        if found:
            yield Path(found)


def _install() -> Iterator[Path]:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    _run(["apt-get", "update", "--quiet=2"], environment)
    _run(["apt-get", "install", "--yes", "--quiet=2", "--no-install-recommends", "chromium"], environment)
    yield from _installed()


def _unpack() -> Iterator[Path]:
    """Debian's package and what it needs that is missing here, unpacked instead of installed."""
    UNPACKED.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=UNPACKED.parent) as work:
        files = Path(work) / "chromium"
        files.mkdir()
        for package in _download(Path(work)):
            _run(["dpkg", "--extract", str(package), str(files / "root")])
        _write_launcher(files, UNPACKED)
        shutil.rmtree(UNPACKED, ignore_errors=True)
        files.rename(UNPACKED)
    yield UNPACKED / "chromium"


def _download(work: Path) -> list[Path]:
    """apt works on lists and archives of its own, so it needs neither root nor the system's lock."""
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (work / folder).mkdir(parents=True)
    apt = ["apt-get", "--quiet=2", "-o", f"Dir::State={work}/state", "-o", f"Dir::Cache={work}/cache"]
    apt += ["-o", "Debug::NoLocking=1", "-o", f"Dir::Log={work}", "-o", "Dir::State::status=/var/lib/dpkg/status"]
    _run([*apt, "update"])
    _run([*apt, "install", "--download-only", "--yes", "--no-install-recommends", "chromium"])
    return sorted((work / "cache" / "archives").glob("*.deb"))


def _write_launcher(files: Path, home: Path) -> None:
    root = home / "root"
    libraries = sorted({str(home / path.parent.relative_to(files)) for path in (files / "root").rglob("lib*.so*")})
    fonts = f"<fontconfig><dir>{root}/usr/share/fonts</dir><dir>/usr/share/fonts</dir></fontconfig>"
    (files / "fonts.conf").write_text(f'<?xml version="1.0"?>{fonts}\n')
    launcher = files / "chromium"
    launcher.write_text(
        "#!/bin/sh\n"
        f"LD_LIBRARY_PATH={shlex.quote(':'.join(libraries))}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}\n"
        f"FONTCONFIG_FILE={shlex.quote(str(home / 'fonts.conf'))}\n"
        "export LD_LIBRARY_PATH FONTCONFIG_FILE\n"
        f'exec {shlex.quote(str(root / "usr/lib/chromium/chromium"))} "$@"\n'
    )
    launcher.chmod(0o755)


def _complaint_of(program: Path) -> str | None:
    """Why this program cannot be used, or None: a path alone says nothing about missing libraries."""
    try:
        _run([str(program), "--version"], timeout_seconds=60)
    except subprocess.CalledProcessError as error:
        return f"{program} does not start: {(error.stderr or '').strip()[-500:]}"
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{program} does not start: {error}"
    return None


def _run(
    command: Sequence[str], environment: dict[str, str] | None = None, timeout_seconds: float | None = 900
) -> None:
    subprocess.run(
        command, check=True, capture_output=True, text=True, env=environment, timeout=timeout_seconds, cwd=REPOSITORY
    )


if __name__ == "__main__":
    try:
        print(chromium())
    except BrowserMissingError as missing:
        sys.exit(str(missing))
