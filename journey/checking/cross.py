"""The parts of project.yaml against each other: every name means something, and the parts make sense together."""

from collections.abc import Callable, Iterator
from datetime import timedelta

from journey.checking.problems import Finding, KeyPath, nearest
from journey.checking.python_files import FEATURES, MODELS, REQUEST_FEATURES, Code
from journey.checking.targets import target_findings
from journey.clock import duration
from journey.errors import RequestError
from journey.sections import ESTIMATORS, METRICS, FilesSource, Project, Table
from journey.values.columns import ColumnRule, value_form

INPUTS = ("category", "integer", "float", "boolean")
"""The column types that are model inputs by default."""

_RESERVED = "journey_"
_TAKEN = ("quarantine",)         # standardize writes quarantine.parquet beside the tables
_OTHER_GATES = ("over_dummy", "over_champion", "bytes")


def cross_findings(project: Project, code: Code) -> Iterator[Finding]:
    """What doesn't fit together, each with its path of keys."""
    yield from _table_findings(project)
    yield from _task_findings(project)
    yield from _candidate_findings(project, code)
    yield from target_findings(project, code)
    if project.spine.table not in project.tables:
        yield ("spine",), f"expected one of the tables, found '{project.spine.table}'.{nearest(project.spine.table, project.tables)}"
        return
    for check in _CHECKS:
        yield from check(project, code)


def _table_findings(project: Project) -> Iterator[Finding]:
    for name in project.tables.keys() - project.sources.keys():
        yield ("tables", name), f"expected a source of this name, found none.{nearest(name, project.sources)}"
    for name in project.sources.keys() - project.tables.keys():
        yield ("sources", name), f"expected a table of this name with its columns, found none.{nearest(name, project.tables)}"
    for name, table in project.tables.items():
        path = ("tables", name)
        if not name.isidentifier():
            yield path, f"expected letters, digits and underscores (the name is an argument of feature functions), found '{name}'"
        if name.lower() in _TAKEN:
            yield path, f"expected another name, found '{name}': a file of that name beside the tables is Journey's own; rename it"
        if not table.columns:
            yield (*path, "columns"), "expected at least one column, found none"
        if table.key is not None and table.key not in table.columns:
            yield (*path, "key"), _no_column(name, table.key, table)
        if table.rows.max is not None and table.rows.max < table.rows.min:
            yield (*path, "rows"), f"expected min at most max, found min {table.rows.min} and max {table.rows.max}"
        for column in table.columns:
            if column.lower().startswith(_RESERVED):         # DuckDB's names know no case
                yield (*path, "columns", column), f"names that begin with {_RESERVED} are reserved; rename the column in the source"
        source = project.sources.get(name)
        if source is not None and source.cursor is not None and source.cursor not in table.columns:
            yield ("sources", name, "cursor"), _no_column(name, source.cursor, table)
        if isinstance(source, FilesSource) and source.header is not None and source.files.lower().endswith((".parquet", ".pq")):
            yield ("sources", name, "header"), f"is for CSV files, found {source.files}, which names its columns itself"


def _spine_findings(project: Project, _: Code) -> Iterator[Finding]:
    for column in project.spine.only:
        if column not in project.spine_table.columns:
            yield ("spine", "only", column), _no_column(project.spine.table, column, project.spine_table)
    if project.time is not None:
        yield from _of_type(project, ("time",), project.time, ("timestamp",))
    for entity, column in project.entities.items():
        yield from _of_type(project, ("entities", entity), column, ("string", "category", "integer"))
    if project.entities and project.time is None:
        yield ("entities",), "expected time: with the spine's column of event times (features are looked up as of it), found none"


def _of_type(project: Project, path: KeyPath, column: str, types: tuple[str, ...]) -> Iterator[Finding]:
    columns = project.spine_table.columns
    if column not in columns:
        yield path, _no_column(project.spine.table, column, project.spine_table)
    elif columns[column].type not in types:
        yield path, f"expected a column of type {' or '.join(types)}, found '{column}' of type {columns[column].type}"


def _no_column(name: str, column: str, table: Table) -> str:
    return f"expected a column of {name}, found '{column}'.{nearest(column, table.columns)}"


def _label_findings(project: Project, code: Code) -> Iterator[Finding]:
    label, columns = project.predict.label, project.spine_table.columns
    functions = [function.name for function in code.decorated(FEATURES, "label")]
    if label in columns:
        yield from _label_column_findings(project, columns[label])
    elif label not in functions:
        hint = nearest(label, [*columns, *functions])
        yield ("predict", "label"), f"expected a column of {project.spine.table} or a @label function of {FEATURES}, found '{label}'.{hint}"
    elif project.spine_table.key is None:
        yield ("tables", project.spine.table), f"expected a key: the @label function '{label}' tells rows apart by it, found none"


def _label_column_findings(project: Project, rule: ColumnRule) -> Iterator[Finding]:
    label = project.predict.label
    path: KeyPath = ("predict", "label")
    types = ("integer", "float") if project.predict.task == "regression" else ("category", "string", "boolean", "integer")
    if rule.type not in types:
        yield path, f"expected a column of type {' or '.join(types)} for task {project.predict.task}, found '{label}' of type {rule.type}"
    uses = {"the key": project.spine_table.key, "the event time": project.time}
    uses |= {f"entity {entity}": column for entity, column in project.entities.items()}
    for use, column in uses.items():
        if column == label:
            yield path, f"expected a column of its own, found '{label}', which is {use}"
    positive = project.predict.positive
    if positive is not None and project.predict.task == "binary" and rule.type in types and (why := _impossible_class(rule, positive)):
        yield ("predict", "positive"), f"expected a value that '{label}' can have after its rule, found {positive!r}: {why}"


