"""Where raw tables come from: the sources of project.yaml, opened so that they can be read."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from components.connections.files import FileTable
from components.connections.sqlite import Database, DatabaseTable, database_path
from journey.places import resolved
from journey.sections import FilesSource, Source


@dataclass(frozen=True)
class Surroundings:
    """What a source's text is read against.

    Attributes:
        project: the project's folder: relative paths start there.
        environment: where `${NAME}` is looked up, usually os.environ.
    """

    project: Path
    environment: Mapping[str, str]


class RawTable(Protocol):
    """A source's rows, ready to be copied."""

    @property
    def cursor(self) -> str | None:
        """The column whose largest value is the watermark, None where the source declares none."""
        ...

    def write(self, path: Path) -> None:
        """Writes all rows, in the source's order, to a Parquet file of text, int64, double and boolean columns."""
        ...


@contextmanager
def open_sources(sources: Mapping[str, Source], surroundings: Surroundings) -> Iterator[dict[str, RawTable]]:
    """Opens every source; all tables of one database are read at one moment of it.

    Raises:
        ProjectError: a variable isn't set, or a database's URL is of a kind that isn't supported.
        DataError: a file or a database isn't there.
    """
    databases: dict[Path, Database] = {}
    with ExitStack() as stack:
        tables: dict[str, RawTable] = {}
        for name, source in sources.items():
            if isinstance(source, FilesSource):
                where = f"sources.{name}.files"
                tables[name] = FileTable(where, source, surroundings.project, resolved(source.files, surroundings.environment, where))
            else:
                where = f"sources.{name}.sql"
                path = surroundings.project / database_path(resolved(source.sql, surroundings.environment, where), where)
                if path not in databases:
                    databases[path] = stack.enter_context(Database.opened(path, where))
                tables[name] = DatabaseTable(f"sources.{name}.table", source, databases[path])
        yield tables
