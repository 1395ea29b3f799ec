"""The database under the ledger: connections, transactions and what differs between SQLite and Postgres."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, make_url, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.exc import DataError as WrongValue
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry

from journey.errors import DataError, Unavailable
from journey.records.schema import MIGRATIONS, migrate, refuse_newer, schema_number

BUSY_SECONDS = 30
"""How long a writer waits for another; no transaction of ours takes more than milliseconds."""

_LOCK = 0x6A6F75726E6579          # "journey": the advisory lock under which Postgres' writers take turns
_WRITES = "journey_writes"
_ONE_STATE = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}      # what SQLite's transactions are anyway
_DRIVERS = {"sqlite": "sqlite", **dict.fromkeys(("postgresql", "postgres", "postgresql+psycopg"), "postgresql+psycopg")}
_PATIENCE = {                     # a machine that is gone is noticed within about a minute, in whichever state it leaves a connection
    "connect_timeout": "10", "keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3", "tcp_user_timeout": "60000",
}  # fmt: skip
_TEXT = {"client_encoding": "utf8"}      # in a database that says of no encoding (SQL_ASCII), psycopg answers bytes without it
_EXPECTED = "expected a URL such as sqlite:///ledger.db or postgresql://user:password@host/database"


@dataclass(frozen=True)
class Database:
    """An engine whose writing transactions take turns, so that what one read still holds when it writes."""

    url: str
    _engine: Engine

    @classmethod
    def connect(cls, url: str) -> Self:
        """Opens the database and brings its tables up to date; SQLite's file is made if missing.

        Args:
            url: `sqlite:///path` or `postgresql://user:password@host/database`.

        Raises:
            Unavailable: it doesn't answer, or the URL is no database's.
            DataError: it was made by a newer Journey.
        """
        parsed = _parsed(url)
        database = cls(_shown(parsed), _engine_of(parsed))
        try:
            database._bring_up_to_date()
        except BaseException:
            database.close()
            raise
        return database

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database and keeps nobody waiting.

        Raises:
            Unavailable: the database doesn't answer.
            DataError: it doesn't take a value of a query.
        """
        engine = self._engine if self._engine.dialect.name == "sqlite" else self._engine.execution_options(**_ONE_STATE)
        with self._translated(), engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is alone in writing from its start; all of it is kept, or nothing.

        Raises:
            Unavailable: the database doesn't answer, or others kept it for half a minute.
            DataError: it doesn't take a value.
        """
        with self._translated(), self._engine.execution_options(**{_WRITES: True}).begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
            yield connection

    def close(self) -> None:
        """Closes all connections."""
        self._engine.dispose()

    def _bring_up_to_date(self) -> None:
        with self.reading() as connection:
            seen = schema_number(connection)
        refuse_newer(seen)
        if seen < len(MIGRATIONS):
            with self.writing() as connection:
                migrate(connection)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (IntegrityError, WrongValue) as error:
            raise DataError(f"ledger {self.url}: expected values that its tables take, found {_found(error)}.") from error
        except DBAPIError as error:
            found = _found(error)
            raise Unavailable(f"ledger {self.url}: expected it to answer, found {found}. Look whether it runs, then try again.") from error
        except PoolTimeout as error:
            raise Unavailable(f"ledger {self.url}: expected a free connection, found all in use. Try again.") from error


def _found(error: DBAPIError) -> str:
    return " ".join(f"{type(error.orig).__name__}: {error.orig}".split())


def insert_or_ignore(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> int:
    """Inserts the rows whose primary key is new.

    Returns:
        How many were new.
    """
    if not rows:
        return 0
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    counted = {"preserve_rowcount": True}         # without it nobody asks psycopg's cursor before it is closed
    return connection.execute(insert(table).on_conflict_do_nothing(), rows, execution_options=counted).rowcount


def _parsed(url: str) -> URL:
    """The URL with the driver that we ship; what is wrong with it is told without showing it, since it may hold a password.

    Raises:
        Unavailable: it is no URL, or of a database that the ledger isn't made for.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:       # ValueError: what stands where the port belongs is no number
        raise Unavailable(f"ledger: {_EXPECTED}, found a text that is none; write / @ : in a password as %2F %40 %3A") from error
    if parsed.drivername not in _DRIVERS:
        raise Unavailable(f"ledger: {_EXPECTED}, found one of {parsed.drivername}")
    return parsed


def _shown(parsed: URL) -> str:
    """The URL for people: no password, and no query, which could hold one too."""
    return parsed.set(query={}).render_as_string(hide_password=True)


def _engine_of(parsed: URL) -> Engine:
    with_driver = parsed.set(drivername=_DRIVERS[parsed.drivername])
    if parsed.get_backend_name() == "sqlite":
        if parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(with_driver)
        _set_up_sqlite(engine)
        return engine
    query = {**_PATIENCE, **_TEXT, **parsed.query}
    # READ COMMITTED, whatever the database's default: a writer sees what those before it wrote whom it waited for at the lock.
    # A database that was restarted is found again by pool_pre_ping.
    engine = create_engine(with_driver.set(query=query), isolation_level="READ COMMITTED", pool_pre_ping=True)
    _set_up_postgres(engine)
    return engine


def _write_ahead(cursor: DBAPICursor) -> None:
    """Has SQLite log ahead. The change of a new file's mode heeds no busy timeout: of two processes that come first, one asks again."""
    ends = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > ends:
                raise
            time.sleep(0.02)


def _set_up_postgres(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def prepare(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        cursor.execute(f"SET lock_timeout = '{BUSY_SECONDS}s'")
        # a writer whose machine is gone doesn't keep the others out for ever
        cursor.execute(f"SET idle_in_transaction_session_timeout = '{2 * BUSY_SECONDS}s'")
        cursor.close()
        connection.commit()


def _set_up_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def prepare(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        connection.isolation_level = None            # transactions are begun below, not by the driver
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
        _write_ahead(cursor)
        cursor.execute("PRAGMA synchronous = FULL")     # a promotion that was answered survives a power cut
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get(_WRITES) else "BEGIN")
