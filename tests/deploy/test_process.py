"""Processes are known by pid and start time, ports are kept, secrets are private."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from deploy.local.process import Process, spawn, start_time, stop
from deploy.local.run_dir import RunDir, is_free

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
)


def test_a_process_is_recognised_stopped_and_gone(tmp_path: Path) -> None:
    pid = spawn(["sleep", "60"], os.environ, tmp_path, tmp_path / "log")
    process = Process.of(pid, "f")
    process.write(tmp_path / "record")
    again = Process.read(tmp_path / "record")
    assert again == process
    assert again.alive
    stop(again)
    assert not again.alive


def test_a_stranger_with_the_same_pid_is_left_alone() -> None:
    with subprocess.Popen(["sleep", "60"]) as stranger:
        ours = Process(stranger.pid, "another start time", "f")
        assert not ours.alive
        stop(ours, grace=0)
        assert stranger.poll() is None
        stranger.kill()


def test_one_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        process = Process.of(child.pid, "f")
        stop(process, signal.SIGTERM, grace=0.2)
        assert not process.alive


def test_a_zombie_is_dead() -> None:
    reader, writer = os.pipe()
    # The child leaves a child of its own behind, which nobody collects while the child sleeps.
    script = f"(exec sleep 0) & echo $! >&{writer}; exec sleep 60"
    with subprocess.Popen(["bash", "-c", script], pass_fds=[writer]) as parent:
        pid = int(os.read(reader, 20))
        while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
            pass
        assert start_time(pid) is None
        parent.kill()
    os.close(reader)
    os.close(writer)


def test_a_port_stays_below_the_kernels_own_and_is_kept(tmp_path: Path) -> None:
    port = RunDir(tmp_path).port("nats")
    assert 1024 < port < 32768
    assert is_free(port)
    assert RunDir(tmp_path).port("nats") == port
    assert RunDir(tmp_path).port("moto") != port
    assert RunDir(tmp_path).move_port("nats") != port


def test_a_secret_is_made_once_and_private(tmp_path: Path) -> None:
    secret = RunDir(tmp_path).secret("webhook")
    assert len(secret) == 64
    assert RunDir(tmp_path).secret("webhook") == secret
    assert (tmp_path / "secrets" / "webhook").stat().st_mode & 0o777 == 0o600
