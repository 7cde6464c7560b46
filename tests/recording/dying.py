"""recording_svc in forked processes that kill themselves before or after one of their steps."""

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import recording_svc.__main__ as service
from chassis.bus import Bus
from chassis.database import Database
from chassis.outbox import OutboxRelay
from recording_svc.buckets import AudioBuckets
from recording_svc.intake import Intake, Pace
from recording_svc.queues import Hold
from recording_svc.reconciliation import Findings
from recording_svc.store.postgres import PostgresRecordings
from tests.forking import serve, write_to
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

    @classmethod
    def of(cls, said: dict[str, Any]) -> "Life":
        """The life that `asdict` made that of."""
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


def live(said: dict[str, Any]) -> int:
    """Be recording_svc, whose store, buckets, queue and bus count its steps."""
    life = Life.of(said)
    os.environ |= life.environ
    write_to(life.log)
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


if __name__ == "__main__":
    serve(live)
