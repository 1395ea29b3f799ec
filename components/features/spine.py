"""Which columns of the spine, which request features and which features of views are model inputs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from journey.artifacts import GROUP, LABEL, ROW, SPLIT, TIME, Derived, Input, Lookup
from journey.errors import ProjectError
from journey.project import ExtractPlan, Table
from journey.request_features import RequestFunction

_MODEL_TYPES = ("category", "integer", "float", "boolean")
_WORDS: Mapping[str, str] = {"spine": "a column of the spine", "request": "a request feature", "view": "a feature of a view"}


@dataclass(frozen=True)
class Origins:
    """Model inputs by where they come from, each in declared order.

    Attributes:
        columns: all columns of the spine, inputs or not.
    """

    columns: tuple[str, ...]
    spine: tuple[Input, ...]
    derived: tuple[Derived, ...]
    lookups: tuple[Lookup, ...]

    def inputs(self) -> tuple[Input, ...]:
        """All inputs as the model takes them: numbers before categories, and of each the spine's, then request's, then views'.

        Raises:
            ProjectError: two inputs share a name, or one has that of a column that is no input.
        """
        request = [Input(name=each.name, type=each.type, origin="request") for each in self.derived]
        looked_up = [Input(name=each.name, type=each.type, origin="view") for lookup in self.lookups for each in lookup.features]
        every = [*self.spine, *request, *looked_up]
        _refuse_shared_names(every)
        _refuse_names_of_columns([*request, *looked_up], self.columns)
        return (*(each for each in every if each.type != "category"), *(each for each in every if each.type == "category"))


def spine_inputs(plan: ExtractPlan, contract: Table) -> tuple[Input, ...]:
    """Columns of the spine that are inputs: numbers, booleans and categories, but label, key, entities and event time."""
    apart = {plan.predict.label, contract.key, plan.time, *plan.entities.values()}
    return tuple(
        Input(name=name, type=rule.type, origin="spine")
        for name, rule in contract.columns.items()
        if rule.type in _MODEL_TYPES and name not in apart
    )


def derived_inputs(functions: Iterable[RequestFunction], plan: ExtractPlan, contract: Table) -> tuple[Derived, ...]:
    """Request features, each over columns that a request holds.

    Raises:
        ProjectError: a function asks for what a request doesn't hold.
    """
    held = [name for name in contract.columns if name != plan.predict.label]
    derived: list[Derived] = []
    for function in functions:
        unknown = [argument for argument in function.arguments if argument not in held]
        if unknown:
            what = f"'{unknown[0]}', the label" if unknown[0] == plan.predict.label else f"'{unknown[0]}'"
            raise ProjectError(
                f"request_features.py, line {function.line}, in {function.name}: expected arguments named after columns of "
                f"the spine '{plan.spine.table}' ({', '.join(held)}), found {what}"
            )
        derived.append(Derived(name=function.name, function=function.name, arguments=function.arguments, type=function.type))
    return tuple(derived)


def _refuse_names_of_columns(inputs: Sequence[Input], columns: Sequence[str]) -> None:
    """A feature that is called like a key would be taken for the key by the next view that is looked up by it."""
    for each in inputs:
        if each.name in columns:
            raise ProjectError(f"expected names that no column of the spine has, found '{each.name}' ({_WORDS[each.origin]}); rename it")


def _refuse_shared_names(inputs: Sequence[Input]) -> None:
    seen: dict[str, Input] = {}
    for each in inputs:
        if each.name in (ROW, TIME, SPLIT, LABEL, GROUP):
            raise ProjectError(f"expected names that Journey doesn't use itself, found '{each.name}' ({_WORDS[each.origin]}); rename it")
        if each.name in seen:
            raise ProjectError(
                f"expected a name of its own for each model input, found '{each.name}' twice: "
                f"{_WORDS[seen[each.name].origin]} and {_WORDS[each.origin]}; rename one of them"
            )
        seen[each.name] = each