def _impossible_class(rule: ColumnRule, positive: str | int | float | bool) -> str | None:
    """Why a value can't be a class of a label column; None if it can."""
    try:
        value = value_form("positive", rule.model_copy(update={"breach": "fail"}), _ignore)(positive)
    except RequestError as error:
        return f"expected {error.expected}"
    if value is None:
        return "it is a null token"
    return None if type(value) is type(positive) and value == positive else f"after the rule it is {value!r}"


def _ignore(_column: str, _kind: str) -> None:
    return None


def _task_findings(project: Project) -> Iterator[Finding]:
    predict = project.predict
    fitting = [name for name, tasks in METRICS.items() if predict.task in tasks]
    gates = (*fitting, *_OTHER_GATES)
    if predict.metric not in METRICS:
        yield ("predict", "metric"), f"unknown metric '{predict.metric}'.{nearest(predict.metric, fitting)}"
    elif predict.metric not in fitting:
        yield ("predict", "metric"), f"expected a metric for task {predict.task} ({', '.join(fitting)}), found '{predict.metric}'"
    if predict.task == "binary" and predict.positive is None:
        yield ("predict",), "expected positive: with the label's value that counts as positive, found none"
    if predict.task != "binary" and predict.positive is not None:
        yield ("predict", "positive"), f"is for task binary, found task {predict.task}"
    for gate, bound in project.gates.model.items():
        path = ("gates", "model", gate)
        if gate not in gates:
            others = ", ".join(_OTHER_GATES)
            yield path, f"expected a metric for task {predict.task} or one of {others}, found '{gate}'.{nearest(gate, gates)}"
        if bound.min is None and bound.max is None:
            yield path, "expected min or max, found neither"


def _split_findings(project: Project, _: Code) -> Iterator[Finding]:
    split = project.split
    if split.by == "time":
        if project.time is None:
            yield ("split", "by"), "expected time: with the spine's column of event times, found none. Without event times, split by hash"
        if split.group is not None:
            yield ("split", "group"), "is for by: hash, found by: time"
    elif split.window is not None:
        yield ("split", "window"), "is for by: time, found by: hash"
    if split.group is not None and split.group not in project.spine_table.columns:
        yield ("split", "group"), _no_column(project.spine.table, split.group, project.spine_table)
    if split.validation + split.test >= 1:
        yield ("split",), f"expected rows left to train on, found validation {split.validation} and test {split.test}: together all of them"
    if project.time is None:
        for path, text in ((("predict", "matures"), project.predict.matures), (("features", "history"), project.features.history)):
            if duration(text) > timedelta():
                yield path, f"expected time: with the spine's column of event times, found none, with {path[-1]}: {text}"


def _feature_findings(project: Project, code: Code) -> Iterator[Finding]:
    columns = project.spine_table.columns
    known = [*columns, *(function.name for function in code.of(REQUEST_FEATURES))]
    has_views = bool(code.decorated(FEATURES, "feature_view"))
    for place, name in enumerate(project.features.drop):
        if name not in known and not has_views:            # what a view's features are called is known only when it runs
            yield ("features", "drop", place), f"expected a column of {project.spine.table} or a request feature.{nearest(name, known)}"
    reserved = {project.predict.label, project.spine_table.key, project.time, *project.entities.values(), *project.features.drop}
    inputs = [name for name, rule in columns.items() if rule.type in INPUTS and name not in reserved]
    if not inputs and not has_views and not code.of(REQUEST_FEATURES):
        yield (
            ("tables", project.spine.table, "columns"),
            f"expected something to predict from (a column of type {', '.join(INPUTS)} that isn't label, key, time or entity, "
            "a request feature or a feature view), found nothing",
        )
    for path, text in ((("features", "refresh"), project.features.refresh), *(
        (("monitoring", "windows", place), window) for place, window in enumerate(project.monitoring.windows)
    )):  # fmt: skip
        if duration(text) == timedelta():
            yield path, f"expected more than no time, found {text}"
    for place, window in enumerate(project.monitoring.windows):
        if window in project.monitoring.windows[:place]:
            yield ("monitoring", "windows", place), f"expected each window once, found {window} again"


def _candidate_findings(project: Project, code: Code) -> Iterator[Finding]:
    if project.candidates == "auto":
        return
    own = [f"models.{function.name}" for function in code.decorated(MODELS, "candidate")]
    if not project.candidates:
        yield ("candidates",), "expected auto or at least one candidate, found none"
    for place, candidate in enumerate(project.candidates):
        names = [candidate] if isinstance(candidate, str) else list(candidate)
        path: KeyPath = ("candidates", place)
        if len(names) != 1:
            yield path, f"expected one name with its parameters, found {len(names)}: {', '.join(names)}"
        for name in names:
            if name.startswith("models."):
                if name not in own:
                    yield path, f"expected a @candidate function of {MODELS}, found '{name}'.{nearest(name, own)}"
            elif name not in ESTIMATORS:
                yield path, f"unknown candidate '{name}'.{nearest(name, (*ESTIMATORS, *own))}"
            elif project.predict.task not in ESTIMATORS[name]:
                yield path, f"'{name}' is for task {' or '.join(ESTIMATORS[name])}, found task {project.predict.task}"


_CHECKS: tuple[Callable[[Project, Code], Iterator[Finding]], ...] = (
    _spine_findings, _label_findings, _split_findings, _feature_findings,
)  # fmt: skip
