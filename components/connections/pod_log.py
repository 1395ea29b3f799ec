"""A pod's log, line by line, each once, over connections that break."""

import re
import time
from collections.abc import Callable, Iterable, Iterator

import httpx

from components.connections.api_server import Absent, Forbidden
from journey.errors import ProjectError, Unavailable

_PAUSE_SECONDS = 1.0
_TRIES = 60                 # in a row without a new line: as long as a node or a control plane takes to start anew
_TIMED = re.compile(r"(?P<at>[0-9-]{10}T[0-9:.]+\S*) (?P<text>.*)", re.DOTALL)


def followed(
    opened: Callable[[str | None], Iterator[str]], runs: Callable[[], bool], unreachable: Callable[[Exception], Exception]
) -> Iterator[str]:
    """The lines of a log.

    Args:
        opened: opens the log at a time (RFC 3339; None: at its start) and gives its lines, each behind its time.
        runs: whether more may come after a connection has ended.
        unreachable: the error to raise where the connection breaks again and again.

    Yields:
        the lines without their times.

    Raises:
        Absent, ProjectError: there is no log, or none yet. Forbidden: it may not be read. What `unreachable` and `runs` raise.
    """
    newest, seen, tries = "", 0, 0            # the newest time, and how many lines of that time there were
    while True:
        known = seen
        broken: Exception | None = None
        catching_up = bool(newest)            # lines of one connection needn't be in the order of their times: two streams are merged
        try:
            for line in opened(newest or None):
                found = _TIMED.fullmatch(line)
                if not found:                 # the node's own words on why it can't go on
                    continue
                if catching_up and found["at"] == newest and known:
                    known -= 1
                elif not (catching_up and found["at"] < newest):
                    catching_up, tries = False, 0
                    seen = seen + 1 if found["at"] == newest else 1 if found["at"] > newest else seen
                    newest = max(newest, found["at"])
                    yield found["text"]
        except (Forbidden, ProjectError):
            if newest:                        # it was there: the node has put it away with its container
                return
            raise
        except Absent as error:
            if not runs():                    # it has been taken away with its pod; or there is none yet
                if newest:
                    return
                raise
            broken = error                    # a kubelet that was started anew doesn't know its pods for a moment
        except httpx.ReadTimeout as error:    # of a container that runs, silence; what it writes last is still to be read, within minutes
            broken, tries = error, -1 if runs() else tries + _TRIES // 3
        except (httpx.TransportError, Unavailable) as error:
            broken = error
        if not (broken or runs()):
            return
        tries += 1
        if broken and tries > _TRIES:
            raise unreachable(broken) from broken
        time.sleep(_PAUSE_SECONDS)


def lines_of(chunks: Iterable[bytes]) -> Iterator[str]:
    """The lines of a stream of bytes, ended by newlines alone: a carriage return belongs to its line."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line.decode(errors="replace") for line in lines)
    if rest:
        yield rest.decode(errors="replace")
