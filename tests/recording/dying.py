"""recording_svc in processes that kill themselves before or after one of their steps.

Reads from its standard input what to run, and tells on its standard output which process that is and how it ended,
a line of JSON each. Everything is imported once: each process is a fork, and begins in no time.
"""

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from aiobotocore.session import get_session

import recording_svc.__main__ as service
from chassis.bus import Bus
from chassis.database import Database
from chassis.outbox import OutboxRelay
from recording_svc.buckets import AudioBuckets
from recording_svc.intake import Intake, Pace
from recording_svc.queues import Hold
from recording_svc.reconciliation import Findings
from recording_svc.store.postgres import PostgresRecordings
from tests.recording.steps import Stepwise

HIDDEN_SECONDS = 1
"""For so long what a killed process had in hand is hidden from the next one."""


_OF_SETTLING = ("save", "announce", "note_found", "list_", "delete_object", "abort_")
"""The others happen beside it: which state it is in by then is a matter of chance."""


@dataclass(frozen=True)
class Death:
    """Before or after the step of that name, when it is taken for the `occurrence`th time."""

    step: str
    before: bool
    occurrence: int = 1

    def __str__(self) -> str:
        return f"{'before' if self.before else 'after'} {self.step} #{self.occurrence}"


@dataclass(frozen=True)
class Life:
    """One process: what is in its environment, where its output and its steps go, and when it dies."""

    environ: dict[str, str]
    log: str
    account: str
    death: Death | None = None

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> "Life":
        """What `to_json` wrote."""
        said = json.loads(line)
        return cls(**{**said, "death": said["death"] and Death(**said["death"])})


class Mortal:
    """The steps of this process, each written down before it is taken; its death is a real one."""

    def __init__(self, account: int, death: Death | None) -> None:
        self._account = account
        self._death = death
        self._state = "discovered"
        self._taken: list[str] = []
        self._times: Counter[str] = Counter()

    def begin(self, what: str) -> int:
        """One more. The same call of settling is another step once the recording is in another state."""
        step = f"{what} while {self._state}" if what.startswith(_OF_SETTLING) else what
        self._taken.append(step)
        self._times[step] += 1
        os.write(self._account, f"{step}\n".encode())
        if self._death == Death(step, True, self._times[step]):
            os.kill(os.getpid(), signal.SIGKILL)
        return len(self._taken) - 1

    def end(self, number: int) -> None:
        """It is done, and where it brought the recording into a state, that holds for those that follow."""
        step = self._taken[number]
        if self._death == Death(step, False, self._taken[: number + 1].count(step)):
            os.kill(os.getpid(), signal.SIGKILL)
        what = step.split(" while ")[0]
        if what.startswith("save "):
            self._state = what.removeprefix("save ")


class NoComparison:
    """Of buckets and tables: it would mend what intake and settlement have to get right by themselves."""

    def __init__(self, *_: Any) -> None:
        pass

    async def reconcile(self) -> Findings:
        return Findings()


def live(life: Life) -> int:
    """Be recording_svc, whose store, buckets, queue and bus count its steps."""
    os.environ |= life.environ
    output = os.open(life.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, sys.stdout.fileno())
    os.dup2(output, sys.stderr.fileno())
    steps = Mortal(os.open(life.account, os.O_WRONLY | os.O_CREAT | os.O_APPEND), life.death)
    for name, what in _instead(lambda outside: Stepwise(outside, steps)).items():
        assert hasattr(service, name)
        setattr(service, name, what)
    sys.argv = ["recording_svc", "serve"]
    return service.main()


def _instead(stepwise: Callable[[Any], Any]) -> dict[str, Any]:
    """What `serve` makes, by the name under which it knows it."""

    def store(database: Database, locks: Database) -> Any:
        return stepwise(PostgresRecordings(database, locks))

    def intake(sqs: Any, *more: Any) -> Intake:
        # One batch at a time: moto gives what is visible again to a poll of the process that was killed.
        made: Callable[..., Intake] = partial(Intake, hold=Hold(HIDDEN_SECONDS), pace=Pace(batches=1))
        return made(stepwise(sqs), *more)

    def relay(database: Database, bus: Bus) -> OutboxRelay:
        return OutboxRelay(database, stepwise(bus))

    return {
        "PostgresRecordings": store,
        "AudioBuckets": lambda s3: AudioBuckets(stepwise(s3)),
        "Intake": intake,
        "OutboxRelay": relay,
        "Reconciliation": NoComparison,
    }


class Nursery:
    """The processes that were forked; of each end is told as soon as it comes."""

    def __init__(self) -> None:
        self._running: set[int] = set()
        signal.signal(signal.SIGCHLD, self._reap)

    def bear(self, life: Life) -> None:
        """One more; told of before its end can be."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        if (pid := os.fork()) == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
            os._exit(_lived(life))
        self._running.add(pid)
        _tell(pid=pid)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})

    def end(self) -> None:
        """Kill those that are left."""
        for pid in self._running:
            os.kill(pid, signal.SIGKILL)

    def _reap(self, *_: Any) -> None:
        for pid in list(self._running):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self._running.discard(pid)
                _tell(pid=pid, status=os.waitstatus_to_exitcode(status))


def _lived(life: Life) -> int:
    try:
        return live(life)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1


def _tell(**what: int) -> None:
    os.write(sys.stdout.fileno(), f"{json.dumps(what)}\n".encode())


async def _warm_up() -> None:
    """What the first client of a process reads takes longer than all the rest of its beginning."""
    async with get_session().create_client("s3", region_name="eu-central-1"):
        pass


def main() -> None:
    """One process for each line, until there are no more."""
    asyncio.run(_warm_up())
    nursery = Nursery()
    for line in iter(sys.stdin.readline, ""):
        nursery.bear(Life.from_json(line))
    nursery.end()


if __name__ == "__main__":
    main()
