"""The decorators of features.py and models.py, and how those files are loaded.

A decorated function stays what it was, so that a project's own tests can call it; what was declared hangs on it.
"""

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, TypeAlias, TypeVar, overload

from journey.clock import duration
from journey.errors import ProjectError
from journey.request_features import RequestFunction, load_request_features
from journey.user_code import UserFile, told

if TYPE_CHECKING:
    import ibis
    from sklearn.base import BaseEstimator

__all__ = [
    "Candidate", "Declarations", "FeatureView", "Label", "RequestFunction", "TableFunction",
    "candidate", "feature_view", "label", "load_candidates", "load_declarations", "load_request_features",
]  # fmt: skip

FEATURES = "features.py"
MODELS = "models.py"
Default = str | int | float | bool | None
Tunes: TypeAlias = tuple[float, float] | tuple[float, float, str] | list[object]
_MARK = "__journey__"

F = TypeVar("F", bound=Callable[..., object])


@dataclass(frozen=True)
class TableFunction:
    """A function of tables.

    Attributes:
        tables: names of the project's tables, in the order of the function's arguments.
        frames: those of `tables` that the function wants as pandas DataFrames.
        line: where the function starts in the file.
    """

    name: str
    tables: tuple[str, ...]
    frames: frozenset[str]
    path: str
    line: int
    function: Callable[..., object]

    @property
    def place(self) -> str:
        """File, line and function, as messages show them."""
        return f"{Path(self.path).name}, line {self.line}, in {self.name}"

    def __call__(self, tables: "Mapping[str, ibis.Table]") -> "ibis.Table":
        """Calls the function with the tables that it names.

        Args:
            tables: at least those that the function names; typed, after their rules.

        Raises:
            ProjectError: a table isn't there, the function raises, or gives no table.
        """
        unknown = [table for table in self.tables if table not in tables]
        if unknown:
            raise ProjectError(
                f"{self.place}: expected arguments named after the project's tables ({', '.join(sorted(tables))}), found '{unknown[0]}'"
            )
        with told(self.path, self.name):
            result = self.function(*(tables[table].to_pandas() if table in self.frames else tables[table] for table in self.tables))
        return _table(self.place, result)


@dataclass(frozen=True)
class FeatureView:
    """What was known of an entity, from when on.

    Attributes:
        entity: a key of the project's `entities`.
        time: the column of the view that holds from when on a row was known.
        ttl: how long a row is good for; None: for ever.
        defaults: feature > the value that stands in where the row is missing or too old.
    """

    name: str
    entity: str
    time: str
    ttl: timedelta | None
    defaults: Mapping[str, Default]
    compute: TableFunction


@dataclass(frozen=True)
class Label:
    """A label that is computed: its table has the spine's key, the label under the function's name, and optionally known_at."""

    name: str
    compute: TableFunction


@dataclass(frozen=True)
class Declarations:
    """What features.py declares, in the file's order."""

    views: tuple[FeatureView, ...] = ()
    labels: tuple[Label, ...] = ()


@dataclass(frozen=True)
class Candidate:
    """An own candidate: a function of task and seed that returns an unfitted scikit-learn estimator.

    Attributes:
        tunes: parameter of the estimator > (low, high), (low, high, "log") or a list of choices.
    """

    name: str
    tunes: Mapping[str, Tunes]
    path: str
    line: int
    function: Callable[..., object]

    def __call__(self, task: str, seed: int) -> "BaseEstimator":
        """A new estimator.

        Raises:
            ProjectError: the function raises, or gives no estimator.
        """
        with told(self.path, self.name):
            estimator = self.function(task=task, seed=seed)
        if not (hasattr(estimator, "fit") and hasattr(estimator, "get_params")) or isinstance(estimator, type):
            raise ProjectError(
                f"{Path(self.path).name}, line {self.line}, in {self.name}: expected an unfitted scikit-learn estimator, "
                f"found {type(estimator).__name__}. Return the estimator that the candidate is."
            )
        return typing.cast("BaseEstimator", estimator)


@dataclass(frozen=True)
class _View:
    entity: str
    time: str
    ttl: str | None
    defaults: Mapping[str, Default] = field(default_factory=dict)


@dataclass(frozen=True)
class _Label:
    pass


@dataclass(frozen=True)
class _Candidate:
    tunes: Mapping[str, Tunes] = field(default_factory=dict)


def feature_view(*, entity: str, time: str, ttl: str | None = None, defaults: Mapping[str, Default] | None = None) -> Callable[[F], F]:
    """Declares a function of tables as a feature view: a row says what was known of one entity from `time` on.

    Args:
        entity: a key of the project's `entities`; the view has the column that stands there.
        time: the column of the view that holds from when on a row was known.
        ttl: how long a row is good for, such as 30d; None: for ever.
        defaults: feature > the value that stands in where the row is missing or too old; others are missing then.
    """
    return lambda function: _marked(function, _View(entity, time, ttl, dict(defaults or {})))


