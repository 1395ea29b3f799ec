"""A project made from a CSV file: project.yaml with the reason of each guess beside it, and the file where the project finds it."""

import json
import re
import shutil
from pathlib import Path

from app.scaffold.guess import ColumnGuess, ProjectGuess, guessed
from app.scaffold.profile import CsvProfile, profile
from app.scaffold.project_folder import IGNORED, new_folder, project_name, write
from journey.errors import DataError
from journey.project import FILE, load_project

_SMALL = 2_000             # rows below which a larger share is held out, so that the test says something
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?: [A-Za-z0-9_]+)*")
_YAML_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


def make_from_csv(directory: Path, data: Path, label: str) -> ProjectGuess:
    """Makes a project in `directory` that predicts a column of a CSV file.

    Raises:
        DataError: the file can't be read, or the label isn't one.
        ProjectError: the folder holds a project already.
    """
    found = profile(data)
    guess = guessed(found, label)
    new_folder(directory)
    table = _table_name(data)
    path = _placed(directory, data)
    write(directory, {FILE: _project_yaml(project_name(directory), table, path, data.name, found, guess), ".gitignore": IGNORED})
    load_project(directory)              # what was guessed has to be a project that `journey check` passes
    return guess


def _aligned(lines: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Lines made equally long, so that their comments stand in one column."""
    width = max(len(text) for text, _ in lines)
    return [(f"{text:<{width}}", comment) for text, comment in lines]


def _placed(directory: Path, data: Path) -> str:
    """The file's path in the project: where it is, if it is inside already, else a copy under data/."""
    if data.resolve().is_relative_to(directory.resolve()):
        return data.resolve().relative_to(directory.resolve()).as_posix()
    target = directory / "data" / data.name
    try:
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(data, target)
    except OSError as error:
        raise DataError(f"{target}: expected room for a copy of {data.name}, found: {error.strerror}") from error
    return f"data/{data.name}"


def _table_name(data: Path) -> str:
    name = re.sub(r"[^a-z0-9]+", "_", data.stem.lower()).strip("_")
    return name if name.isidentifier() else f"rows_{name}".rstrip("_")


def _project_yaml(name: str, table: str, path: str, file: str, found: CsvProfile, guess: ProjectGuess) -> str:
    delimiter = "" if found.delimiter == "," else f", delimiter: {json.dumps(found.delimiter)}"
    held_out = 0.2 if found.rows < _SMALL else 0.15
    columns = [(f"{_scalar(column.name)}:", column) for column in guess.columns]
    width = max(len(name) for name, _ in columns)
    rules = _aligned([(f"      {name:<{width}} {_rule(column)}", column.reason) for name, column in columns])
    positive = "" if guess.positive is None else f", positive: {_scalar(guess.positive)}"
    lines: list[tuple[str, str]] = [
        ("", f"Guessed from {file} ({found.rows} rows). Every guess has its reason beside it: correct what is wrong."),
        ("format: 1", ""),
        (f"name: {name}", ""),
        ("seed: 7", "same data and seed, same model to the byte"),
        ("", ""),
        ("sources:", ""),
        (f"  {table}: {{files: {json.dumps(path)}{delimiter}}}", ""),
        ("", ""),
        ("tables:", ""),
        (f"  {table}:", ""),
        *_key(guess),
        ("    columns:", ""),
        *rules,
        ("", ""),
        (f"spine: {table}", "one row of it is one prediction; a request is such a row without the label"),
        *_time(guess),
        (f"predict: {{label: {_scalar(guess.label)}, task: {guess.task}{positive}, metric: {guess.metric}}}", guess.task_reason),
        ("", f"metric {guess.metric}: {guess.metric_reason}"),
        (f"split: {{by: hash, validation: {held_out}, test: {held_out}}}", "a row's own values decide where it goes, for ever"),
        *_dropped(guess),
        ("candidates: auto", "a dummy, a linear model, boosted trees and a forest, as they fit the data"),
    ]
    return "".join(_with_comment(text, comment) for text, comment in lines)


def _key(guess: ProjectGuess) -> list[tuple[str, str]]:
    if guess.key is None:
        return [("    # no key: no column has a value of its own in every row and a name like an identifier's", "")]
    return [(f"    key: {_scalar(guess.key)}", "every row has its own; no model input")]


def _time(guess: ProjectGuess) -> list[tuple[str, str]]:
    if not guess.moments:
        return []
    column = _scalar(guess.moments[0])
    return [("", f"if {column} is when a row came about: add `time: {column}` and split `by: time`, to be tested on what came later")]


def _dropped(guess: ProjectGuess) -> list[tuple[str, str]]:
    if not guess.drop:
        return []
    names = ", ".join(map(_scalar, guess.drop))
    return [(f"features: {{drop: [{names}]}}", next(iter(guess.drop.values())))]


def _rule(column: ColumnGuess) -> str:
    parts = [f"type: {column.type}"]
    if column.null != ("",):
        parts.append("null: [" + ", ".join(json.dumps(word) for word in column.null) + "]")
    if column.breach != "quarantine":
        parts.append(f"breach: {column.breach}")
    return "{" + ", ".join(parts) + "}"


def _scalar(value: str | int | bool) -> str:
    """A value as YAML."""
    if isinstance(value, bool | int):
        return json.dumps(value)
    return value if _PLAIN.fullmatch(value) and value.lower() not in _YAML_WORDS else json.dumps(value, ensure_ascii=False)


def _with_comment(text: str, comment: str) -> str:
    if not comment:
        return f"{text}\n"
    comment = re.sub(r"\s+", " ", comment)          # a value from the file may hold a line break, which would end the comment
    return f"{text:<50}  # {comment}\n" if text else f"# {comment}\n"
