"""The data card: what a model of this run learns from, in one page for people."""

from collections.abc import Iterator

from journey.artifacts import Curated, QualityReport


def data_card(curated: Curated, quality: QualityReport) -> str:
    """Markdown: the split with its boundaries and classes, what was left out, and what became of each table's rows."""
    return "\n".join([*_split(curated), "", *_left_out(curated), "", *_tables(quality)]) + "\n"


def _split(curated: Curated) -> Iterator[str]:
    yield f"# Data: `{curated.spine}`, label `{curated.label}`"
    yield ""
    if curated.watermark is not None:
        yield f"Watermark {curated.watermark.isoformat()}, rows from {_moment(curated.window[0])} to {_moment(curated.window[1])}."
        yield ""
    yield "| part | rows | from | " + " | ".join(f"`{label}`" for label in curated.classes) + (" |" if curated.classes else "")
    yield "| --- " * (3 + len(curated.classes)) + "|"
    starts = dict(zip(("train", "validation", "test"), (curated.trained_on[0], *curated.boundaries), strict=True))
    for part, rows in curated.counts.items():
        counts = "".join(f" {count:,} |" for count in curated.class_counts.get(part, ()))
        yield f"| {part} | {rows:,} | {_moment(starts[part])} |{counts}"


def _left_out(curated: Curated) -> Iterator[str]:
    yield f"{sum(curated.left_out.values()):,} of {curated.rows:,} rows are left out."
    for reason, rows in curated.left_out.items():
        yield f"- {reason}: {rows:,}"


def _tables(quality: QualityReport) -> Iterator[str]:
    yield "| table | rows in | duplicates | quarantined | rows out |"
    yield "| --- | --- | --- | --- | --- |"
    for name, table in quality.tables.items():
        yield f"| {name} | {table.rows_in:,} | {table.duplicates:,} | {sum(table.quarantined.values()):,} | {table.rows_out:,} |"


def _moment(moment: object) -> str:
    return "" if moment is None else str(moment)
