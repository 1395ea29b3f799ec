"""What a profiled CSV file is likely to mean: types, null tokens, key, task and metric, each with its reason."""

import re
from dataclasses import dataclass, field

from app.scaffold.profile import NULL_WORDS, TRUTH_WORDS, ColumnProfile, CsvProfile
from journey.checking.problems import nearest
from journey.errors import DataError
from journey.sections import Task
from journey.values.columns import ColumnType

Typed = str | int | bool
"""A class of a label."""

_READABLE = 0.98            # share of readable values from which a column is of a type and the rest is noise; a guess
_CLASSES = 20               # whole numbers as a label: up to here classes, above a quantity; a guess
_CATEGORIES = (20, 300)     # different texts that are categories in any case, and at most; a guess
_RARE = 0.10                # share of positives below which ROC AUC flatters and average precision is the better metric
_TRUE = ("true", "t", "yes", "y", "1")
_ID = re.compile(r"(?i:(?:^|[_ .-])(?:id|uuid|guid|key|index|row|number|no|nr)$|^(?:id|uuid|index)(?:[_ .-]|$))|[a-z]I[dD]$")


@dataclass(frozen=True)
class ColumnGuess:
    """A column's rule as it will be written, without the parts that are defaults, and why."""

    name: str
    type: ColumnType
    reason: str
    null: tuple[str, ...] = ("",)
    breach: str = "quarantine"


@dataclass(frozen=True)
class ProjectGuess:
    """What a project needs to be told.

    Attributes:
        key: a column whose values are all different and named like an identifier, None where there is none.
        drop: columns that are no model inputs, with the reason.
        positive: as the typed value, for a binary task.
        moments: columns of times, one of which may be the rows' event time.
    """

    columns: tuple[ColumnGuess, ...]
    key: str | None
    drop: dict[str, str]
    label: str
    task: Task
    task_reason: str
    metric: str
    metric_reason: str
    positive: Typed | None = None
    moments: tuple[str, ...] = field(default=())


def guessed(profile: CsvProfile, label: str) -> ProjectGuess:
    """Guesses a project from a profile.

    Raises:
        DataError: there is no such label, it is constant, or nearly every row has one of its own.
    """
    columns = {column.name: column for column in profile.columns}
    if label not in columns:
        raise DataError(f"--label: expected a column of the file, found '{label}'.{nearest(label, columns)}")
    target = columns[label]
    task, task_reason = _task(target)
    guesses = tuple(_label(target, task) if column is target else _column(column) for column in profile.columns)
    identifiers = [guess.name for guess in guesses if guess.name != label and _is_identifier(columns[guess.name], guess)]
    positive = _positive(target, guesses[profile.columns.index(target)].type) if task == "binary" else None
    metric, metric_reason = _metric(target, task, positive)
    return ProjectGuess(
        columns=guesses, key=identifiers[0] if identifiers else None,
        drop=dict.fromkeys(identifiers[1:], "every row has its own: it tells rows apart and predicts nothing"),
        label=label, task=task, task_reason=task_reason, metric=metric, metric_reason=metric_reason, positive=positive,
        moments=tuple(guess.name for guess in guesses if guess.type == "timestamp" and guess.name != label),
    )  # fmt: skip


def _column(column: ColumnProfile) -> ColumnGuess:
    null = tuple(word for word in NULL_WORDS if word == "" or word in column.null_words)
    missing = column.rows - column.known
    tail = f"; {missing} of {column.rows} rows missing" if missing else ""
    if column.known == 0:
        return ColumnGuess(column.name, "string", "no value in the file: no model input", null)
    kind, why = _kind(column)
    readable = {"integer": column.integers, "float": column.floats, "timestamp": column.times}.get(kind, column.known)
    if readable < column.known:
        return ColumnGuess(column.name, kind, f"{why}, but for {column.known - readable} rows, which become missing{tail}", null, "null")
    return ColumnGuess(column.name, kind, why + tail, null)


