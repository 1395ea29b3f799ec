"""A graph cut short: one task and what it needs."""

from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches

from journey.errors import ProjectError
from pipelines.engines.local.graph import Component, Dag, FromTask, Graph


def until(graph: Graph, last: str) -> Graph:
    """The graph without everything that the task `last` doesn't need.

    Raises:
        ProjectError: no task has that name.
    """
    names = sorted({task.name for task in graph.tasks(graph.root) if not isinstance(graph.components[task.component].body, Dag)})
    if last not in names:
        near = get_close_matches(last, names, n=1)
        raise ProjectError(f"--until: expected one of {', '.join(names)}, found '{last}'." + (f" Did you mean {near[0]}?" if near else ""))
    components = dict(graph.components)
    return Graph(graph.name, _cut(graph, graph.root, last, components), components)


def _cut(graph: Graph, component: Component, last: str, components: dict[str, Component]) -> Component:
    dag = component.body
    assert isinstance(dag, Dag)
    holder = next(task for task in dag.tasks.values() if last in (task.name, *_inside(graph, task.component)))
    if holder.name != last:
        components[holder.component] = _cut(graph, graph.components[holder.component], last, components)
    kept: set[str] = set()
    waiting = [holder.name]
    while waiting:
        name = waiting.pop()
        if name in dag.tasks and name not in kept:
            kept.add(name)
            waiting += dag.tasks[name].after
    tasks = {name: task for name, task in dag.tasks.items() if name in kept}
    return replace(component, body=Dag(tasks, _still(dag.parameters, kept), _still(dag.artifacts, kept)))


def _inside(graph: Graph, component: str) -> list[str]:
    return [task.name for task in graph.tasks(graph.components[component])]


def _still(outputs: Mapping[str, tuple[FromTask, ...]], kept: set[str]) -> dict[str, tuple[FromTask, ...]]:
    return {name: tuple(selector for selector in selectors if selector.task in kept) for name, selectors in outputs.items()}
