"""A real Redis on loopback for tests that need one."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from redis import Redis
from redis.exceptions import RedisError

from tests.ports import PORTS, free_port

READY_SECONDS = 60.0


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


@contextmanager
def running_redis(port: int | None = None, password: str = "planted-redis-word") -> Iterator[RedisServer]:
    """A redis-server that keeps nothing on disk, stopped in the end whatever happens.

    Args:
        port: None takes a free one.
        password: what it asks for.
    """
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("no redis-server on this machine: Debian's package redis-server has it")
    for number in (free_port() for _ in range(PORTS)) if port is None else (port,):
        options = ["--port", str(number), "--bind", "127.0.0.1", "--requirepass", password, "--save", "", "--appendonly", "no"]
        process = subprocess.Popen([binary, *options], stdout=subprocess.DEVNULL, cwd="/")
        try:
            server = RedisServer(number, password, process)
            if _answers(server):
                yield server
                return
        finally:
            process.kill()
            process.wait()
    raise AssertionError(f"redis-server ended before it answered: is port {number} another process's?")


def _answers(server: RedisServer) -> bool:
    """Waits until the server answers; False where it ended instead."""
    until = time.monotonic() + READY_SECONDS
    with server.client as client:
        while server.process.poll() is None:
            try:
                if client.info("server")["process_id"] == server.process.pid:      # another Redis may have the port, and end this one
                    return True
            except RedisError:
                pass
            assert time.monotonic() < until, "redis-server didn't answer in time"
            time.sleep(0.02)
    return False
