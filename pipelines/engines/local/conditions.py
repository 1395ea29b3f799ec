"""KFP's trigger conditions, parsed and never evaluated as code.

KFP writes `inputs.parameter_values['x'] == 'text'`, with `int(…)`, `double(…)`, `!(…)` and `&&`, and does not escape quotes in a text: so a
quote ends a text only where the rest of the condition can be read, nearest first.
"""

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from journey.errors import ProjectError

Scalar = str | int | float | bool
_COMPARISONS: dict[str, Callable[[Scalar, Scalar], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">=": cast("Callable[[Scalar, Scalar], bool]", operator.ge),
    "<=": cast("Callable[[Scalar, Scalar], bool]", operator.le),
    ">": cast("Callable[[Scalar, Scalar], bool]", operator.gt),
    "<": cast("Callable[[Scalar, Scalar], bool]", operator.lt),
}
_COMPARISON = re.compile(r"\s*(==|!=|>=|<=|>|<)\s*")
_AND = re.compile(r"\s*&&\s*")
_REFERENCE = re.compile(r"inputs\.parameter_values\['([^']+)'\]")
_CAST = re.compile(r"(int|double)\(")
_NUMBER = re.compile(r"-?(?:inf|nan|[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)")
_TRUTH = re.compile(r"(true|false)\b")


@dataclass(frozen=True)
class Reference:
    """The value of an input parameter."""

    name: str


@dataclass(frozen=True)
class Cast:
    """A number made from an operand."""

    to: str
    operand: "Operand"


@dataclass(frozen=True)
class Comparison:
    """Two operands compared, negated where KFP puts it in `!(…)`."""

    left: "Operand"
    comparison: str
    right: "Operand"
    negated: bool


Operand = Reference | Cast | Scalar
Condition = tuple[Comparison, ...]


def parse(text: str) -> Condition:
    """The comparisons that must all hold.

    Raises:
        ProjectError: the text is no condition that KFP writes.
    """
    for condition, end in _conjunction(text, 0):
        if not text[end:].strip():
            return condition
    raise ProjectError(f"pipeline condition: expected comparisons such as inputs.parameter_values['x'] == 'y' joined by &&, found {text!r}")


def holds(condition: Condition, parameters: Mapping[str, object]) -> bool:
    """Whether every comparison holds for the values of the input parameters.

    Raises:
        ProjectError: a parameter is missing, or two values can't be compared.
    """
    return all(_compared(comparison, parameters) != comparison.negated for comparison in condition)


def _compared(comparison: Comparison, parameters: Mapping[str, object]) -> bool:
    left, right = _value(comparison.left, parameters), _value(comparison.right, parameters)
    try:
        return _COMPARISONS[comparison.comparison](left, right)
    except TypeError as error:
        expected = f"expected values that can be compared by {comparison.comparison}"
        raise ProjectError(f"pipeline condition: {expected}, found {left!r} and {right!r}") from error


def _value(operand: Operand, parameters: Mapping[str, object]) -> Scalar:
    if isinstance(operand, Reference):
        if operand.name not in parameters:
            raise ProjectError(f"pipeline condition: expected one of the inputs {sorted(parameters)}, found '{operand.name}'")
        return cast("Scalar", parameters[operand.name])
    if isinstance(operand, Cast):
        value = _value(operand.operand, parameters)
        try:
            return int(value) if operand.to == "int" else float(value)
        except ValueError as error:
            raise ProjectError(f"pipeline condition: expected a number for {operand.to}(…), found {value!r}") from error
    return operand


def _conjunction(text: str, at: int) -> Iterator[tuple[Condition, int]]:
    for first, end in _negatable(text, at):
        joined = _AND.match(text, end)
        if joined:
            yield from (((first, *others), last) for others, last in _conjunction(text, joined.end()))
        yield (first,), end


def _negatable(text: str, at: int) -> Iterator[tuple[Comparison, int]]:
    if text.startswith("!(", at):
        for left, comparison, right, end in _comparison(text, at + 2):
            if text.startswith(")", end):
                yield Comparison(left, comparison, right, negated=True), end + 1
        return
    for left, comparison, right, end in _comparison(text, at):
        yield Comparison(left, comparison, right, negated=False), end


def _comparison(text: str, at: int) -> Iterator[tuple[Operand, str, Operand, int]]:
    for left, middle in _operand(text, at):
        sign = _COMPARISON.match(text, middle)
        if sign:
            yield from ((left, sign[1], right, end) for right, end in _operand(text, sign.end()))


def _operand(text: str, at: int) -> Iterator[tuple[Operand, int]]:
    if text.startswith("'", at):
        yield from ((text[at + 1 : quote], quote + 1) for quote in range(at + 1, len(text)) if text[quote] == "'")
    elif match := _REFERENCE.match(text, at):
        yield Reference(match[1]), match.end()
    elif match := _CAST.match(text, at):
        for operand, end in _operand(text, match.end()):
            if text.startswith(")", end):
                yield Cast(match[1], operand), end + 1
    elif match := _TRUTH.match(text, at):
        yield match[1] == "true", match.end()
    elif match := _NUMBER.match(text, at):
        digits = match[0]
        yield (int(digits) if re.fullmatch(r"-?[0-9]+", digits) else float(digits)), match.end()
