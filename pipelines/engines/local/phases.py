"""Which fork server a step belongs to, and what that server loads."""

import ast
from collections.abc import Mapping, Sequence
from functools import lru_cache

from pipelines.engines.local.graph import Component, Dag, Graph, Program

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


def following(graph: Graph) -> dict[str, tuple[str, ...]]:
    """For each phase those whose steps wait for one of its steps, at whatever distance, in the order in which they are needed."""
    edges: dict[str, set[str]] = {}
    for component in (graph.root, *graph.components.values()):
        if isinstance(component.body, Dag):
            inside = {name: _phases(graph, graph.components[task.component]) for name, task in component.body.tasks.items()}
            for name, task in component.body.tasks.items():
                for before in task.after & inside.keys():
                    for phase in inside[before]:
                        edges.setdefault(phase, set()).update(inside[name])
    reached = {phase: _reached(edges, phase) - {phase} for phase in edges}
    return {phase: tuple(sorted(after, key=lambda name: -len(reached.get(name, ())))) for phase, after in reached.items()}


def _phases(graph: Graph, component: Component) -> frozenset[str]:
    if isinstance(component.body, Program):
        return frozenset({phase_of(component.body.source)})
    bodies = (graph.components[task.component].body for task in graph.tasks(component))
    return frozenset(phase_of(body.source) for body in bodies if isinstance(body, Program))


def _reached(edges: Mapping[str, set[str]], start: str) -> set[str]:
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        new = edges.get(waiting.pop(), set()) - reached
        reached |= new
        waiting += new
    return reached


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
