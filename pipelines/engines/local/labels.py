"""What the steps of a run are called: the task's name, told apart inside loops and nested pipelines."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

_GROUP = re.compile(r"(for-loop|condition|condition-branches|exit-handler)-[0-9]+")
_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,40}")


def prefix_of(task: str) -> str:
    """What the names inside a graph begin with: nothing for KFP's own groups, the task's name for a pipeline in a pipeline."""
    return "" if _GROUP.fullmatch(task) else f"{task}."


def suffixes(items: Sequence[object]) -> list[str]:
    """What the names of a loop's steps end with: the items' names where each has one of its own, else their numbers."""
    names = [item.get("name") if isinstance(item, Mapping) else item for item in items]
    told_apart = all(isinstance(name, str) and _PLAIN.fullmatch(name) for name in names) and max(Counter(names).values(), default=1) == 1
    return [f".{name}" for name in (names if told_apart else range(len(items)))]
