"""`python -m serving --home H --model NAME`: holds the model's versions and answers until it is told to end."""

import argparse
import asyncio
import gc
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop
from granian.constants import Interfaces
from granian.server.embed import Server

from journey.clock import clock_of
from journey.errors import JourneyError, Unavailable
from journey.records.ledger import Ledger
from serving.app import Application, Limits
from serving.follow import Follower, Watched
from serving.models import Surroundings
from serving.recorder import Recorder

DRAIN_SECONDS = 20.0      # how long requests in flight may take to end; under Kubernetes' 30 s of grace
BACKLOG = 1024            # connections that wait to be accepted; the kernel's own default limit is 4096


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves until SIGTERM or SIGINT, then answers what is in flight; the exit code."""
    asked = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    try:
        uvloop.run(_serve(asked))
    except JourneyError as error:
        sys.stderr.write(f"serving: {error}\n")
        return error.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m serving", description="Answers requests with the promoted version of a model.")
    add = parser.add_argument
    add("--home", type=Path, required=True, help="JOURNEY_HOME: ledger, keys and online features")
    add("--model", required=True, help="the model's name, as in project.yaml")
    add("--ledger", help="the ledger's URL, by default sqlite:///HOME/ledger.db")
    add("--online", type=Path, help="the online feature store's file, by default HOME/feast/online.db")
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=0, help="0 takes a free one and says which")
    add("--feedback", action="store_true", help="keep answers and labels in the ledger")
    add("--newest", action="store_true", help="where no version is promoted, answer with the newest")
    add("--hold", type=int, default=2, help="how many versions to hold besides the champion")
    add("--latency-ms", type=float, default=20.0, help="the service level's latency: an edge of the histogram")
    add("--most-rows", type=int, default=Limits.rows, help="rows a request")
    add("--most-bytes", type=int, default=Limits.body_bytes, help="bytes a request's body")
    return parser


async def _serve(asked: argparse.Namespace) -> None:
    ledger = Ledger.connect(asked.ledger or f"sqlite:///{asked.home.resolve() / 'ledger.db'}")
    surroundings = Surroundings(asked.home / "keys", asked.online or asked.home / "feast" / "online.db", asked.latency_ms / 1000)
    follower = Follower(ledger, Watched(asked.model, asked.hold, asked.newest), surroundings)
    recorder = Recorder(ledger) if asked.feedback else None
    limits = Limits(asked.most_bytes, asked.most_rows)
    application = Application(follower, recorder, clock_of(os.environ), limits)
    follower.start()
    if recorder is not None:
        recorder.start(application.count_label)
    try:
        await _listen(application, asked, follower)
    finally:
        follower.stop()
        if recorder is not None:
            await asyncio.to_thread(recorder.stop)


async def _listen(application: Application, asked: argparse.Namespace, follower: Follower) -> None:
    reserved = _reserve(asked.host, asked.port)
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
    sys.stdout.write(json.dumps({"port": port, "pid": os.getpid(), "versions": list(follower.fleet.models)}) + "\n")
    sys.stdout.flush()
    await ended.wait()
    _require_running(serving, f"{host}:{port}")
    server.stop()
    await asyncio.wait({serving}, timeout=DRAIN_SECONDS)


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


if __name__ == "__main__":
    sys.exit(main())
