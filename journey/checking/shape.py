"""project.yaml against its models: unknown keys, wrong types, missing parts, each with its place."""

from collections.abc import Iterator, Sequence
from typing import get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from journey.checking.problems import KeyPath, Problem, dotted, nearest
from journey.checking.yaml_file import Tree, YamlFile
from journey.sections import Project
from journey.values.columns import ColumnRule

_NOT_BUILT = frozenset({
    "sources.*.http", "sources.*.records", "sources.*.next", "sources.*.stream", "sources.*.topic",
    "gates.fairness", "gates.serving", "approval", "monitoring.availability", "retraining.schedule",
    "targets.*.endpoint", "targets.*.artifacts", "targets.*.offline", "targets.*.trusted_keys",
})  # fmt: skip
_NOT_BUILT_VALUES = {"targets.*.engine": frozenset({"kfp", "argo"}), "targets.*.serving": frozenset({"seldon"})}
_WORDS_OF_PATTERNS = {
    "name": "lower-case letters, digits and dashes, a letter first",
    "namespace": "lower-case letters, digits and dashes, at most 63",
    "claim": "the name of a PersistentVolumeClaim",
    "path": "an absolute path",
    "cpu": "CPUs as Kubernetes writes them, such as 500m or 2",
    "memory": "bytes as Kubernetes writes them, such as 512Mi or 2Gi",
}
_ROUNDS = 5              # how often what is wrong is taken out to see what else is; each round leaves less


def checked_shape(file: YamlFile) -> tuple[Project | None, tuple[Problem, ...]]:
    """The project that a file declares, and what is wrong with the file's shape.

    Where a wrong part can be left out, the project is what remains: its other parts can be checked all the same.
    None where nothing can be made of the file.
    """
    if not isinstance(file.tree, dict):
        return None, (file.problem((), "expected keys and values (`name: …`), found something else"),)
    tree: Tree = file.tree
    problems: list[Problem] = []
    for _ in range(_ROUNDS):
        try:
            return Project.model_validate(tree), tuple(problems)
        except ValidationError as error:
            found = [told for detail in error.errors(include_url=False) for told in _told(detail, tree)]
        problems += [file.problem(path, message) for path, message in _merged([(path, message) for path, message, _ in found])]
        for path, _, mends in found:
            if not mends:
                return None, tuple(problems)
            tree = _without(tree, path)
    return None, tuple(problems)


def _merged(found: list[tuple[KeyPath, str]]) -> list[tuple[KeyPath, str]]:
    """The findings with those of one value made one: pydantic tells of each type that a value might have had."""
    alternatives: dict[tuple[KeyPath, str], list[str]] = {}
    for path, message in found:
        expected, comma, rest = message.rpartition(", found ")
        alternatives.setdefault((path, comma + rest), []).append(expected)
    return [(path, " or ".join([several[0], *(one.removeprefix("expected ") for one in several[1:])]) + rest)
            for (path, rest), several in alternatives.items()]  # fmt: skip


def _told(detail: ErrorDetails, tree: Tree) -> Iterator[tuple[KeyPath, str, bool]]:
    """One of pydantic's errors as (path, message, whether leaving the path out mends it)."""
    path = _real_path(detail["loc"], tree)
    kind, found = detail["type"], detail["input"]
    if kind == "extra_forbidden":
        yield path, _unknown_key(path), True
    elif kind == "missing":
        yield path, "expected this key, found none", False
    elif kind == "value_error":
        for line in str(detail["ctx"]["error"]).splitlines():
            key, colon, message = line.partition(": ")
            inner = (*path, key) if colon and key in ColumnRule.model_fields and _at(tree, path, key) else path
            yield inner, message if inner != path else line, _has_default(inner)
    elif kind.startswith("union_tag"):
        yield path, _unknown_source(path, tree), False
    else:
        pattern = _pattern(path)
        if isinstance(found, str) and found in _NOT_BUILT_VALUES.get(pattern, ()):
            yield path, f"'{found}' is not supported in this version", True
        else:
            yield path, f"expected {_expected(detail, path)}, found {_short(found)}", _has_default(path)