def _kind(column: ColumnProfile) -> tuple[ColumnType, str]:
    enough = column.known * _READABLE
    if column.floats >= enough and not column.zero_led:
        least, greatest = (f"{number:.6g}" for number in (column.least or 0.0, column.greatest or 0.0))
        if column.integers == column.floats and not column.pointed:
            return "integer", f"whole numbers from {least} to {greatest}"
        return "float", f"numbers from {least} to {greatest}"
    if column.truths == column.known and column.distinct <= 2:
        return "boolean", " or ".join(value for value, _ in column.common)
    if column.dates == column.known:
        return "date", "dates: no model input by itself; a request feature can make one of it"
    if column.times >= enough:
        return "timestamp", "times: no model input by itself; a request feature can make one of it"
    few, many = _CATEGORIES
    if column.distinct <= max(few, min(many, column.known // 5)):
        return "category", f"{column.distinct} different texts" + ("; with leading zeros, so no numbers" if column.zero_led else "")
    return "string", f"{column.distinct} different texts in {column.known} rows: too many to be categories, so no model input"


def _label(column: ColumnProfile, task: Task) -> ColumnGuess:
    null = tuple(word for word in NULL_WORDS if word == "" or word in column.null_words)
    if task == "regression":
        return ColumnGuess(column.name, "float", "the label: a quantity", null)
    if column.integers == column.known and not column.zero_led:
        return ColumnGuess(column.name, "integer", "the label: classes by number", null)
    if column.truths == column.known and column.distinct == 2 and _are_opposites(column):
        return ColumnGuess(column.name, "boolean", "the label: yes or no", null)
    return ColumnGuess(column.name, "category", "the label: classes by name", null)


def _are_opposites(column: ColumnProfile) -> bool:
    return len({value.lower() in _TRUE for value, _ in column.common}) == 2


def _task(column: ColumnProfile) -> tuple[Task, str]:
    if column.distinct < 2:
        found = f"always {column.common[0][0]}" if column.common else "no value at all"
        raise DataError(f"column '{column.name}': expected a label that differs between rows, found {found}; name another with --label")
    if column.distinct == 2:
        return "binary", "two values: " + " and ".join(f"{value} ({count} rows)" for value, count in column.common)
    numeric = column.floats >= column.known * _READABLE and not column.zero_led
    if numeric and (column.integers < column.known or column.distinct > _CLASSES):
        return "regression", f"{column.distinct} different numbers from {column.least:.6g} to {column.greatest:.6g}"
    if column.distinct * 2 > column.known:
        raise DataError(
            f"column '{column.name}': expected a label that repeats, or numbers, found {column.distinct} different texts "
            f"in {column.known} rows; name another with --label"
        )
    doubt = ", whole numbers: make it regression if they are amounts" if numeric else ""
    return "multiclass", f"{column.distinct} different values{doubt}"


def _positive(column: ColumnProfile, kind: ColumnType) -> Typed:
    """The value that counts as positive: what says yes, else the greater number, else the rarer text."""
    values = [value for value, _ in column.common]
    if kind == "boolean":
        return True
    if kind == "integer":
        return max(int(value.split(".")[0]) for value in values)
    yes = [value for value in values if value.lower() in _TRUE and value.lower() in (*TRUTH_WORDS, "1")]
    return yes[0] if len(yes) == 1 else values[-1]


def _metric(column: ColumnProfile, task: Task, positive: Typed | None) -> tuple[str, str]:
    if task == "regression":
        return "rmse", "in the units of the label; mae, if far-off rows should count less"
    counts = [count for _, count in column.common]
    if task == "multiclass":
        if max(counts) > 3 * min(counts):
            return "balanced_accuracy", "the classes are of unequal size, and each should count the same"
        return "accuracy", "the classes are of similar size"
    share = dict(zip((value for value, _ in column.common), counts, strict=True))
    rows = next((count for value, count in share.items() if _same(value, positive)), min(counts))
    if rows < _RARE * sum(counts):
        return "average_precision", f"positives are rare ({rows / sum(counts):.1%}): it looks at how many of the alarms are right"
    return "roc_auc", f"{rows / sum(counts):.1%} positives: how well rows are ordered"


def _same(text: str, positive: Typed | None) -> bool:
    if isinstance(positive, bool):
        return text.lower() in _TRUE
    return text.split(".")[0] == str(positive) if isinstance(positive, int) else text == positive


def _is_identifier(column: ColumnProfile, guess: ColumnGuess) -> bool:
    named = _ID.search(column.name) is not None
    return named and column.known == column.rows == column.distinct and guess.type in ("integer", "string", "category")
