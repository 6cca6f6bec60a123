"""Message queues on the loopback: real servers, where the machine has them."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

PASSWORD = "open sesame/1"


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def needs(program: str) -> str:
    """Where a server's program is; without it the test is skipped, or fails where CI is set."""
    # First the program itself, not the wrapper that becomes another user.
    if found := shutil.which(program, path=f"/usr/lib/rabbitmq/bin:{os.environ['PATH']}"):
        return found
    told = f"{program} is not installed on this machine"
    if os.environ.get("CI"):
        pytest.fail(told)
    pytest.skip(told)


@contextmanager
def running(
    command: list[str], folder: Path, port: int, **variables: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A server that listens on a port until the end."""
    log = (folder / "server.log").open("wb")
    # A group of its own, for some are a script that starts another program.
    process = subprocess.Popen(
        command, cwd=folder, env={**os.environ, **variables}, stdout=log, stderr=log,
        start_new_session=True,
    )  # fmt: skip
    try:
        _wait(lambda: _listens(port), process, folder / "server.log")
        yield process
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        log.close()


def _listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def _wait(is_there: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 90
    while not is_there():
        assert process.poll() is None, log.read_text(errors="replace")[-2000:]
        assert time.monotonic() < end, log.read_text(errors="replace")[-2000:]
        time.sleep(0.05)


@contextmanager
def redis_server(folder: Path) -> Iterator[int]:
    """A Redis server with a password; gives its port."""
    port = free_port()
    command = [
        needs("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--save", "",
        "--requirepass", PASSWORD, "--dir", str(folder),
    ]  # fmt: skip
    with running(command, folder, port):
        yield port


@contextmanager
def rabbitmq_server(folder: Path) -> Iterator[int]:
    """A RabbitMQ server with the user guest; gives its port."""
    port, clustering, names = free_port(), free_port(), free_port()
    (folder / "rabbitmq.conf").write_text(
        f"listeners.tcp.1 = 127.0.0.1:{port}\nloopback_users = none\n"
    )
    variables = {
        "RABBITMQ_NODENAME": f"test{port}@localhost",
        "RABBITMQ_DIST_PORT": str(clustering),
        "RABBITMQ_MNESIA_BASE": str(folder),
        "RABBITMQ_LOG_BASE": str(folder),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_SERVER_START_ARGS": f"-setcookie {port}",
        "ERL_EPMD_PORT": str(names),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "HOME": str(folder),
    }
    with running([needs("rabbitmq-server")], folder, port, **variables):
        yield port
    # The name server that Erlang starts outlives whoever started it.
    epmd = shutil.which("epmd")
    if epmd:
        subprocess.run([epmd, "-port", str(names), "-kill"], check=False, capture_output=True)
