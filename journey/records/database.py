"""The database under the ledger: connections, transactions and what differs between SQLite and Postgres."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection, Engine, Table, create_engine, event, make_url, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import ConnectionPoolEntry

from journey.errors import Unavailable
from journey.records.schema import MIGRATIONS, migrate, refuse_newer, schema_number

BUSY_SECONDS = 30
"""How long a writer waits for another; no transaction of ours takes more than milliseconds."""

_LOCK = 0x6A6F75726E6579          # "journey": the advisory lock under which Postgres' writers take turns
_WRITES = "journey_writes"


@dataclass(frozen=True)
class Database:
    """An engine whose writing transactions take turns, so that what one read still holds when it writes."""

    url: str
    _engine: Engine

    @classmethod
    def connect(cls, url: str) -> Self:
        """Opens the database and brings its tables up to date; SQLite's file is made if missing.

        Raises:
            Unavailable: it doesn't answer, or the URL is no database's.
            DataError: it was made by a newer Journey.
        """
        try:
            parsed = make_url(url)
            if parsed.get_backend_name() == "sqlite" and parsed.database:
                Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            engine = create_engine(parsed)
        except (ArgumentError, NoSuchModuleError, ImportError) as error:
            raise Unavailable(
                f"ledger: expected a URL such as sqlite:///ledger.db or postgresql://host/db, found one that fails: {error}"
            ) from error
        _set_up(engine)
        database = cls(parsed.render_as_string(hide_password=True), engine)
        with database.reading() as connection:
            seen = schema_number(connection)
        refuse_newer(seen)
        if seen < len(MIGRATIONS):
            with database.writing() as connection:
                migrate(connection)
        return database

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database and keeps nobody waiting.

        Raises:
            Unavailable: the database doesn't answer.
        """
        with self._translated(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is alone in writing from its start; all of it is kept, or nothing.

        Raises:
            Unavailable: the database doesn't answer, or others kept it for half a minute.
        """
        with self._translated(), self._engine.execution_options(**{_WRITES: True}).begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
            yield connection

    def close(self) -> None:
        """Closes all connections."""
        self._engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise Unavailable(f"ledger {self.url}: expected it to answer, found {type(error.orig).__name__}: {error.orig}") from error


def insert_or_ignore(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> int:
    """Inserts the rows whose primary key is new.

    Returns:
        How many were new.
    """
    if not rows:
        return 0
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    return connection.execute(insert(table).on_conflict_do_nothing(), rows).rowcount


def _set_up(engine: Engine) -> None:
    if engine.dialect.name != "sqlite":
        return

    @event.listens_for(engine, "connect")
    def prepare(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        connection.isolation_level = None            # transactions are begun below, not by the driver
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")     # a promotion that was answered survives a power cut
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get(_WRITES) else "BEGIN")
