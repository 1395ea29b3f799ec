"""The server's socket: listens, says so in one line, and leaves without losing a request when it is told to end."""

import asyncio
import gc
import json
import os
import signal
import socket
import sys
from collections.abc import Sequence

from granian.constants import Interfaces
from granian.server.embed import Server

from journey.errors import Unavailable
from serving.app import Application

DRAIN_SECONDS = 20.0      # how long requests in flight may take to end
BACKLOG = 1024            # connections that wait to be accepted; the kernel's own default limit is 4096

# Clients keep connections open, and one that is cut while a request is on its way loses it. So answers end their connections first,
# until nobody asked for QUIET_SECONDS (a client that sends less than one request in that time looks whether its connection was closed).
LEAVE_SECONDS = 5.0
QUIET_SECONDS = 1.0       # short beside a pod's grace, and long beside what a busy machine keeps a client waiting


async def listen(application: Application, host: str, port: int, versions: Sequence[int]) -> None:
    """Serves until SIGTERM or SIGINT.

    Args:
        application: answers.
        host: the address to listen on.
        port: 0 takes a free one.
        versions: that answer, for the line on stdout that says that the server is ready.

    Raises:
        Unavailable: the port is taken, or the server ended by itself.
    """
    reserved = _reserve(host, port)
    host, port = reserved.getsockname()[:2]
    server = Server(application, address=host, port=port, interface=Interfaces.RSGI, websockets=False, backlog=BACKLOG, log_enabled=False)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    serving = asyncio.create_task(server.serve())
    serving.add_done_callback(lambda _: ended.set())
    await _answers(host, port, serving)
    reserved.close()
    _require_running(serving, f"{host}:{port}")
    gc.collect()
    gc.freeze()      # what is loaded stays: the collector need not walk through it while requests wait
    sys.stdout.write(json.dumps({"port": port, "pid": os.getpid(), "versions": list(versions)}) + "\n")
    sys.stdout.flush()
    await ended.wait()
    _require_running(serving, f"{host}:{port}")
    await _leave(application)
    server.stop()
    await asyncio.wait({serving}, timeout=DRAIN_SECONDS)


async def _leave(application: Application) -> None:
    """Returns once clients have gone elsewhere, or have had the time to."""
    application.leave()
    loop = asyncio.get_running_loop()
    until, before = loop.time() + LEAVE_SECONDS, -1
    while loop.time() < until and application.requests != before:
        before = application.requests
        await asyncio.sleep(QUIET_SECONDS)


def _require_running(serving: "asyncio.Task[None]", where: str) -> None:
    """A process that lives on without its server would answer nobody, and nobody would start it again.

    Raises:
        Unavailable: the server has ended.
    """
    if serving.done():
        raise Unavailable(f"{where}: expected the server to go on, found that it ended: {serving.exception() or 'nobody knows why'}.")


def _reserve(host: str, port: int) -> socket.socket:
    """A bound socket that nobody listens on: it keeps a port until the server has it, and finds out whether another server has it.

    Raises:
        Unavailable: the port is taken, or the address isn't this machine's.
    """
    holder = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        holder.bind((host, port))
        # only now: the server binds with SO_REUSEPORT, and a socket that has it would share the port of another server without a word
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except OSError as error:
        holder.close()
        raise Unavailable(f"{host}:{port}: expected a free port, found: {error.strerror}. Give another one with --port.") from error
    return holder


async def _answers(host: str, port: int, serving: "asyncio.Task[None]") -> None:
    """Returns once the server accepts connections, or has ended."""
    while not serving.done():
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            await asyncio.sleep(0.005)
        else:
            writer.close()
            return
