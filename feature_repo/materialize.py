"""The online store, made anew through Feast and ready to be switched in by rename."""

import contextlib
import io
import os
import shutil
import sqlite3
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path

import yaml

from feature_repo.refresh import MICROSECOND, cut
from feature_repo.views import ViewTable
from journey.model.feast_layout import PROJECT
from journey.model.sqlite_lookups import REFRESH_TABLE

ONLINE = "online.db"
REGISTRY = "registry.db"
CONFIGURATION = "feature_store.yaml"
VIEWS = "views"
NEXT = "next-"
# No column rule reads an older time; training sees rows of all times, so the store has to as well.
FIRST = datetime(1000, 1, 1, tzinfo=UTC)
# A store that was prepared so long ago (real time) belongs to a process that was killed: a refresh takes seconds.
ABANDONED_SECONDS = 3600.0


@dataclass(frozen=True)
class Prepared:
    """An online store that waits beside the one in use.

    Attributes:
        moment: from when on it is meant to be used.
        cut: it knows rows before this time.
        rows: view > entities in it.
        folder: where the new files lie.
        home: the folder of the store in use.
    """

    moment: datetime
    cut: datetime
    rows: dict[str, int]
    folder: Path
    home: Path

    def switch_in(self) -> None:
        """Puts the store in use: readers see the old one or the new one, whole, and never wait."""
        for name in (REGISTRY, CONFIGURATION, ONLINE):
            os.replace(self.folder / name, self.home / name)  # noqa: PTH105  one word for what happens
        shutil.rmtree(self.folder, ignore_errors=True)

    def discard(self) -> None:
        """Leaves the store in use as it is."""
        shutil.rmtree(self.folder, ignore_errors=True)


def prepare_online(views: Sequence[ViewTable], home: Path, moment: datetime, refresh: timedelta) -> Prepared:
    """Materializes views through Feast into a new online store.

    Args:
        views: computed from rows that are there now; of each only rows before the moment's cut are taken.
        home: the folder of the online store, such as $JOURNEY_HOME/feast; it is made.
        moment: the refresh moment that the store is for.
        refresh: platform time between two refreshes.
    """
    until = cut(moment, refresh)
    home.mkdir(parents=True, exist_ok=True)
    lasting = _lasting(views, home / VIEWS)
    _sweep(home)
    folder = Path(tempfile.mkdtemp(prefix=NEXT, dir=home))
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")          # Feast's own deprecations; and importing it changes the filters of the whole process
        from feature_repo.definitions import definitions, open_store

        with open_store(folder, online=folder / ONLINE, refresh=refresh) as store:
            store.apply(definitions(lasting))
            store.materialize(FIRST, until - MICROSECOND)
    rows = _sign(folder / ONLINE, [view.lookup.view for view in lasting], PROJECT, moment, until)
    _write_configuration(folder / CONFIGURATION, refresh)
    return Prepared(moment, until, rows, folder, home)


def load_feast() -> None:
    """Imports Feast now: seconds that a first refresh would have to wait for otherwise."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import feature_repo.definitions  # noqa: F401  for its imports


def _sweep(home: Path) -> None:
    """Removes what killed refreshes left behind."""
    for left in home.glob(f"{NEXT}*"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > ABANDONED_SECONDS:
                shutil.rmtree(left, ignore_errors=True)


def _lasting(views: Sequence[ViewTable], folder: Path) -> tuple[ViewTable, ...]:
    """The views' rows where Feast's registry may name them for good."""
    folder.mkdir(parents=True, exist_ok=True)
    placed = []
    for view in views:
        path = folder / view.path.name
        if path != view.path:
            copy = shutil.copyfile(view.path, path.with_suffix(".next"))
            os.replace(copy, path)  # noqa: PTH105
        placed.append(ViewTable(view.lookup, view.time, path))
    return tuple(placed)


def _sign(online: Path, views: Sequence[str], project: str, moment: datetime, until: datetime) -> dict[str, int]:
    """Writes into the store what it is, and counts its entities."""
    with contextlib.closing(sqlite3.connect(online)) as connection, connection:
        connection.execute(f"CREATE TABLE {REFRESH_TABLE} (project TEXT, moment TEXT, cut TEXT)")
        connection.execute(f"INSERT INTO {REFRESH_TABLE} VALUES (?, ?, ?)", (project, moment.isoformat(), until.isoformat()))  # noqa: S608
        return {view: _entities(connection, f"{project}_{view}") for view in views}


def _entities(connection: sqlite3.Connection, table: str) -> int:
    count: int = connection.execute(f'SELECT count(DISTINCT entity_key) FROM "{table}"').fetchone()[0]  # noqa: S608  our own name
    return count


def _write_configuration(path: Path, refresh: timedelta) -> None:
    """feature_store.yaml, so that Feast's own commands work in the folder."""
    template = yaml.safe_load(resources.files("feature_repo").joinpath(CONFIGURATION).read_text(encoding="utf-8"))
    template["offline_store"]["refresh_seconds"] = refresh.total_seconds()
    path.write_text(yaml.safe_dump(template, sort_keys=False), encoding="utf-8")
