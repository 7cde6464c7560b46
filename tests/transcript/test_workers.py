"""Child processes work beside us, can be ended at any moment and never outlive us."""

import asyncio
import os
import signal
import sys
from contextlib import aclosing
from pathlib import Path

import pytest

from tests.eventually import eventually
from transcript_svc.workers import Worker, WorkerDied, Workers, WorkRefused

CHILD = """
import os, signal, time
from transcript_svc.workers import serve

class Unwilling(Exception): ...

def do(request):
    if request["do"] == "count":
        print("chatter on standard output")
        for number in range(3):
            yield {"number": number, "pid": os.getpid()}
    elif request["do"] == "refuse":
        raise Unwilling("not this")
    elif request["do"] == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif request["do"] == "fail":
        raise OSError("disk full")
    elif request["do"] == "environment":
        yield dict(os.environ)
    else:
        yield {"pid": os.getpid()}
        time.sleep(600)

serve(do, Unwilling)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "child_of_test.py").write_text(CHILD)
    monkeypatch.syspath_prepend(tmp_path)
    return "child_of_test"


async def gone(pid: int) -> bool:
    async def ended() -> bool:
        return not _running(pid)

    return await eventually(ended)


def _running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_replies_come_one_by_one_and_the_child_stays_for_the_next_request(module: str) -> None:
    worker = Worker(module)
    first = [reply async for reply in worker.ask({"do": "count"})]
    second = [reply async for reply in worker.ask({"do": "count"})]
    await worker.kill()
    assert [reply["number"] for reply in first] == [0, 1, 2]
    assert first[0]["pid"] == second[0]["pid"]


async def test_a_refusal_is_an_answer_and_not_the_end(module: str) -> None:
    worker = Worker(module)
    with pytest.raises(WorkRefused, match="not this") as refused:
        await worker.answer({"do": "refuse"})
    assert refused.value.kind == "Unwilling"
    assert len([reply async for reply in worker.ask({"do": "count"})]) == 3
    await worker.kill()


@pytest.mark.parametrize(("what", "crashed"), [("crash", True), ("fail", False)])
async def test_a_crash_is_told_from_trouble_of_our_own_and_the_next_request_gets_a_new_child(
    module: str, what: str, crashed: bool
) -> None:
    worker = Worker(module)
    with pytest.raises(WorkerDied) as died:
        await worker.answer({"do": what})
    assert died.value.crashed is crashed
    assert len([reply async for reply in worker.ask({"do": "count"})]) == 3
    await worker.kill()


async def test_whoever_leaves_early_ends_the_work(module: str) -> None:
    worker = Worker(module)
    async with aclosing(worker.ask({"do": "sleep"})) as replies:
        pid = (await anext(replies))["pid"]
    assert await gone(pid)


async def test_cancelling_ends_the_work(module: str) -> None:
    worker = Worker(module)
    pids: asyncio.Queue[int] = asyncio.Queue()

    async def work() -> None:
        async with aclosing(worker.ask({"do": "sleep"})) as replies:
            async for reply in replies:
                pids.put_nowait(reply["pid"])

    working = asyncio.create_task(work())
    pid = await pids.get()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert await gone(pid)


async def test_a_child_knows_none_of_our_secrets(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    worker = Worker(module)
    assert "secret" not in (await worker.answer({"do": "environment"})).values()
    await worker.kill()


async def test_a_child_ends_when_its_parent_is_killed(module: str) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        f"""
import asyncio
from transcript_svc.workers import Worker

async def main():
    async for reply in Worker("{module}").ask({{"do": "sleep"}}):
        print(reply["pid"], flush=True)

asyncio.run(main())
""",
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    assert _running(pid)
    parent.send_signal(signal.SIGKILL)
    await parent.wait()
    assert await gone(pid)


async def test_workers_share_the_work_and_wait_for_one_another(module: str) -> None:
    workers = Workers(module, 2)

    async def count() -> int:
        async with workers.one() as worker:
            replies = [reply async for reply in worker.ask({"do": "count"})]
        return int(replies[0]["pid"])

    pids = await asyncio.gather(*(count() for _ in range(6)))
    await workers.close()
    assert len(set(pids)) == 2


async def test_a_child_that_falls_before_it_has_begun_says_nothing_of_its_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "unborn_child.py").write_text("import os; os.abort()")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(WorkerDied, match="before it had begun") as died:
        await Worker("unborn_child").answer({"do": "count"})
    assert not died.value.crashed
