"""People who have come to meetings, and of whom nobody has answered yet."""

import asyncio
from dataclasses import dataclass

from tests.system.world import Json, World


@dataclass(frozen=True)
class Person:
    """Someone who may answer in one meeting."""

    meeting_id: str
    participant_id: str
    token: str


async def gather(world: World, meetings: int, each: int) -> list[Person]:
    """So many people in each of so many new meetings, those of one meeting side by side."""
    turns = asyncio.Semaphore(8)

    async def meet() -> list[Person]:
        async with turns:
            room = await world.make_room()
            return [_person(await world.open(room)) for _ in range(each)]

    return [person for them in await asyncio.gather(*(meet() for _ in range(meetings))) for person in them]


def _person(opened: Json) -> Person:
    return Person(opened["meeting"]["id"], opened["participant"]["id"], opened["participant"]["token"])
