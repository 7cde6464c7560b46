"""CPU time of groups of processes, from /proc: who worked for an answer, and whether anybody else was at it."""

import os
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

_TICK = os.sysconf("SC_CLK_TCK")
T = TypeVar("T")


@dataclass(frozen=True)
class Usage:
    """What the clocks say at one moment, in seconds. Two of them subtracted tell of the time between."""

    wall: float
    # By name of the group.
    groups: dict[str, float]
    # Of the whole machine, everybody's.
    machine: float

    def __sub__(self, earlier: "Usage") -> "Usage":
        groups = {name: spent - earlier.groups.get(name, 0.0) for name, spent in self.groups.items()}
        return Usage(self.wall - earlier.wall, groups, self.machine - earlier.machine)

    @property
    def others(self) -> float:
        """What all but the groups "bench" (it starts the rest) and "postgres" used of the machine, as a part of it."""
        ours = self.groups["bench"] + self.groups["postgres"]
        return max(0.0, self.machine - ours) / (self.wall * (os.cpu_count() or 1))


@dataclass(frozen=True)
class _Spent:
    parent: int
    # Its own, its ended threads' and its ended children's.
    seconds: float


def usage(groups: Mapping[str, int | None]) -> Usage:
    """What each group has used so far: the process with this pid and all that it started, ended ones too."""
    processes = dict(of_every_process(_spent))
    children = defaultdict(list)
    for pid, spent in processes.items():
        children[spent.parent].append(pid)
    used = {name: _of_tree(pid, processes, children) for name, pid in groups.items() if pid}
    return Usage(time.perf_counter(), used, _machine())


def of_every_process(read: Callable[[Path], T]) -> list[T]:
    """What `read` makes of the folder under /proc of every process that does not end meanwhile."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            found.append(read(folder))
        except OSError:  # it ended meanwhile
            continue
    return found


def _of_tree(root: int, processes: Mapping[int, _Spent], children: Mapping[int, list[int]]) -> float:
    spent, waiting = 0.0, [root]
    while waiting:
        pid = waiting.pop()
        spent += processes[pid].seconds if pid in processes else 0.0
        waiting += children.get(pid, ())
    return spent


def _spent(folder: Path) -> tuple[int, _Spent]:
    # The name in parentheses may hold spaces: fields are counted from behind it.
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    return int(folder.name), _Spent(int(fields[1]), sum(map(int, fields[11:15])) / _TICK)


def _machine() -> float:
    # user, nice, system, (idle, iowait,) irq, softirq, steal; guests are in user already.
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / _TICK
