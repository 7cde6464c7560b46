"""The API's description is true: whatever it allows to ask, and much that it does not, is answered as it says.

`ASSENT_DESCRIPTION_REQUESTS=5000` asks that often; the ordinary run makes do with fewer.
"""

import asyncio
import os
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.system.world import Json, World

REQUESTS = int(os.environ.get("ASSENT_DESCRIPTION_REQUESTS", "800"))
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@dataclass
class Asker:
    """Asks as the owner, as a participant and as nobody, about what there is and about what there is not."""

    url: str
    known: dict[str, list[str]]
    tokens: list[str]
    statuses: Counter[int] = field(default_factory=Counter)

    def ask(self, case: Case[Any], data: st.DataObject) -> None:
        """One request, as the case has it or nearer to what there is."""
        for name in case.path_parameters or {}:
            if name in self.known and data.draw(st.booleans()):
                case.path_parameters[name] = data.draw(st.sampled_from(self.known[name]))
        token = data.draw(st.sampled_from(self.tokens))
        response = case.call(base_url=self.url, headers={"Authorization": f"Bearer {token}"} if token else {})
        self.statuses[response.status_code] += 1
        case.validate_response(response, checks=CHECKS)


def ask_all(asker: Asker, requests: int) -> None:
    """So many requests or a few less, spread over all routes; what removes things comes last."""
    schema = schemathesis.openapi.from_url(f"{asker.url}/openapi.json")
    found = [one for one in schema.get_all_operations() if isinstance(one, Ok)]
    operations = sorted((one.ok() for one in found), key=lambda one: one.method == "delete")
    each = requests // (2 * len(operations)) + 1
    for operation in operations:
        _ask_about(asker, operation, GenerationMode.POSITIVE, each)
        # Of a route that takes nothing, nothing can be made wrong.
        with suppress(Unsatisfiable):
            _ask_about(asker, operation, GenerationMode.NEGATIVE, each)


def _ask_about(asker: Asker, operation: Any, mode: GenerationMode, times: int) -> None:
    @hypothesis.settings(
        max_examples=times,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), data=st.data())
    def ask(case: Case[Any], data: st.DataObject) -> None:
        asker.ask(case, data)

    ask()


async def test_whatever_is_asked_is_answered_as_the_description_says_and_never_by_a_failure(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    call = await world.call("Ana", "Ben")
    await world.answer(call, "Ana", True)
    await world.hang_up(call)
    recording = await world.recording(call, "kept")
    strangers: Json = await world.open(await world.make_room())
    known = {
        "room_name": [call.room, strangers["meeting"]["room"]],
        "meeting_id": [call.meeting_id, strangers["meeting"]["id"]],
        "recording_id": [recording["id"]],
        "transcript_id": [recording["transcript_id"]],
    }
    owner, participant = world.env["ASSENT_OWNER_TOKEN"], call.people["Ana"].token
    asker = Asker(world.env["ASSENT_GATEWAY_URL"], known, [owner, owner, participant, participant, "nonsense", ""])
    await asyncio.to_thread(ask_all, asker, REQUESTS)
    asked = sum(asker.statuses.values())
    with capsys.disabled():
        sys.stdout.write(f"\nOpenAPI: {asked} requests, statuses {dict(sorted(asker.statuses.items()))}\n")
    assert asked >= 0.8 * REQUESTS
    assert {200, 201, 204, 400, 401, 403, 404, 422} <= asker.statuses.keys()
    assert max(asker.statuses) < 500, asker.statuses
