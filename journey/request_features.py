"""Request features: functions of one row's values, called in the same way for training rows and by the server.

One wrapper for both: a function isn't called with a missing argument, NaN is missing at both ends, and an exception names
the function (and the row, where there are several). Nothing but the standard library is needed here.
"""

import ast
import inspect
import math
import sys
import types
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from types import FunctionType
from typing import Literal

from journey.errors import ProjectError
from journey.user_code import UserFile, project_error

FILE = "request_features.py"
FeatureType = Literal["float", "integer", "boolean", "category"]
RowValue = str | int | float | bool | date | datetime | None

_TYPES: dict[object, FeatureType] = {float: "float", int: "integer", bool: "boolean", str: "category"}
_MAX_WHOLE = 2**53           # the model sees integers as doubles: beyond it neighbours are one number


@dataclass(frozen=True)
class RequestFunction:
    """One public function of request_features.py.

    Attributes:
        name: of the function, and of the feature.
        arguments: spine columns, in the order in which the function takes their values.
        type: what the function says that it returns.
        line: where it starts in the file.
    """

    name: str
    arguments: tuple[str, ...]
    type: FeatureType
    line: int
    path: str
    function: Callable[..., object]

    def __call__(self, *values: RowValue) -> RowValue:
        """The feature's value; None (missing) where an argument is missing or the function gives None or NaN.

        Args:
            values: one for each of `arguments`, after the column rules; timestamps are datetimes in UTC.

        Raises:
            ProjectError: the function raised, or returned what it doesn't declare.
        """
        for value in values:
            if value is None or value != value:  # NaN is the one value that differs from itself
                return None
        try:
            result = self.function(*values)
        except Exception as error:
            raise project_error(self.path, self.name, error) from error
        return self._declared(result)

    def over(self, columns: Sequence[Sequence[RowValue]]) -> list[RowValue]:
        """The feature's value for each row.

        Args:
            columns: for each of `arguments` its values, all of one length.

        Raises:
            ProjectError: as for one row; the row's number, counted from 0, is named.
        """
        values: list[RowValue] = []
        try:
            for row in zip(*columns, strict=True):
                values.append(self(*row))  # noqa: PERF401  its length tells the row of an error
        except ProjectError as error:
            raise ProjectError(f"{error} It was called for row {len(values)} ({', '.join(self.arguments)}).") from error
        return values

    def _declared(self, result: object) -> RowValue:
        """The result as the declared type; NaN is missing."""
        if result is None:
            return None
        kind = type(result)
        if self.type == "float" and (kind is float or kind is int):
            number = float(result)  # type: ignore[arg-type]  # int or float, as was just looked at
            if math.isfinite(number):
                return number + 0.0  # -0.0 is 0.0
            if number != number:
                return None
        elif self.type == "integer" and kind is int and -_MAX_WHOLE <= result <= _MAX_WHOLE:  # type: ignore[operator]  # an int
            return result  # type: ignore[return-value]  # an int
        elif (self.type == "boolean" and kind is bool) or (self.type == "category" and kind is str):
            return result  # type: ignore[return-value]  # a bool or a str
        raise ProjectError(
            f"{Path(self.path).name}, line {self.line}, in {self.name}: expected {_WORDS[self.type]} as its annotation says, "
            f"found {kind.__name__}{' ' + repr(result) if kind in (int, float) else ''}. Mend the function or its annotation."
        )


_WORDS = {
    "float": "a finite float (or None)",
    "integer": "an int within ±2**53 (or None)",
    "boolean": "a bool (or None)",
    "category": "a str (or None)",
}


def load_request_features(source: Path | bytes) -> tuple[RequestFunction, ...]:
    """The public functions of request_features.py, in the file's order.

    Args:
        source: the file's path (where there is no such file there are no request features), or its bytes (of a bundle).

    Raises:
        ProjectError: the file imports more than the standard library, doesn't run, or a function can't be a feature.
    """
    file = UserFile(FILE, source) if isinstance(source, bytes) else UserFile.read(source)
    if file is None:
        return ()
    refuse_imports(file)
    module = file.run()
    return tuple(_request_function(file, function) for function in file.functions(module) if not function.__name__.startswith("_"))


def refuse_imports(file: UserFile) -> None:
    """Refuses every import but of the standard library, wherever it stands in the file.

    Raises:
        ProjectError: naming the line and the module; or the file is no Python.
    """
    try:
        tree = ast.parse(file.source, file.path)
    except SyntaxError as error:
        raise project_error(file.path, "", error) from error
    for node in ast.walk(tree):
        for module in _imported(node):
            if module.split(".")[0] not in sys.stdlib_module_names:
                raise ProjectError(
                    f"{file.name}, line {getattr(node, 'lineno', '?')}: expected imports of the standard library only, found '{module}'. "
                    f"This file travels to the server, where nothing else is; what needs a table belongs into features.py."
                )


def _imported(node: ast.AST) -> tuple[str, ...]:
    if isinstance(node, ast.Import):
        return tuple(alias.name for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        return ("." * node.level + (node.module or ""),)
    return ()


def _request_function(file: UserFile, function: FunctionType) -> RequestFunction:
    place = f"{file.name}, line {function.__code__.co_firstlineno}, in {function.__name__}"
    return RequestFunction(
        function.__name__,
        _arguments(place, function),
        _returned(place, function),
        function.__code__.co_firstlineno,
        file.path,
        function,
    )


def _arguments(place: str, function: FunctionType) -> tuple[str, ...]:
    parameters = inspect.signature(function).parameters.values()
    plain = all(each.kind is each.POSITIONAL_OR_KEYWORD and each.default is each.empty for each in parameters)
    if not parameters or not plain:
        raise ProjectError(
            f"{place}: expected arguments that are names of the spine's columns, at least one and none with a default or a star, "
            f"found {function.__name__}{inspect.signature(function)}. Begin the name with _ if the function is no feature."
        )
    return tuple(each.name for each in parameters)


def _returned(place: str, function: FunctionType) -> FeatureType:
    expected = f"{place}: expected it to say '-> int', '-> float', '-> bool' or '-> str' (or one of them '| None')"
    try:
        annotation = typing.get_type_hints(function).get("return")
    except (NameError, TypeError) as error:
        raise ProjectError(f"{expected}, found an annotation that can't be read: {error}") from error
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        members = [member for member in typing.get_args(annotation) if member is not types.NoneType]
        annotation = members[0] if len(members) == 1 else annotation
    if annotation not in _TYPES or inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        found = "nothing" if annotation is None else f"'{getattr(annotation, '__name__', annotation)}'"
        raise ProjectError(f"{expected}, found {found}. Begin the name with _ if the function is no feature.")
    return _TYPES[annotation]
