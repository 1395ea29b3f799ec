"""Files as sources: CSV with every value as its text, Parquet with its types told in four."""

import csv
import glob
import gzip
import re
from dataclasses import dataclass
from pathlib import Path

import duckdb

from journey.errors import DataError
from journey.parquet import copy_to_parquet, exact, identifier, open_duckdb, quoted
from journey.sections import FilesSource

_PARQUET = (".parquet", ".pq")
_INTEGERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"}
_AS_TEXT = {"VARCHAR", "UUID", "UBIGINT", "HUGEINT", "UHUGEINT", "DATE", "TIME"}  # integers beyond int64 keep all their digits
_MOMENTS = {"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"}
_ISO = "'%Y-%m-%dT%H:%M:%S.%f'"


@dataclass(frozen=True)
class FileTable:
    """The rows of one file, or of all files that a glob names, in the order of their paths.

    Attributes:
        where: the key of project.yaml that names them, for messages.
        source: the source's section.
        folder: what a relative path starts at; its own name is no pattern.
        files: a path or a glob.
    """

    where: str
    source: FilesSource
    folder: Path
    files: str

    @property
    def cursor(self) -> str | None:
        """The column whose largest value is the watermark."""
        return self.source.cursor

    def write(self, path: Path) -> None:
        """Writes all rows to a Parquet file.

        Raises:
            DataError: no file is there, or one can't be read.
        """
        files = self._files()
        with open_duckdb() as connection:
            try:
                query = self._parquet(connection, files) if files[0].suffix.lower() in _PARQUET else self._csv(files)
                copy_to_parquet(connection, query, path)
            except (duckdb.InvalidInputException, duckdb.IOException, duckdb.ConversionException) as error:
                raise DataError(self._explained(str(error), files)) from error

    def _files(self) -> list[Path]:
        names = glob.glob(self.files, root_dir=self.folder, recursive=True)  # noqa: PTH207  # Path.glob takes no absolute pattern
        files = [file for name in sorted(names) if (file := self.folder / name).is_file()]
        if not files:
            raise DataError(f"{self.where}: expected a file at {self.folder / self.files}, found none; mend the path, or put it there")
        return files

    def _csv(self, files: list[Path]) -> str:
        columns = list(self.source.header) if self.source.header else self._header(files[0])
        for other in files[1:] if not self.source.header else ():
            self._same_columns(columns, self._header(other), files[0], other)
        self._distinct_names(columns, files[0])
        types = "{" + ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in columns) + "}"
        listed = ", ".join(quoted(exact(file)) for file in files)
        # The sniffer is off: it types a column by its first rows and corrupts later ones.
        return (
            f"SELECT * FROM read_csv([{listed}], auto_detect = false, columns = {types}, "  # noqa: S608  # all of it is quoted
            f"header = {str(not self.source.header).lower()}, delim = {quoted(self.source.delimiter)}, quote = '\"', escape = '\"')"
        )

    def _header(self, file: Path) -> list[str]:
        opened = gzip.open if file.suffix.lower() == ".gz" else open
        try:
            with opened(file, "rt", encoding="utf-8-sig", errors="surrogateescape", newline="") as lines:
                names = next(csv.reader(lines, delimiter=self.source.delimiter), [])
            "".join(names).encode()
        except (UnicodeEncodeError, csv.Error, OSError) as error:
            raise DataError(f"{self.where}: {file}, line 1: expected a header line in UTF-8, found something else: {error}") from error
        if not any(name.strip() for name in names):
            raise DataError(
                f"{self.where}: {file}, line 1: expected a line with the columns' names, found an empty one; "
                f"put one there, or name the columns under {self.where.removesuffix('.files')}.header"
            )
        return [name.strip() for name in names]

    def _parquet(self, connection: duckdb.DuckDBPyConnection, files: list[Path]) -> str:
        columns = self._described(connection, files[:1])
        for other in files[1:]:
            self._same_columns(list(columns), list(self._described(connection, [other])), files[0], other)
        if len(files) > 1:
            columns = self._described(connection, files)
        self._distinct_names(list(columns), files[0])
        selected = ", ".join(f"{self._told(name, kind)} AS {identifier(name)}" for name, kind in columns.items())
        return f"SELECT {selected} FROM {_read_parquet(files)}"  # noqa: S608  # names are quoted

    def _described(self, connection: duckdb.DuckDBPyConnection, files: list[Path]) -> dict[str, str]:
        rows = connection.execute(f"DESCRIBE SELECT * FROM {_read_parquet(files)}").fetchall()  # noqa: S608  # names are quoted
        return {row[0]: row[1] for row in rows}

    def _told(self, name: str, kind: str) -> str:
        column = identifier(name)
        if kind in _INTEGERS:
            return f"CAST({column} AS BIGINT)"
        if kind in {"FLOAT", "DOUBLE"} or kind.startswith("DECIMAL"):
            return f"CAST({column} AS DOUBLE)"
        if kind == "BOOLEAN":
            return column
        if kind in _AS_TEXT or kind.startswith("ENUM"):
            return f"CAST({column} AS VARCHAR)"
        if kind in _MOMENTS:
            return f"strftime(CAST({column} AS TIMESTAMP), {_ISO})"
        if kind == "TIMESTAMP WITH TIME ZONE":
            return f"strftime({column} AT TIME ZONE 'UTC', {_ISO}) || '+00:00'"
        raise DataError(
            f"{self.where}: column '{name}': expected text, numbers, booleans, dates or times, found {kind}; "
            "leave the column out, or write it as one of these"
        )

    def _same_columns(self, expected: list[str], found: list[str], first: Path, other: Path) -> None:
        if expected != found:
            raise DataError(
                f"{self.where}: {other}: expected the columns of {first.name} ({', '.join(expected)}), found {', '.join(found)}; "
                "give all files of one source the same columns in the same order"
            )

    def _distinct_names(self, columns: list[str], file: Path) -> None:
        seen: dict[str, str] = {}
        for place, name in enumerate(columns, start=1):
            if not name:
                raise DataError(f"{self.where}: {file}: expected a name for each column, found column {place} without one; name it")
            if name.lower() in seen:
                raise DataError(
                    f"{self.where}: {file}: expected columns with different names (upper and lower case is the same name), "
                    f"found '{seen[name.lower()]}' and '{name}'; rename one"
                )
            seen[name.lower()] = name

    def _explained(self, message: str, files: list[Path]) -> str:
        """DuckDB's complaint with the file and the line, and without its advice about its own options."""
        named = re.search(r"file = (.+)", message)
        file = named[1].strip() if named else str(files[0])
        line = re.search(r"CSV Error on Line: ([0-9]+)", message)
        counts = re.search(r"Expected Number of Columns: ([0-9]+) Found: ([0-9]+)", message)
        place = f"{self.where}: {file}" + (f", line {line[1]}" if line else "")
        if counts:
            expected = f"{counts[1]} values separated by {self.source.delimiter!r}"
            return f"{place}: expected {expected}, found {counts[2]}; mend the line, or name another delimiter"
        if "unterminated quote" in message:
            return f"{place}: expected every quote to be closed, found one that isn't; mend the line"
        if "not utf-8" in message:
            return f"{place}: expected text in UTF-8, found other bytes; write the file in UTF-8"
        return f"{place}: expected a readable file, found: {message.splitlines()[0]}"


def _read_parquet(files: list[Path]) -> str:
    listed = ", ".join(quoted(exact(file)) for file in files)
    return f"read_parquet([{listed}], union_by_name = true)"
