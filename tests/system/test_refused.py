"""Who may not is refused by the real services as by those in memory: nothing shows what there is of somebody else's."""

from typing import cast

from deploy.local.issuer.stand_in import Issuer
from tests.gateway.conftest import bearer
from tests.gateway.forged import by_hand
from tests.gateway.vault import WHOSE_ID, asked, never_were, routes_with_a_token, seen
from tests.system.world import World

OPENING = "/v1/rooms/{room_name}/meeting"


async def test_somebody_elses_is_byte_for_byte_what_never_was(world: World) -> None:
    call, other = await world.call("Ana", "Ben"), await world.call("Cem")
    await world.answer(call, "Ana", False)
    await world.hang_up(call)
    recording = await world.transcribing(call)
    ids = {
        "room_name": call.room,
        "meeting_id": call.meeting_id,
        "recording_id": recording["id"],
        "transcript_id": recording["transcript_id"],
    }
    issuer = cast(Issuer, world.stack.parts["issuer"])
    description = await world.get("/openapi.json")
    routes = [one for one in routes_with_a_token(description) if one.path != OPENING and one.is_about(*WHOSE_ID)]
    for token in (issuer.token("somebody-else"), other.people["Cem"].token):
        for route in routes:
            there = await asked(world.gateway, route, ids, bearer(token))
            nothing = await asked(world.gateway, route, never_were(ids), bearer(token))
            assert there.status_code in {403, 404}, (route, there.text)
            assert seen(there, ids) == seen(nothing, never_were(ids)), route
    claims = {"iss": issuer.url, "aud": "assent", "sub": "owner-demo", "exp": 2**31}
    told = set()
    for token in (by_hand({"alg": "none"}, claims), issuer.token("owner-demo", audience="else"), "nonsense"):
        for route in routes_with_a_token(description):
            reply = await asked(world.gateway, route, ids, bearer(token))
            assert reply.status_code == 401, (route, reply.text)
            told |= {reply.text} - {""}
    assert len(told) == 1
    assert (await world.get(f"/v1/rooms/{call.room}"))["is_locked"] is False
    assert (await world.get(f"/v1/meetings/{call.meeting_id}/consent"))["counts"]["denied"] == 1
