"""Identify candidate models: those that fit the task and the number of rows, and always a dummy to beat."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

from components.models.rows import FrameRows
from journey.artifacts import CandidateSpec, FrameSchema
from journey.declarations import Candidate
from journey.errors import DataError, ProjectError
from journey.model.estimators import DUMMY, KINDS, OWN, build
from journey.model.scores import require
from journey.model.spaces import stored
from journey.sections import ModelPlan

MOST_FOREST_ROWS = 300_000       # beyond it a forest takes longer than boosting and is larger, for no better a model (a guess)
Listed: TypeAlias = str | Mapping[str, Mapping[str, object]]


def identify(listed: Sequence[Listed], plan: ModelPlan, rows: FrameRows, own: tuple[Candidate, ...]) -> tuple[CandidateSpec, ...]:
    """The candidates, the dummy first.

    Args:
        listed: as project.yaml has them, `name` or `{name: parameters}`; none for automatic.
        plan: task and metric.
        rows: what they will be fitted on.
        own: what models.py declares.

    Raises:
        ProjectError: a candidate, a parameter or the metric doesn't exist for this task.
        DataError: the training rows don't hold every class, or only one value.
    """
    require(plan.metric, plan.task)
    train = rows.part("train").labels
    _require_labels(train, rows.schema)
    pairs = [_pair(item) for item in listed] or [(name, {}) for name in _automatic(plan, len(train))]
    named = [(name, parameters) for name, parameters in pairs if name != DUMMY or parameters]
    specs = [_spec(name, parameters, own) for name, parameters in [(DUMMY, {}), *named]]
    for spec in specs:
        build(spec, rows.schema, plan.seed, own)
    return _told_apart(specs)


def _require_labels(labels: np.ndarray, schema: FrameSchema) -> None:
    if schema.task == "regression":
        if len(np.unique(labels)) < 2:
            raise DataError(f"label: expected different values in the training rows, found only {labels[0]:g}: there is nothing to learn.")
        return
    counts = np.bincount(labels, minlength=len(schema.classes))
    for name, count in zip(schema.classes, counts.tolist(), strict=True):
        if not count:
            raise DataError(f"label: expected rows of every class among the {len(labels)} training rows, found none of {name!r}.")
    if len(schema.classes) < 2:
        raise DataError(f"label: expected two classes or more, found only {schema.classes[0]!r}: there is nothing to learn.")


def _automatic(plan: ModelPlan, rows: int) -> list[str]:
    fit = [name for name, kind in KINDS.items() if plan.task in kind.make]
    return [name for name in fit if name != "random_forest" or rows <= MOST_FOREST_ROWS]


def _pair(item: Listed) -> tuple[str, Mapping[str, object]]:
    if isinstance(item, str):
        return item, {}
    if len(item) != 1:
        raise ProjectError(f"candidates: expected `name` or `name: {{parameter: value}}`, found {', '.join(item) or 'nothing'} in one item")
    return next(iter(item.items()))


def _spec(name: str, parameters: Mapping[str, object], own: tuple[Candidate, ...]) -> CandidateSpec:
    tunes: Mapping[str, object]
    if name.startswith(OWN):
        tunes = next((candidate.tunes for candidate in own if candidate.name == name.removeprefix(OWN)), {})
        why = "the project's own"
    else:
        kind = KINDS.get(name)
        tunes, why = (kind.space, kind.why) if kind else ({}, "")
    free = {parameter: space for parameter, space in tunes.items() if parameter not in parameters}
    return CandidateSpec(name=name, estimator=name, parameters=dict(sorted(parameters.items())), search_space=stored(free), why=why)


def _told_apart(specs: Sequence[CandidateSpec]) -> tuple[CandidateSpec, ...]:
    """An estimator that is listed again has its number after its name."""
    seen: dict[str, int] = {}
    named = []
    for spec in specs:
        seen[spec.name] = seen.get(spec.name, 0) + 1
        number = seen[spec.name]
        named.append(spec if number == 1 else spec.model_copy(update={"name": f"{spec.name}-{number}"}))
    return tuple(named)