def label(function: F) -> F:
    """Declares a function of tables as a label: its table has the spine's key, the label and optionally known_at."""
    return _marked(function, _Label())


@overload
def candidate(function: F) -> F: ...
@overload
def candidate(*, tunes: Mapping[str, Tunes] | None = None) -> Callable[[F], F]: ...
def candidate(function: F | None = None, *, tunes: Mapping[str, Tunes] | None = None) -> F | Callable[[F], F]:
    """Declares a function of task and seed that returns an unfitted scikit-learn estimator as a candidate.

    Args:
        function: where the decorator stands without brackets.
        tunes: parameter of the estimator > (low, high), (low, high, "log") or a list of choices.
    """
    if function is not None:
        return _marked(function, _Candidate())
    return lambda decorated: _marked(decorated, _Candidate(dict(tunes or {})))


def load_declarations(folder: Path) -> Declarations:
    """What the project's features.py declares; nothing where there is no such file.

    Raises:
        ProjectError: the file doesn't run, or declares what can't be.
    """
    file = UserFile.read(folder / FEATURES)
    if file is None:
        return Declarations()
    views: list[FeatureView] = []
    labels: list[Label] = []
    for function in file.functions(file.run()):
        mark = getattr(function, _MARK, None)
        if isinstance(mark, _View):
            views.append(_feature_view(file, function, mark))
        elif isinstance(mark, _Label):
            labels.append(Label(function.__name__, _table_function(file, function)))
    return Declarations(tuple(views), tuple(labels))


def load_candidates(folder: Path) -> tuple[Candidate, ...]:
    """The candidates of the project's models.py, in the file's order; none where there is no such file.

    Raises:
        ProjectError: the file doesn't run, or declares what can't be.
    """
    file = UserFile.read(folder / MODELS)
    if file is None:
        return ()
    marked = [(function, getattr(function, _MARK, None)) for function in file.functions(file.run())]
    return tuple(_candidate(file, function, mark) for function, mark in marked if isinstance(mark, _Candidate))


def _marked(function: F, mark: _View | _Label | _Candidate) -> F:
    setattr(function, _MARK, mark)
    return function


def _feature_view(file: UserFile, function: FunctionType, mark: _View) -> FeatureView:
    compute = _table_function(file, function)
    try:
        ttl = None if mark.ttl is None else duration(mark.ttl)
    except (ValueError, AttributeError) as error:
        raise ProjectError(f"{compute.place}: ttl: expected a duration such as 90s, 15m, 6h or 30d, found {mark.ttl!r}") from error
    for feature, default in mark.defaults.items():
        if default is not None and type(default) not in (str, int, float, bool):
            raise ProjectError(f"{compute.place}: defaults.{feature}: expected text, a number or a boolean, found {default!r}")
    return FeatureView(function.__name__, mark.entity, mark.time, ttl, mark.defaults, compute)


def _table_function(file: UserFile, function: FunctionType) -> TableFunction:
    line = function.__code__.co_firstlineno
    parameters = inspect.signature(function).parameters
    if not parameters or any(each.kind is not each.POSITIONAL_OR_KEYWORD for each in parameters.values()):
        raise ProjectError(
            f"{file.name}, line {line}, in {function.__name__}: expected arguments that are names of tables, at least one and "
            f"none with a star, found {function.__name__}{inspect.signature(function)}"
        )
    with told(file.path, function.__name__):
        hints = typing.get_type_hints(function)
    frames = frozenset(name for name in parameters if getattr(hints.get(name), "__module__", "").split(".")[0] == "pandas")
    return TableFunction(function.__name__, tuple(parameters), frames, file.path, line, function)


def _candidate(file: UserFile, function: FunctionType, mark: _Candidate) -> Candidate:
    place = f"{file.name}, line {function.__code__.co_firstlineno}, in {function.__name__}"
    if set(inspect.signature(function).parameters) != {"task", "seed"}:
        raise ProjectError(f"{place}: expected the arguments task and seed, found {function.__name__}{inspect.signature(function)}")
    for parameter, space in mark.tunes.items():
        numbers = [number for number in space[:2] if type(number) in (int, float)] if isinstance(space, tuple) else []
        choices = isinstance(space, list) and len(space) > 0
        bounds = len(numbers) == 2 and tuple(space[2:]) in ((), ("log",)) and numbers[0] < numbers[1]
        if not (choices or bounds):
            expected = "(low, high), (low, high, 'log') or a list of choices"
            raise ProjectError(f"{place}: tunes.{parameter}: expected {expected}, found {space!r}")
    return Candidate(function.__name__, mark.tunes, file.path, function.__code__.co_firstlineno, function)


def _table(place: str, result: object) -> "ibis.Table":
    """The result as an Ibis table; a DataFrame becomes a table in memory."""
    import ibis
    import pandas as pd

    if isinstance(result, ibis.Table):
        return result
    if isinstance(result, pd.DataFrame):
        return ibis.memtable(result.reset_index(drop=True))
    raise ProjectError(f"{place}: expected it to return a table (ibis.Table or pandas.DataFrame), found {type(result).__name__}")
