"""Giving way: who answers requests and keeps features fresh comes first; training takes what is left.

Where Linux weighs sessions against each other (its autogroups), nice alone counts among the processes of one session only, and every
service and every step leads a session of its own: so a session gives way as a whole, too.
"""

import os
import time
from pathlib import Path

AUTOGROUP = Path("/proc/self/autogroup")
TRIES = 10
PAUSE_SECONDS = 0.1          # the kernel takes one such wish in a tenth of a second from those who aren't root


def give_way(niceness: int) -> None:
    """Makes this process and what it starts less pressing than others, by 0 to 19."""
    os.nice(niceness)
    give_way_as_session()


def give_way_as_session() -> None:
    """Has the session that this process leads give way as the process does; anyone else's session stays as it is."""
    niceness = os.getpriority(os.PRIO_PROCESS, 0)
    if niceness <= 0 or os.getsid(0) != os.getpid():
        return
    for _ in range(TRIES):
        try:
            AUTOGROUP.write_text(str(niceness), encoding="ascii")
        except BlockingIOError:
            time.sleep(PAUSE_SECONDS)
        except OSError:          # a kernel without autogroups: nice is enough there
            return
        else:
            return
