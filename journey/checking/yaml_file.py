"""project.yaml as values with the line of each key.

YAML 1.2 as far as scalars go: `yes`, `no` and `on` are text, as are dates, `12:30` and `007`; `null:` and `true:` are keys like any other.
Words that a column rule compares with values are kept as they are written: `values: [1.10, 007]`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import yaml

from journey.checking.problems import KeyPath, Problem, dotted

Tree = dict[str, "Tree"] | list["Tree"] | str | int | float | bool | None

_WORDS = {"null", "true", "false", "values", "spellings", "pattern"}
_NULL, _TRUTH, _INTEGER, _FLOAT, _TEXT = (f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float", "str"))


class _Loader(yaml.SafeLoader):
    """PyYAML's parser with the scalars of YAML 1.2."""

    yaml_implicit_resolvers = {}  # noqa: RUF012  a class attribute of PyYAML


for _tag, _pattern, _first in (
    (_NULL, r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    (_TRUTH, r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    (_INTEGER, r"[-+]?(?:0|[1-9][0-9]*)", list("-+0123456789")),
    (_FLOAT, r"[-+]?(?:(?:0|[1-9][0-9]*)?\.[0-9]+|(?:0|[1-9][0-9]*)\.?)(?:[eE][-+]?[0-9]+)?", list("-+.0123456789")),
):
    _Loader.add_implicit_resolver(_tag, re.compile(f"^(?:{_pattern})$"), _first)


@dataclass(frozen=True)
class YamlFile:
    """A YAML file, read.

    Attributes:
        name: the file's name, for messages.
        tree: its values.
        lines: the line, from 1, of each key and list item.
        problems: what isn't YAML, or a key that comes twice.
    """

    name: str
    tree: Tree
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def problem(self, path: KeyPath, message: str) -> Problem:
        """A problem at a path of keys; where the path isn't in the file, at the nearest part of it that is."""
        known = path
        while known and known not in self.lines:
            known = known[:-1]
        return Problem(self.name, self.lines.get(known, 1), dotted(path), message)


def read_yaml(name: str, text: str) -> YamlFile:
    """Reads a YAML file; what is wrong with it is among its problems, never raised."""
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        return YamlFile(name, {}, problems=(_syntax_problem(name, error),))
    except ValueError as error:                   # a character that YAML has no place for
        return YamlFile(name, {}, problems=(Problem(name, 1, "", f"expected YAML, found {error}"),))
    if node is None:
        return YamlFile(name, {})
    reader = _Reader(name)
    return YamlFile(name, reader.value(node, ()), reader.lines, tuple(reader.problems))


class _Reader:
    """Turns PyYAML's nodes into values and notes where each stands."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: dict[KeyPath, int] = {}
        self.problems: list[Problem] = []
        self._open: list[yaml.Node] = []           # the nodes around the one being read: an alias may lead back to one

    def value(self, node: yaml.Node, path: KeyPath) -> Tree:
        """A node's value."""
        self.lines.setdefault(path, node.start_mark.line + 1)
        if any(node is outer for outer in self._open):
            self._complain(node, path, "an alias that contains itself")
            return None
        self._open.append(node)
        try:
            if isinstance(node, yaml.MappingNode):
                return dict(self._pairs(node, path))
            if isinstance(node, yaml.SequenceNode):
                return [self.value(item, (*path, position)) for position, item in enumerate(node.value)]
            return self._scalar(node, path)
        finally:
            self._open.pop()

    def _pairs(self, node: yaml.MappingNode, path: KeyPath) -> Iterator[tuple[str, Tree]]:
        seen: set[str] = set()
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._complain(key_node, path, "a key that isn't plain text")
                continue
            key = str(key_node.value)
            if key in seen:
                self._complain(key_node, (*path, key), f"the key '{key}' for the second time")
            seen.add(key)
            self.lines[(*path, key)] = key_node.start_mark.line + 1
            yield key, self.value(value_node, (*path, key))

    def _scalar(self, node: yaml.Node, path: KeyPath) -> Tree:
        text = str(node.value)
        if node.tag == _TEXT or (_is_word(path) and node.tag in (_TRUTH, _INTEGER, _FLOAT)):
            return text
        if node.tag == _NULL:
            return None
        if node.tag == _TRUTH:
            return text.lower() == "true"
        if node.tag in (_INTEGER, _FLOAT):
            return int(text) if node.tag == _INTEGER else float(text)
        self._complain(node, path, f"the tag {node.tag}")
        return None

    def _complain(self, node: yaml.Node, path: KeyPath, found: str) -> None:
        self.problems.append(Problem(self.name, node.start_mark.line + 1, dotted(path), f"expected plain YAML, found {found}"))


def _is_word(path: KeyPath) -> bool:
    """Whether a value at this path is compared with a column's values: one of _WORDS of a column."""
    return len(path) > 4 and path[0] == "tables" and path[2] == "columns" and path[4] in _WORDS


def _syntax_problem(name: str, error: yaml.YAMLError) -> Problem:
    mark = getattr(error, "problem_mark", None)
    said = getattr(error, "problem", None) or str(error)
    found: Literal["found"] | str = f"{said} at character {mark.column + 1}" if mark else said
    return Problem(name, mark.line + 1 if mark else 1, "", f"expected YAML, found: {found}")
