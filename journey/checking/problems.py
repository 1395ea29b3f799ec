"""One thing that is wrong with a project, and where."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

KeyPath = tuple[str | int, ...]
Finding = tuple[KeyPath, str]
"""What is wrong, and the path of keys where; the file's lines make a Problem of it."""


@dataclass(frozen=True, order=True)
class Problem:
    """What is wrong, and where.

    Attributes:
        file: relative to the project's folder.
        line: counted from 1; 0 where there is no file.
        where: the path of keys, such as `tables.payments.key`; empty for the file as a whole.
        message: what was expected, what was found, what to do.
    """

    file: str
    line: int
    where: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.where}: {self.message}" if self.where else f"{place}: {self.message}"


def dotted(path: KeyPath) -> str:
    """A path of keys as people write it: `candidates[2].max_depth`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def nearest(name: str, known: Iterable[str]) -> str:
    """A question that names the nearest known name, or all where there are few; empty where there are none."""
    known = sorted(known)
    match = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if match:
        return f" Did you mean '{match[0]}'?"
    return f" Known: {', '.join(known)}." if 0 < len(known) <= 20 else ""
