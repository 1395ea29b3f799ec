"""Which fork server a step belongs to, and what that server loads."""

import ast
from collections.abc import Mapping, Sequence
from functools import lru_cache

from pipelines.engines.local.graph import Graph

_STEPS = "components"       # the package whose folders are the phases
_NONE = "steps"             # the phase of a step that imports none of our own


@lru_cache(maxsize=1024)
def phase_of(source: str) -> str:
    """The folder of `components` that a step's source imports from first."""
    return next((name.split(".")[1] for name in _imported(source) if name.startswith(f"{_STEPS}.")), _NONE)


def preloaded(graph: Graph, libraries: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """For each phase the modules of ours that its steps import, and the libraries that are named for it."""
    modules: dict[str, dict[str, None]] = {}
    for program in graph.programs():
        ours = (name for name in _imported(program.source) if name.partition(".")[0] in (_STEPS, "journey"))
        modules.setdefault(phase_of(program.source), {}).update(dict.fromkeys(ours))
    return {phase: (*libraries.get(phase, ()), *names) for phase, names in modules.items()}


@lru_cache(maxsize=1024)
def _imported(source: str) -> tuple[str, ...]:
    """The modules that a source imports, in order."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
    return tuple(names)
