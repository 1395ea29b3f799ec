"""The project's Python files, read as text: syntax, imports, and what their functions are called and take. Nothing is run."""

import ast
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from journey.checking.problems import Problem, nearest
from journey.clock import duration
from journey.sections import Project

REQUEST_FEATURES, FEATURES, MODELS = "request_features.py", "features.py", "models.py"


@dataclass(frozen=True)
class Function:
    """A function of a project's file.

    Attributes:
        line: of its `def`.
        arguments: in order, without `*` and `**`.
        returns: whether it says what it returns.
        decorators: by last name (`journey.label` is `label`), with the keyword arguments that are constants.
    """

    name: str
    line: int
    arguments: tuple[str, ...]
    returns: bool
    decorators: Mapping[str, Mapping[str, object]] = field(default_factory=dict)


@dataclass(frozen=True)
class Code:
    """The functions of the project's three files, by file; a file that is missing or no Python has none."""

    functions: Mapping[str, tuple[Function, ...]]
    problems: tuple[Problem, ...]

    def of(self, file: str) -> tuple[Function, ...]:
        """The public functions of a file."""
        return tuple(function for function in self.functions.get(file, ()) if not function.name.startswith("_"))

    def decorated(self, file: str, decorator: str) -> tuple[Function, ...]:
        """The functions of a file under a decorator."""
        return tuple(function for function in self.functions.get(file, ()) if decorator in function.decorators)


def read_code(directory: Path) -> Code:
    """Reads request_features.py, features.py and models.py."""
    functions: dict[str, tuple[Function, ...]] = {}
    problems: list[Problem] = []
    for file in (REQUEST_FEATURES, FEATURES, MODELS):
        try:
            tree = _parsed((directory / file).read_bytes())
        except FileNotFoundError:
            continue
        except SyntaxError as error:
            problems.append(Problem(file, error.lineno or 1, "", f"expected Python, found: {error.msg}"))
            continue
        except (OSError, ValueError) as error:
            problems.append(Problem(file, 0, "", f"expected a readable Python file, found: {error}"))
            continue
        functions[file] = tuple(_function(node) for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
        if file == REQUEST_FEATURES:
            problems += _foreign_imports(file, tree)
    return Code(functions, tuple(problems))


def python_problems(project: Project | None, code: Code) -> tuple[Problem, ...]:
    """What is wrong with the project's Python files, in themselves and (where there is a project) against project.yaml."""
    found = list(code.problems)
    if project is not None and project.spine.table in project.tables:
        found += _request_problems(project, code)
        found += _view_problems(project, code)
    return tuple(found)


def _parsed(source: bytes) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")              # an odd escape is for the check-code step's linter
        return ast.parse(source)


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Function:
    arguments = tuple(argument.arg for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs))
    return Function(node.name, node.lineno, arguments, node.returns is not None, dict(map(_decorator, node.decorator_list)))


def _decorator(node: ast.expr) -> tuple[str, Mapping[str, object]]:
    keywords: dict[str, object] = {}
    if isinstance(node, ast.Call):
        keywords = {word.arg: word.value.value for word in node.keywords if word.arg and isinstance(word.value, ast.Constant)}
        node = node.func
    if isinstance(node, ast.Attribute):
        return node.attr, keywords
    return node.id if isinstance(node, ast.Name) else "", keywords


def _foreign_imports(file: str, tree: ast.Module) -> Iterator[Problem]:
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = ["." * node.level + (node.module or "")]
        for name in names:
            if name.split(".")[0] not in sys.stdlib_module_names:
                yield Problem(
                    file, getattr(node, "lineno", 1), "",
                    f"expected imports of the standard library only, found '{name}'. "
                    f"This file travels to the server, where nothing else is; what needs a table belongs into {FEATURES}",
                )  # fmt: skip


def _request_problems(project: Project, code: Code) -> Iterator[Problem]:
    spine, columns = project.spine.table, project.spine_table.columns
    expected = f"expected columns of {spine} as arguments"
    for function in code.of(REQUEST_FEATURES):
        place = (REQUEST_FEATURES, function.line, function.name)
        if function.name in columns:
            yield Problem(*place, f"expected a name that no column of {spine} has, found '{function.name}'")
        if not function.returns:
            yield Problem(*place, "expected it to say '-> int', '-> float', '-> bool' or '-> str', found nothing")
        if not function.arguments:
            yield Problem(*place, f"{expected}, found none. Begin the name with _ if it is no feature")
        for argument in function.arguments:
            if argument not in columns:
                yield Problem(*place, f"{expected}, found '{argument}'.{nearest(argument, columns)}")
            elif argument == project.predict.label:
                yield Problem(*place, f"expected columns that a request has, found the label '{argument}'")


def _view_problems(project: Project, code: Code) -> Iterator[Problem]:
    views = code.decorated(FEATURES, "feature_view")
    for function in (*views, *code.decorated(FEATURES, "label")):
        for argument in function.arguments:
            if argument not in project.tables:
                message = f"expected tables as arguments, found '{argument}'.{nearest(argument, project.tables)}"
                yield Problem(FEATURES, function.line, function.name, message)
    for view in views:
        declared = view.decorators["feature_view"]
        entity, ttl = declared.get("entity"), declared.get("ttl")
        if isinstance(entity, str) and entity not in project.entities:
            hint = nearest(entity, project.entities) or " project.yaml declares none: entities: {name: column}."
            yield Problem(FEATURES, view.line, view.name, f"expected an entity of project.yaml, found '{entity}'.{hint}")
        if isinstance(ttl, str) and not _lasts(ttl):
            yield Problem(FEATURES, view.line, view.name, f"ttl: expected a duration such as 90s, 15m, 6h or 30d, found '{ttl}'")


def _lasts(text: str) -> bool:
    try:
        return duration(text) > timedelta()
    except ValueError:
        return False
