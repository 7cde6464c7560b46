"""The stand-in for Whereby as a part of the stack."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar

from deploy.local.part import PYTHON, Part
from deploy.local.probes import http_ok
from deploy.local.run_dir import RunDir

NEEDED = ("ASSENT_GATEWAY_URL", "ASSENT_WHEREBY_API_KEY", "ASSENT_WHEREBY_WEBHOOK_SECRET")


class Whereby(Part):
    """Runs `python -m deploy.local.whereby`. Its control API is at `<url>/control`."""

    name = "whereby"
    advice: ClassVar[str] = "run `make setup`, or set ASSENT_WHEREBY_API_URL to the real one"

    def __init__(self, run_dir: RunDir | Path | str, variables: Callable[[], Mapping[str, str]]) -> None:
        super().__init__(run_dir)
        self._variables = variables

    @property
    def url(self) -> str:
        """Where rooms are."""
        return f"http://{self.address}"

    def env(self) -> dict[str, str]:
        return {"ASSENT_WHEREBY_API_URL": f"{self.url}/v1", "ASSENT_WHEREBY_ROOM_ORIGIN": self.url}

    def command(self) -> list[str]:
        port, state = str(self.run_dir.port(self.name)), str(self.run_dir.path / "whereby.json")
        return [PYTHON, "-m", "deploy.local.whereby", "--port", port, "--state", state]

    def settings(self) -> dict[str, str]:
        variables = self._variables()
        return {name: variables[name] for name in variables if name in NEEDED or name.startswith("AWS_")}

    def ready(self) -> bool:
        return http_ok(f"{self.url}/healthz")
