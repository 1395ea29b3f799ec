"""`python -m app.child COMMAND…`: becomes the command, in a process that ends when its parent does."""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def end_with_parent(parent: int) -> None:
    """Asks Linux to send SIGTERM when the parent ends; elsewhere a parent that is killed leaves its children behind.

    Args:
        parent: the process that started this one; if it has ended by now, so does this one.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(0)


if __name__ == "__main__":
    end_with_parent(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606  # the supervisor's own commands
