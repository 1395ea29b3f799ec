"""Candidates as scikit-learn Pipelines over one array of objects: columns by position, then the estimator.

All Pipelines have the steps `columns` (and for trees `cast`), which encode, and `model`. So an encoding can be fitted once and shared.
"""

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline

from journey.artifacts import CandidateSpec, FrameSchema
from journey.declarations import Candidate
from journey.errors import ProjectError
from journey.model.canonical import dumps, loads
from journey.model.transformers import CastFloat, Impute, OneHot, Scale, TargetOrder, ToDouble, Winsorize
from journey.sections import Task

__all__ = ["DUMMY", "KINDS", "OWN", "Encoding", "Kind", "build", "dumps", "encoding_of", "loads"]

DUMMY = "dummy"
OWN = "models."                        # what the names of a project's own candidates start with
Encoding: TypeAlias = Literal["linear", "boosting", "forest", "own"]
"""How columns are encoded; equal encodings fitted on equal rows are equal, whatever estimator comes after."""

Make: TypeAlias = Callable[[int], BaseEstimator]
Space: TypeAlias = Mapping[str, object]


@dataclass(frozen=True)
class Kind:
    """One estimator that the platform offers.

    Attributes:
        encoding: what it needs.
        make: task > a new estimator with the defaults that we start from, by seed.
        space: what a search may vary: (low, high), (low, high, "log") or a list of choices.
        why: a sentence for the leaderboard.
    """

    encoding: Encoding
    make: Mapping[Task, Make]
    space: Space
    why: str


def _both(classifier: Make, regressor: Make) -> dict[Task, Make]:
    return {"binary": classifier, "multiclass": classifier, "regression": regressor}


def _logistic(seed: int) -> BaseEstimator:
    return LogisticRegression(C=1.0, max_iter=1000, random_state=seed)


def _boosting(estimator: Callable[..., BaseEstimator]) -> Make:
    # Without early stopping: it would hold rows back by chance, and search decides about max_iter anyway.
    return lambda seed: estimator(max_iter=150, learning_rate=0.1, max_leaf_nodes=31, early_stopping=False, random_state=seed)


def _forest(estimator: Callable[..., BaseEstimator]) -> Make:
    # Leaves of 10 rows keep the model some MB small; more than 60 trees cost more than they gain (census: .001 of roc_auc).
    return lambda seed: estimator(n_estimators=60, min_samples_leaf=10, max_features="sqrt", n_jobs=1, random_state=seed)


KINDS: Mapping[str, Kind] = {
    DUMMY: Kind(
        "linear", _both(lambda _: DummyClassifier(strategy="prior"), lambda _: DummyRegressor(strategy="mean")), {}, "the baseline to beat"
    ),
    "logistic": Kind(
        "linear",
        {"binary": _logistic, "multiclass": _logistic},
        {"C": (0.01, 100.0, "log")},
        "small, fast, and its reasons can be read",
    ),
    "ridge": Kind(
        "linear", {"regression": lambda _: Ridge(alpha=1.0, solver="cholesky")}, {"alpha": (0.01, 1000.0, "log")}, "small and fast"
    ),
    "hist_gradient_boosting": Kind(
        "boosting",
        _both(_boosting(HistGradientBoostingClassifier), _boosting(HistGradientBoostingRegressor)),
        {
            "learning_rate": (0.03, 0.3, "log"),
            "max_leaf_nodes": (7, 63),
            "min_samples_leaf": (5, 80, "log"),
            "l2_regularization": (0.001, 10.0, "log"),
        },
        "usually the best on tables; takes missing values as they are",
    ),
    "random_forest": Kind(
        "forest",
        _both(_forest(RandomForestClassifier), _forest(RandomForestRegressor)),
        {"min_samples_leaf": (5, 40, "log"), "max_features": ["sqrt", 0.3, 0.5]},
        "hard to get wrong; averages many trees",
    ),
}
"""The platform's candidates by name, in the order of `auto`."""


def encoding_of(name: str) -> Encoding:
    """The encoding that goes with a candidate's `estimator`."""
    return "own" if name.startswith(OWN) else KINDS[name].encoding


def build(spec: CandidateSpec, schema: FrameSchema, seed: int, own: Sequence[Candidate] = ()) -> Pipeline:
    """The unfitted Pipeline of a candidate; it takes what `journey.model.inputs.matrix` gives.

    Args:
        spec: which estimator, with which parameters.
        schema: which inputs, numbers first.
        seed: for everything in it that draws by chance.
        own: what the project's models.py declares.

    Raises:
        ProjectError: there is no such estimator for this task, or it has no such parameter.
    """
    estimator = _estimator(spec, schema.task, seed, own)
    known = sorted(estimator.get_params())
    for name in spec.parameters:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"it has {', '.join(known)}"
            raise ProjectError(f"candidates: {spec.estimator}: expected parameters of {type(estimator).__name__}, found '{name}'; {hint}")
    estimator.set_params(**spec.parameters)
    encoding = encoding_of(spec.estimator)
    cast = [] if encoding == "linear" else [("cast", CastFloat())]
    return Pipeline([("columns", _columns(encoding, schema)), *cast, ("model", estimator)])


def _estimator(spec: CandidateSpec, task: Task, seed: int, own: Sequence[Candidate]) -> BaseEstimator:
    if spec.estimator.startswith(OWN):
        name = spec.estimator.removeprefix(OWN)
        for candidate in own:
            if candidate.name == name:
                return candidate(task, seed)
        declared = ", ".join(candidate.name for candidate in own) or "none"
        raise ProjectError(f"candidates: expected '{spec.estimator}' to be a @candidate of models.py, found {declared} there.")
    offered = [name for name, kind in KINDS.items() if task in kind.make]
    if spec.estimator not in offered:
        near = difflib.get_close_matches(spec.estimator, offered, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"for {task} there are {', '.join(offered)} and models.<function>"
        raise ProjectError(f"candidates: expected the name of an estimator for {task}, found '{spec.estimator}'; {hint}")
    return KINDS[spec.estimator].make[task](seed)


def _columns(encoding: Encoding, schema: FrameSchema) -> ColumnTransformer:
    count = sum(item.type != "category" for item in schema.inputs)
    kinds = [
        ("numbers", _numbers(encoding), list(range(count))),
        ("categories", _categories(encoding, schema.task), list(range(count, len(schema.inputs)))),
    ]
    return ColumnTransformer([kind for kind in kinds if kind[2]], sparse_threshold=0)


def _numbers(encoding: Encoding) -> BaseEstimator:
    steps: list[tuple[str, BaseEstimator]] = [("double", ToDouble())]
    if encoding != "boosting":
        steps.append(("impute", Impute()))
    if encoding == "linear":
        steps += [("limits", Winsorize()), ("scale", Scale())]
    return Pipeline(steps)


def _categories(encoding: Encoding, task: Task) -> BaseEstimator:
    # The classes of a multiclass label have no order that a category's values could follow.
    return TargetOrder() if encoding in {"boosting", "forest"} and task != "multiclass" else OneHot()
