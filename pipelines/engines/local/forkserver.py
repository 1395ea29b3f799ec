"""A process that has a phase's libraries loaded and forks one child for each step.

It never computes: a fork after OpenMP has run hangs. It speaks JSON lines over a socket that it inherits: a job comes in, its end goes out.
When the socket closes, it kills its children with everything that they started, and ends.
"""

import contextlib
import ctypes
import gc
import json
import os
import resource
import selectors
import signal
import socket
import sys
import time
import traceback
import warnings
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from journey.errors import JourneyError
from pipelines.niceness import give_way, give_way_as_session

_PR_SET_PDEATHSIG = 1
_MIB_IN_MAXRSS = 1024 if sys.platform.startswith("linux") else 1024 * 1024     # Linux counts KiB, macOS bytes
Job = dict[str, Any]


class Server:
    """Forks children for the jobs that come through a socket."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._running: dict[int, tuple[int, float]] = {}      # process > job, start
        self._received = b""

    def serve(self) -> None:
        """Works until the other end closes the socket."""
        woken, waker = socket.socketpair()
        for end in (woken, waker):
            end.setblocking(False)
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _nothing)
        with selectors.DefaultSelector() as selector:
            selector.register(self._channel, selectors.EVENT_READ)
            selector.register(woken, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select()}
                if woken in ready:
                    woken.recv(4096)
                    self._reap()
                if self._channel in ready and not self._receive():
                    break
        for process in self._running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process, signal.SIGKILL)

    def _receive(self) -> bool:
        try:
            data = self._channel.recv(1 << 20)
        except ConnectionResetError:
            data = b""
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            self._start(json.loads(line))
        return bool(data)

    def _start(self, job: Job) -> None:
        started, server = time.monotonic(), os.getpid()
        process = os.fork()
        if process == 0:
            self._channel.close()
            _child(job, server)
        self._running[process] = (job["id"], started)

    def _reap(self) -> None:
        while self._running:
            process, status, usage = os.wait4(-1, os.WNOHANG)
            if process == 0:
                return
            job, started = self._running.pop(process)
            report = {
                "id": job,
                "status": os.waitstatus_to_exitcode(status),
                "seconds": time.monotonic() - started,
                "memory_mib": usage.ru_maxrss / _MIB_IN_MAXRSS,
            }
            with contextlib.suppress(BrokenPipeError):      # the run was killed: the closed socket is seen next
                self._channel.sendall(json.dumps(report).encode() + b"\n")


def _nothing(number: int, frame: FrameType | None) -> None:
    """SIGCHLD only has to wake the selector."""


def _child(job: Job, server: int) -> NoReturn:
    code = 1
    try:
        os.setsid()
        _die_with(server)
        give_way_as_session()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _redirect(job["log"])
        os.environ.update(job["environment"])
        _execute(job)
        code = 0
    except BaseException as error:
        traceback.print_exc()
        Path(job["error"]).write_text(json.dumps(_described(error)), encoding="utf-8")
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _execute(job: Job) -> None:
    """What `python -m kfp.dsl.executor_main` does on a cluster: the step's source is run, then its function with KFP's own executor."""
    from kfp.dsl.executor import Executor

    module: dict[str, object] = {"__name__": "ephemeral_component"}
    exec(compile(job["source"], f"<component {job['function']}>", "exec"), module)  # noqa: S102 -- the compiled pipeline is the program that we run
    Executor(executor_input=job["input"], function_to_execute=module[job["function"]]).execute()


def _redirect(log: str) -> None:
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(target, 1)
    os.dup2(target, 2)
    os.close(target)
    os.close(nothing)


def _described(error: BaseException) -> dict[str, object]:
    kind = type(error)
    code = error.exit_code if isinstance(error, JourneyError) else 1        # other libraries' exceptions have an exit_code, too
    return {"kind": f"{kind.__module__}.{kind.__qualname__}", "message": str(error), "exit_code": code}


def _die_with(server: int) -> None:
    """Has the kernel kill this process when its fork server is killed; a server that ends by itself kills whole groups.

    A server that has ended by now found no group to kill, and the kernel tells only of ends that come later.
    """
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server:
        os._exit(1)


def _preload(modules: Sequence[str]) -> None:
    import_module("kfp.dsl.executor")
    for module in modules:
        with contextlib.suppress(ImportError):      # the step that needs it will say so, in its log
            import_module(module)
    gc.collect()
    gc.freeze()                                     # children then share these pages for good


def main() -> None:
    """Arguments: the socket's file descriptor, how much less pressing than other processes (nice, 0 to 19), and the modules to load."""
    warnings.filterwarnings("ignore", message=".*multi-threaded, use of fork", category=DeprecationWarning)
    channel = socket.socket(fileno=int(sys.argv[1]))
    started = time.monotonic()
    give_way(int(sys.argv[2]))
    _preload(sys.argv[3:])
    with contextlib.suppress(BrokenPipeError):      # the run may have ended while this was loading
        channel.sendall(json.dumps({"ready": time.monotonic() - started}).encode() + b"\n")
        Server(channel).serve()


if __name__ == "__main__":
    main()
