"""A real Redis on loopback for tests that need one."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from redis import Redis
from redis.exceptions import RedisError

READY_SECONDS = 20.0


@dataclass
class RedisServer:
    """A running redis-server.

    Attributes:
        port: on 127.0.0.1.
        password: what it asks for.
    """

    port: int
    password: str
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    @property
    def client(self) -> "Redis":
        return Redis(port=self.port, password=self.password)


def free_port() -> int:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        return int(holder.getsockname()[1])


@contextmanager
def running_redis(port: int | None = None, password: str = "planted-redis-word") -> Iterator[RedisServer]:
    """A redis-server that keeps nothing on disk, stopped in the end whatever happens."""
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("no redis-server on this machine: Debian's package redis-server has it")
    port = port or free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--requirepass", password, "--save", "", "--appendonly", "no"]
    process = subprocess.Popen([binary, *options], stdout=subprocess.DEVNULL, cwd="/")
    try:
        server = RedisServer(port, password, process)
        _wait(server)
        yield server
    finally:
        process.kill()
        process.wait()


def _wait(server: RedisServer) -> None:
    until = time.monotonic() + READY_SECONDS
    with server.client as client:
        while True:
            try:
                client.ping()
            except RedisError:
                assert time.monotonic() < until, "redis-server didn't answer in time"
                time.sleep(0.02)
            else:
                return
