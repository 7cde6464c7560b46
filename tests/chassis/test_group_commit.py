"""Group commit: what waits together is committed together, and nobody pays for anybody else."""

import asyncio
from collections.abc import Sequence

import pytest

from chassis.database.group_commit import Busy, GroupCommit
from chassis.errors import Unavailable


class Disk:
    """Commits when it is told to, and remembers in what groups."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.alone: list[list[str]] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.held: set[str] = set()
        self.held_once: set[str] = set()
        self.done: list[list[str]] = []
        self.bad: set[str] = set()
        self.away = False
        self.turning = asyncio.Event()
        self.turning.set()
        self.freed = asyncio.Event()
        self.began = asyncio.Semaphore(0)
        self.began_alone = asyncio.Semaphore(0)

    async def commit(self, items: Sequence[str], wait: bool) -> list[str | Exception]:
        """An item is `key:name`."""
        (self.alone if wait else self.groups).append(list(items))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        (self.began_alone if wait else self.began).release()
        try:
            await (self.freed if wait else self.turning).wait()
        finally:
            self.in_flight -= 1
        if self.away:
            raise Unavailable("gone", reason="DATABASE_UNAVAILABLE")
        if self.bad & set(items):
            raise ValueError("a bad row spoils its statement")
        results: list[str | Exception] = []
        for item in items:
            key = item.partition(":")[0]
            if not wait and (key in self.held or (len(items) == 1 and key in self.held_once)):
                self.held_once.discard(key)
                results.append(Busy())
            else:
                self.done.append([item])
                results.append(item.upper())
        return results


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def group(disk: Disk) -> GroupCommit[str, str]:
    return GroupCommit(disk.commit)


def sending(group: GroupCommit[str, str], *items: str) -> list["asyncio.Task[str]"]:
    return [asyncio.create_task(group.submit(item.partition(":")[0], item)) for item in items]


async def test_a_lone_one_is_committed_at_once(disk: Disk, group: GroupCommit[str, str]) -> None:
    assert await group.submit("m", "m:1") == "M:1"
    assert disk.groups == [["m:1"]]


async def test_what_waits_for_the_disk_is_committed_together(disk: Disk, group: GroupCommit[str, str]) -> None:
    disk.turning.clear()
    tasks = sending(group, "a:1")
    await disk.began.acquire()
    tasks += sending(group, "b:1")
    await disk.began.acquire()
    tasks += sending(group, *(f"{key}:1" for key in "cdefg"))
    await asyncio.sleep(0)
    assert disk.groups == [["a:1"], ["b:1"]], "two at once, no more"
    disk.turning.set()
    assert await asyncio.gather(*tasks) == [f"{key}:1".upper() for key in "abcdefg"]
    assert disk.groups[2:] == [["c:1", "d:1", "e:1", "f:1", "g:1"]]


async def test_one_key_is_never_in_two_groups_and_keeps_its_order(disk: Disk, group: GroupCommit[str, str]) -> None:
    disk.turning.clear()
    tasks = sending(group, "m:1")
    await disk.began.acquire()
    tasks += sending(group, "m:2", "m:3")
    await asyncio.sleep(0)
    assert disk.groups == [["m:1"]], "there is room for a group more, but not for this key"
    disk.turning.set()
    await asyncio.gather(*tasks)
    assert disk.groups == [["m:1"], ["m:2", "m:3"]]


async def test_an_error_stays_with_the_one_who_caused_it(disk: Disk, group: GroupCommit[str, str]) -> None:
    disk.bad = {"b:1"}
    disk.turning.clear()
    first = sending(group, "x:1", "y:1")
    tasks = sending(group, "a:1", "b:1", "c:1")
    disk.turning.set()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert [str(one) for one in done] == ["A:1", "a bad row spoils its statement", "C:1"]
    assert await asyncio.gather(*first) == ["X:1", "Y:1"]


async def test_a_database_that_is_away_is_asked_once_for_all(disk: Disk, group: GroupCommit[str, str]) -> None:
    disk.away = True
    tasks = sending(group, *(f"{number}:1" for number in range(50)))
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(one) for one in done} == {Unavailable}
    assert len(disk.groups) <= 3


async def test_a_key_that_somebody_holds_keeps_only_itself_waiting(disk: Disk, group: GroupCommit[str, str]) -> None:
    disk.held = {"held"}
    waiting = sending(group, "held:1", "held:2")
    assert await asyncio.gather(*sending(group, "free:1", "free:2")) == ["FREE:1", "FREE:2"]
    waiting += sending(group, "held:3")
    assert await asyncio.gather(*sending(group, *(f"{number}:1" for number in range(20))))
    assert not any(task.done() for task in waiting)
    disk.held = set()
    disk.freed.set()
    assert await asyncio.gather(*waiting) == ["HELD:1", "HELD:2", "HELD:3"]
    assert disk.alone == [["held:1", "held:2"]], "the others of its key need not wait in transactions of their own"


async def test_many_held_keys_take_two_connections_at_most(disk: Disk, group: GroupCommit[str, str]) -> None:
    disk.held = {f"held{number}" for number in range(10)}
    waiting = sending(group, *(f"{key}:1" for key in sorted(disk.held)))
    assert await group.submit("free", "free:1") == "FREE:1"
    await disk.began_alone.acquire()
    await disk.began_alone.acquire()
    assert await group.submit("free", "free:2") == "FREE:2"
    assert (len(disk.alone), disk.most_in_flight) <= (2, 4)
    disk.freed.set()
    await asyncio.gather(*waiting)
    assert len(disk.alone) == 10


async def test_who_gave_up_before_their_turn_is_not_committed(disk: Disk, group: GroupCommit[str, str]) -> None:
    disk.turning.clear()
    tasks = sending(group, "a:1", "b:1")
    await disk.began.acquire()
    late = sending(group, "a:2", "c:1")
    await asyncio.sleep(0)
    late[0].cancel()
    await asyncio.gather(late[0], return_exceptions=True)
    disk.turning.set()
    await asyncio.gather(*tasks, late[1])
    assert "a:2" not in [item for items in disk.groups for item in items]
    assert await group.submit("a", "a:3") == "A:3"


async def test_who_gives_up_in_the_middle_leaves_the_others_as_they_are(
    disk: Disk, group: GroupCommit[str, str]
) -> None:
    disk.turning.clear()
    tasks = sending(group, "a:1", "b:1", "c:1")
    await disk.began.acquire()
    tasks[0].cancel()
    disk.turning.set()
    assert await asyncio.gather(*tasks[1:]) == ["B:1", "C:1"]
    assert await group.submit("a", "a:2") == "A:2"


async def test_after_an_error_the_answers_of_one_key_keep_their_order(disk: Disk, group: GroupCommit[str, str]) -> None:
    disk.bad = {"z:1"}
    disk.turning.clear()
    first = sending(group, "x:1", "y:1")
    tasks = sending(group, "m:1", "m:2", "z:1")
    disk.held_once = {"m"}  # somebody holds it when the first of it is tried alone, and no longer for the second
    disk.turning.set()
    disk.freed.set()
    await asyncio.gather(*tasks, *first, return_exceptions=True)
    committed = [item for items in disk.done for item in items if item.startswith("m:")]
    assert committed == ["m:1", "m:2"]


async def test_a_database_that_answers_nothing_is_given_up(
    disk: Disk, group: GroupCommit[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.database.group_commit.LONGEST", 0.1)
    disk.turning.clear()
    with pytest.raises(Unavailable):
        await group.submit("m", "m:1")
    disk.turning.set()
    assert await group.submit("m", "m:2") == "M:2"
