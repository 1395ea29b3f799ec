"""DuckDB's own functions that Ibis has no name for. Their bodies are never run: Ibis calls the function of the name."""

import ibis
from ibis.expr import datatypes as dt


@ibis.udf.scalar.builtin(name="regexp_full_match")  # type: ignore[untyped-decorator]  # Ibis has no types
def matches(text: str, pattern: str) -> bool:
    """Whether an RE2 pattern matches the whole text."""
    raise NotImplementedError


@ibis.udf.scalar.builtin(name="regexp_replace")  # type: ignore[untyped-decorator]  # Ibis has no types
def replaced(text: str, pattern: str, replacement: str, options: str) -> str:
    """The text with matches of an RE2 pattern replaced; option `g`: all of them."""
    raise NotImplementedError


@ibis.udf.scalar.builtin(name="timezone", signature=((dt.string, dt.Timestamp(scale=6)), dt.Timestamp(timezone="UTC", scale=6)))
def placed(zone, local):  # type: ignore[no-untyped-def]  # Ibis takes the types from `signature`
    """The moment at which clocks of a zone show a local time."""
    raise NotImplementedError


@ibis.udf.scalar.builtin(name="make_timestamp", signature=((dt.int64,), dt.Timestamp(scale=6)))
def moment_at(microseconds):  # type: ignore[no-untyped-def]  # Ibis takes the types from `signature`
    """The UTC time that many microseconds after 1970."""
    raise NotImplementedError
