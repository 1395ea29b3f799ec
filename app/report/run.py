"""The page of a run: one self-contained HTML file that says what happened and how to do it again."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from app.report.graph import Node, draw
from app.report.intervals import Bar, draw_bars
from app.report.pages import render
from journey.artifacts import Board, BoardRow, Choice, Comparison, Document, FrameSchema, Metric, QualityReport, TableQuality
from journey.errors import DataError

if TYPE_CHECKING:
    from pipelines.submit import Run, Step

D = TypeVar("D", bound=Document)

ORIGINS: dict[Literal["spine", "request", "view"], str] = {
    "spine": "the request itself",
    "request": "computed from the request",
    "view": "looked up in the online store",
}


def write_report(run: "Run", project: Path, page: Path, target: str = "local") -> Path:
    """Writes the page of a run, finished or not: what is there is shown.

    Args:
        run: the run, with the artifacts of the steps that finished.
        project: the project's folder, for the command that repeats the run.
        page: where the page is written; its folder is made.
        target: of the run, for the same command.

    Returns:
        The page's path.
    """
    schema = _document(FrameSchema, run, "select-features", "selected", "frame.json")
    board = _document(Board, run, "tune-models", "tuned", "board.json") or _document(Board, run, "evaluate-models", "board", "board.json")
    choice = _document(Choice, run, "choose-model", "choice", "choice.json")
    comparison = _document(Comparison, run, "choose-model", "comparison", "comparison.json")
    quality = _document(QualityReport, run, "curate-data", "curated", "quality.json")
    html = render(
        "run.html",
        run=run,
        seconds=max((step.started + step.seconds for step in run.steps), default=0.0),
        figures=_figures(run, choice, board),
        graph=draw([_node(step) for step in run.steps]),
        quality=[_quality_row(name, table) for name, table in quality.tables.items()] if quality else [],
        schema=schema,
        origins=ORIGINS,
        metric=board.metric if board else "",
        board=_board_rows(board, choice),
        board_metrics=[metric.name for metric in board.rows[0].metrics] if board and board.rows else [],
        leaderboard=_leaderboard(board),
        choice=choice,
        verdicts=_verdicts(comparison),
        command=shlex.join(["journey", "run", "-p", project.name, *(["--target", target] if target != "local" else [])]),
    )
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(html, encoding="utf-8")
    return page


@dataclass(frozen=True)
class Figure:
    """One of the few numbers at the top of the page."""

    label: str
    value: str


@dataclass(frozen=True)
class QualityRow:
    """What became of one table's rows."""

    table: str
    rows_in: int
    duplicates: int
    quarantined: int
    rows_out: int
    changes: str


@dataclass(frozen=True)
class LeaderboardRow:
    """One candidate or trial as the page shows it."""

    name: str
    parameters: str
    values: tuple[str, ...]
    microseconds: str
    kib: str
    chosen: bool


def _document(kind: type[D], run: "Run", step: str, output: str, file: str) -> D | None:
    """A document of a step's artifact; None where the step didn't get so far, or failed while it wrote."""
    folder = run.outputs.get(step, {}).get(output)
    path = Path(str(folder)) / file if folder else None
    try:
        return kind.read(path) if path and path.is_file() else None
    except DataError:
        return None


def _node(step: "Step") -> Node:
    return Node(step.name, "cached" if step.cached else step.state, step.seconds, tuple(step.after))


def _figures(run: "Run", choice: Choice | None, board: Board | None) -> list[Figure]:
    figures = (
        [Figure("version", str(run.version)), Figure("bundle digest", run.bundle_digest[:12])] if run.version and run.bundle_digest else []
    )
    if board and board.rows:
        figures.append(Figure("candidates and trials", str(len(board.rows))))
    if choice:
        figures.append(Figure("chosen", choice.candidate.name))
        figures += [
            Figure(f"{metric.name} on test rows", f"{metric.value:.4f}")
            for metric in choice.test_metrics
            if board and metric.name == board.metric
        ]
        figures.append(Figure("rows of the final fit", f"{choice.trained_rows:,}"))
    return figures


def _quality_row(name: str, table: TableQuality) -> QualityRow:
    return QualityRow(name, table.rows_in, table.duplicates, sum(table.quarantined.values()), table.rows_out, _changes(table))


def _changes(table: TableQuality) -> str:
    """What was done to the values and rows of a table, in one line."""
    tokens: dict[str, int] = {}
    for column in table.columns.values():
        for token, count in column.null_tokens.items():
            tokens[token] = tokens.get(token, 0) + count
    parts = [f"{token!r} made missing {count:,} times" for token, count in sorted(tokens.items())]
    trimmed = sum(column.trimmed for column in table.columns.values())
    if trimmed:
        parts.append(f"{trimmed:,} values trimmed")
    parts += [f"{count:,} rows out for {rule}" for rule, count in sorted(table.quarantined.items())]
    if table.undeclared:
        parts.append("undeclared columns dropped: " + ", ".join(table.undeclared))
    return "; ".join(parts) or "nothing"


def _board_rows(board: Board | None, choice: Choice | None) -> list[LeaderboardRow]:
    return [_leaderboard_row(row, choice) for row in board.rows] if board else []


def _leaderboard_row(row: BoardRow, choice: Choice | None) -> LeaderboardRow:
    return LeaderboardRow(
        name=row.candidate.name,
        parameters=", ".join(f"{name}={_short(value)}" for name, value in row.candidate.parameters.items()) or "defaults",
        values=tuple(f"{metric.value:.4f}" for metric in row.metrics),
        microseconds=f"{row.microseconds_a_row:.1f}",
        kib=f"{row.bytes / 1024:,.0f}",
        chosen=choice is not None and row.candidate == choice.candidate,
    )


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _leaderboard(board: Board | None) -> str:
    """The intervals of the project's metric, best first."""
    if board is None:
        return ""
    ranked = [(row, metric) for row in board.rows for metric in row.metrics if metric.name == board.metric]
    return draw_bars([_bar(row, metric, first=row is ranked[0][0]) for row, metric in ranked], f"{board.metric} of each candidate")


def _bar(row: BoardRow, metric: Metric, *, first: bool) -> Bar:
    return Bar(
        row.candidate.name,
        metric.value,
        metric.low,
        metric.high,
        marked=first,
    )


def _verdicts(comparison: Comparison | None) -> list[tuple[str, str]]:
    if comparison is None:
        return []
    over = comparison.over_dummy
    verdicts = [("the dummy", f"better by {over.value:.4f} ({over.low:.4f} to {over.high:.4f})")]
    if comparison.over_champion is not None:
        over = comparison.over_champion
        verdicts.append(
            (f"the champion, version {comparison.champion_version}", f"better by {over.value:.4f} ({over.low:.4f} to {over.high:.4f})")
        )
    if comparison.champion_note:
        verdicts.append(("the champion", comparison.champion_note))
    return verdicts + [(f"gate {gate}", verdict) for gate, verdict in comparison.gates.items()]