def _expected(detail: ErrorDetails, path: KeyPath) -> str:
    context = detail.get("ctx", {})
    kind = detail["type"]
    if kind == "literal_error":
        return str(context["expected"])
    if kind == "string_pattern_mismatch":
        return _WORDS_OF_PATTERNS[str(path[-1])]
    limits = {"greater_than": ("gt", "more than"), "greater_than_equal": ("ge", "at least"), "less_than": ("lt", "less than"),
              "less_than_equal": ("le", "at most")}  # fmt: skip
    if kind in limits:
        name, words = limits[kind]
        return f"{words} {context[name]}"
    words_of = {"model_type": "keys and values", "dict_type": "keys and values", "tuple_type": "a list", "string_type": "text",
                "model_attributes_type": "keys and values"}  # fmt: skip
    if kind in words_of:
        return words_of[kind]
    if kind in ("too_short", "too_long"):
        return f"{context.get('min_length', context.get('max_length'))} items"
    return detail["msg"].removeprefix("Input should be ").removeprefix("a valid ").split(",")[0]


def _unknown_key(path: KeyPath) -> str:
    if _pattern(path) in _NOT_BUILT:
        return f"'{path[-1]}' is not supported in this version"
    return f"unknown key '{path[-1]}'.{nearest(str(path[-1]), _keys_at(path[:-1]))}"


def _unknown_source(path: KeyPath, tree: Tree) -> str:
    source = _item(tree, path)
    keys = list(source) if isinstance(source, dict) else []
    for key in keys:
        if _pattern((*path, key)) in _NOT_BUILT:
            return f"'{key}' is not supported in this version; a source is read from files or sql"
    return f"expected files: or sql: with table:, found {', '.join(keys) or _short(source)}"


def _keys_at(path: KeyPath) -> list[str]:
    """The keys that the section at a path may have."""
    model: type[BaseModel] | None = Project
    for step in path:
        annotation = None if model is None or not isinstance(step, str) else getattr(model.model_fields.get(step), "annotation", None)
        if annotation is not None:
            models = _models_in(annotation)
            model = models[0] if models else None
            if len(models) > 1:
                return sorted({key for each in models for key in each.model_fields})
    return [] if model is None else list(model.model_fields)


def _models_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models_in(inner)]


def _real_path(location: Sequence[int | str], tree: Tree) -> KeyPath:
    """Pydantic's location without what it adds: the tags of unions and the names of validators."""
    path: KeyPath = ()
    for position, step in enumerate(location):
        if position == 2 and location[0] == "sources":              # which of the models of a source
            continue
        here = _item(tree, path)
        last = position == len(location) - 1
        is_key = isinstance(here, dict) and isinstance(step, str) and (step in here or (last and "[" not in step))
        if is_key or (isinstance(here, list) and isinstance(step, int)):
            path = (*path, step)
    return path


def _item(tree: Tree, path: KeyPath) -> Tree:
    for step in path:
        if isinstance(tree, dict) and isinstance(step, str):
            tree = tree.get(step)
        elif isinstance(tree, list) and isinstance(step, int) and step < len(tree):
            tree = tree[step]
        else:
            return None
    return tree


def _at(tree: Tree, path: KeyPath, key: str) -> bool:
    here = _item(tree, path)
    return isinstance(here, dict) and key in here


def _without(tree: Tree, path: KeyPath) -> Tree:
    """The tree less what is at a path."""
    if not path:
        return {}
    step, rest = path[0], path[1:]
    if isinstance(tree, dict) and isinstance(step, str):
        return {key: _without(value, rest) if key == step else value for key, value in tree.items() if key != step or rest}
    if isinstance(tree, list) and isinstance(step, int):
        return [_without(value, rest) if place == step else value for place, value in enumerate(tree) if place != step or rest]
    return tree


def _has_default(path: KeyPath) -> bool:
    """Whether the project can do without what is at a path."""
    model: type[BaseModel] | None = Project
    optional = False
    for step in path:
        field = None if model is None or not isinstance(step, str) else model.model_fields.get(step)
        if field is not None:
            optional = optional or not field.is_required()
            models = _models_in(field.annotation)
            model = models[0] if models else None
    return optional


def _pattern(path: KeyPath) -> str:
    """A path with what users name replaced by *: sources.*.http."""
    free = {"sources", "tables", "targets"}
    return dotted(tuple("*" if place == 1 and path[0] in free else step for place, step in enumerate(path)))


def _short(value: object) -> str:
    if value is None:
        return "nothing"
    text = f"'{value}'" if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
