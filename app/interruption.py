"""How a command is interrupted: SIGTERM is as good as Ctrl-C."""

import os
import signal
from types import FrameType

INTERRUPTED = 128 + signal.SIGINT      # the exit code that shells know


def end_on_sigterm() -> None:
    """Has SIGTERM end this process at once: while it loads it has nothing to put away, and a library may pass over a KeyboardInterrupt."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(INTERRUPTED))


def heed_sigterm() -> None:
    """Has SIGTERM end this process as Ctrl-C does, by KeyboardInterrupt: what it started is ended, and what it did is noted."""
    signal.signal(signal.SIGTERM, _as_ctrl_c)


def _as_ctrl_c(number: int, frame: FrameType | None) -> None:
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler):           # Ctrl-C is ignored, as in a shell's background
        raise KeyboardInterrupt
    handler(number, frame)
