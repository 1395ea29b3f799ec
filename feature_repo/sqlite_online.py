"""The online store in a SQLite file: made anew at each refresh and switched in by rename."""

import contextlib
import shutil
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from feature_repo.materialize import CONFIGURATION, REGISTRY, Refresh, materialize, move_in, new_folder, open_feast, write_configuration
from journey.model.feast_layout import PROJECT
from journey.model.sqlite_lookups import REFRESH_TABLE

ONLINE = "online.db"


@dataclass(frozen=True)
class PreparedFile:
    """A file that waits beside the one in use.

    Attributes:
        refresh: what is in it.
        rows: view > entities in it.
        folder: where the new files lie.
        home: the folder of the file in use.
    """

    refresh: Refresh
    rows: Mapping[str, int]
    folder: Path
    home: Path

    def switch_in(self) -> None:
        """As Prepared.switch_in."""
        move_in(self.folder, self.home, (REGISTRY, CONFIGURATION, ONLINE))

    def discard(self) -> None:
        """As Prepared.discard."""
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True)
class SqliteOnline:
    """The online store of a home.

    Attributes:
        home: the folder of the file and of Feast's registry, such as $JOURNEY_HOME/feast; it is made.
    """

    home: Path

    def prepare(self, refresh: Refresh) -> PreparedFile:
        """As Online.prepare."""
        folder = new_folder(self.home)
        try:
            with open_feast(folder, folder / ONLINE, PROJECT, refresh.interval) as store:
                materialize(store, refresh, self.home)
            _sign(folder / ONLINE, refresh)
            write_configuration(folder, refresh.interval, {})
            return PreparedFile(refresh, refresh.entities(), folder, self.home)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def in_use(self) -> datetime | None:
        """As Online.in_use."""
        uri = f"{(self.home / ONLINE).absolute().as_uri()}?mode=ro"
        try:
            with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
                (moment,) = connection.execute(f"SELECT moment FROM {REFRESH_TABLE}").fetchone()  # noqa: S608  a constant
        except (sqlite3.Error, TypeError):            # no file, also one that goes this moment; no database; or no refresh's
            return None
        return datetime.fromisoformat(moment)


def _sign(online: Path, refresh: Refresh) -> None:
    """Writes into the store what it is."""
    with contextlib.closing(sqlite3.connect(online)) as connection, connection:
        connection.execute(f"CREATE TABLE {REFRESH_TABLE} (project TEXT, moment TEXT, cut TEXT)")
        values = (PROJECT, refresh.moment.isoformat(), refresh.cut.isoformat())
        connection.execute(f"INSERT INTO {REFRESH_TABLE} VALUES (?, ?, ?)", values)  # noqa: S608  a constant
