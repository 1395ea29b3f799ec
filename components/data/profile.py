"""The profile of raw tables as a page that needs nothing but itself."""

from collections.abc import Iterable, Iterator
from html import escape

from journey.artifacts import ColumnQuality, QualityReport, TableQuality

_STYLE = """
body { font: 14px/1.5 system-ui, sans-serif; color: #1c2733; margin: 2rem auto; max-width: 72rem; padding: 0 1rem }
table { border-collapse: collapse; width: 100%; margin-bottom: 2rem }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #d9dfe5; vertical-align: top }
td.n { text-align: right; font-variant-numeric: tabular-nums }
"""
_HEADINGS = ("column", "missing", "null tokens", "different", "from", "to", "most frequent")


def profile_page(quality: QualityReport) -> str:
    """One HTML page: a table of columns for each raw table."""
    tables = "".join(_table(name, table) for name, table in quality.tables.items())
    return f"<!doctype html><meta charset='utf-8'><title>Profile of the raw data</title><style>{_STYLE}</style><h1>Raw data</h1>{tables}\n"


def _table(name: str, table: TableQuality) -> str:
    headings = "".join(f"<th>{heading}</th>" for heading in _HEADINGS)
    rows = "".join(f"<tr>{''.join(_cells(column, seen, table.rows_in))}</tr>" for column, seen in table.columns.items())
    dropped = f"<p>Undeclared, dropped: {escape(', '.join(table.undeclared))}</p>" if table.undeclared else ""
    return f"<h2>{escape(name)}</h2><p>{table.rows_in:,} rows</p>{dropped}<table><tr>{headings}</tr>{rows}</table>"


def _cells(name: str, seen: ColumnQuality, rows: int) -> Iterator[str]:
    share = f" ({seen.missing / rows:.1%})" if seen.missing and rows else ""
    yield f"<td>{escape(name)}</td><td class='n'>{seen.missing:,}{share}</td>"
    yield f"<td>{_counts(seen.null_tokens.items())}</td><td class='n'>{seen.distinct:,}</td>"
    yield f"<td class='n'>{escape(seen.min or '')}</td><td class='n'>{escape(seen.max or '')}</td>"
    yield f"<td>{_counts(seen.frequent)}</td>"


def _counts(counted: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{escape(repr(value))} {count:,}" for value, count in counted)
