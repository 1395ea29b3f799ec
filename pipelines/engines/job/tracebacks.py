"""The exception that ended a step, out of the traceback that Python wrote at the end of its log."""

import re
from importlib import import_module

from journey.errors import JourneyError
from pipelines.engines.runner import Told

_START = "Traceback (most recent call last):"
_RAISED = re.compile(r"(?P<kind>[A-Za-z_][\w.]*)(?:: (?P<message>.*))?", re.DOTALL)
_OURS = ("app", "components", "feature_repo", "journey", "monitoring", "pipelines")
_LONGEST = 4000             # characters of a message: more is in the log


def raised(log: str) -> Told | None:
    """The last exception that a log's last traceback tells of; None where there is no traceback.

    Only the log of a process that ended by an uncaught exception has its traceback at the end: ask for no other's.
    """
    _, found, rest = f"\n{log}".rpartition(f"\n{_START}\n")
    if not found:
        return None
    lines = rest.split("\n")
    first = next((number for number, line in enumerate(lines) if line and not line.startswith(" ")), None)
    match = _RAISED.fullmatch("\n".join(lines[first:]).rstrip()) if first is not None else None
    if match is None:
        return None
    kind = match["kind"] if "." in match["kind"] else f"builtins.{match['kind']}"
    return Told(kind, (match["message"] or "")[:_LONGEST], _exit_code(kind))


def _exit_code(kind: str) -> int:
    """What a class of ours asks for; others' exit codes mean something else."""
    module, _, name = kind.rpartition(".")
    if module.partition(".")[0] not in _OURS:
        return JourneyError.exit_code
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError):           # one of the project's own modules of that name
        return JourneyError.exit_code
    return found.exit_code if isinstance(found, type) and issubclass(found, JourneyError) else JourneyError.exit_code
