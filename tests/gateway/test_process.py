"""The gateway as a process of its own: it starts without anybody, says what it misses, and ends gracefully."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

import gateway.__main__
from chassis.channel import Tls
from gateway.settings import Settings
from tests.eventually import eventually
from tests.gateway.conftest import Stack

# Seconds, on a machine that does much else.
STARTS = 90.0
ENDS = 30.0


def environment(settings: Settings, port: int, **changes: str) -> dict[str, str]:
    """What the process is told, as an operator would tell it."""
    told = {
        name: value.get_secret_value() if hasattr(value, "get_secret_value") else str(value)
        for name, value in settings
        if value is not None
    }
    told |= {"gateway_listen": f"127.0.0.1:{port}", "gateway_url": f"http://127.0.0.1:{port}", **changes}
    return {**os.environ, **{f"ASSENT_{name.upper()}": value for name, value in told.items()}}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@contextlib.asynccontextmanager
async def running(told: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "serve", env=told, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def readiness(url: str) -> httpx.Response | None:
    async with httpx.AsyncClient(timeout=5) as http:
        try:
            return await http.get(f"{url}/readyz")
        except httpx.TransportError:
            return None


async def test_it_starts_alone_and_names_what_is_missing(settings: Settings, tls: Tls) -> None:
    port, nobody = free_port(), f"127.0.0.1:{free_port()}"
    addresses = {f"{name}_address": nobody for name in ("consent", "recording", "transcript")}
    told = environment(settings, port, **addresses, nats_url=f"nats://{nobody}")
    async with running(told) as process:
        answer = await eventually(lambda: readiness(f"http://127.0.0.1:{port}"), within=STARTS)
        assert answer is not None
        missing = ["consent_svc", "recording_svc", "transcript_svc", "nats", "notices"]
        assert (answer.status_code, answer.json()) == (503, {"status": "not ready", "missing": missing})
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
            assert (await http.get("/healthz")).status_code == 200
            away = await http.post("/v1/rooms/weekly/meeting")
        assert (away.status_code, away.json()["reason"]) == (503, "UNAVAILABLE")
        assert nobody not in away.text
        process.send_signal(signal.SIGTERM)
        _, errors = await asyncio.wait_for(process.communicate(), ENDS)
        assert (process.returncode, b"Traceback" in errors) == (0, False)


async def test_sigterm_lets_go_of_listeners_and_leaves_with_zero(stack: Stack, settings: Settings) -> None:
    port = free_port()
    opened = await stack.opened("ending")
    async with running(environment(settings, port)) as process:

        async def is_ready() -> bool:
            answer = await readiness(f"http://127.0.0.1:{port}")
            return answer is not None and answer.status_code == 200

        await eventually(is_ready, within=STARTS)
        path = f"ws://127.0.0.1:{port}/v1/meetings/{opened['meeting']['id']}/events"
        async with connect(path, additional_headers=stack.owner(), proxy=None) as live:
            await live.recv()
            process.send_signal(signal.SIGTERM)
            with pytest.raises(ConnectionClosed) as closed:
                await asyncio.wait_for(live.recv(), ENDS)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
        _, errors = await asyncio.wait_for(process.communicate(), ENDS)
        assert process.returncode == 0
        assert b"Traceback" not in errors, errors.decode()
        assert b'"event": "http_stopped"' in errors


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("participant_token_secret", "short"),
        ("whereby_webhook_secret", "one,"),
        ("gateway_url", "assent.example.org"),
        ("whereby_room_origin", "https://x; script-src *"),
    ],
)
def test_a_setting_that_would_weaken_it_is_refused_at_the_start(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    for variable, told in environment(settings, free_port(), **{name: value}).items():
        monkeypatch.setenv(variable, told)
    monkeypatch.setattr(sys, "argv", ["gateway", "serve"])
    monkeypatch.delattr(gateway.__main__, "serve")  # it must not come so far
    with pytest.raises(SystemExit) as left:
        gateway.__main__.main()
    assert left.value.code == 2
    assert capsys.readouterr().err.startswith(f"ASSENT_{name.upper()}:")


async def test_so_its_process_ends(settings: Settings) -> None:
    async with running(environment(settings, free_port(), participant_token_secret="short")) as process:
        _, errors = await asyncio.wait_for(process.communicate(), STARTS)
    assert process.returncode == 2
    assert errors.decode().startswith("ASSENT_PARTICIPANT_TOKEN_SECRET:")
