"""Every step that is taken outside the process: writes, calls to S3 and SQS, events. It can end at each."""

from collections.abc import Callable
from typing import Any, Protocol

_WRITES = (
    "take_in",
    "register",
    "save",
    "announce",
    "look_now",
    "look_now_for",
    "note_found",
    "lose_original",
    "publish_raw",
)
_CALLS = ("list_", "delete_", "abort_", "receive_", "send_")


class Killed(BaseException):
    """The process ends here: nothing of it runs on, and nothing is cleaned up."""


class Counted(Protocol):
    """Whoever is told of each step, and may end the process there."""

    def begin(self, what: str) -> int:
        """It is about to be taken; returns its number."""

    def end(self, number: int) -> None:
        """It was taken."""


class Steps:
    """Those that one process takes, in their order. It dies before or after the one of that number."""

    def __init__(self, last: int | None = None, *, before: bool = True) -> None:
        self.taken: list[str] = []
        self._last, self._before = last, before
        self.is_dead = False

    def begin(self, what: str) -> int:
        """The next step. Raises Killed where it is the last."""
        number = len(self.taken)
        self.taken.append(what)
        self._die(self.is_dead or (self._before and number == self._last))
        return number

    def end(self, number: int) -> None:
        """It is done. Raises Killed where it was the last."""
        self._die(self.is_dead or (not self._before and number == self._last))

    def _die(self, dies: bool) -> None:
        self.is_dead = dies
        if dies:
            raise Killed(self.taken[-1])


class Stepwise:
    """Something outside, each of whose calls is a step."""

    def __init__(self, outside: Any, steps: Counted) -> None:
        self._outside = outside
        self._steps = steps

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._outside, name)
        return self._stepwise(name, real) if name in _WRITES or name.startswith(_CALLS) else real

    def _stepwise(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*arguments: Any, **named: Any) -> Any:
            number = self._steps.begin(_said(name, arguments))
            reply = await real(*arguments, **named)
            self._steps.end(number)
            return reply

        return call


def _said(name: str, arguments: tuple[Any, ...]) -> str:
    if name == "save":
        return f"save {arguments[0].state}"
    return f"publish {arguments[0].rsplit('.', 1)[1]}" if name == "publish_raw" else name
