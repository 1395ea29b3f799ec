"""What Feast makes of the views for one refresh, whichever online store it goes to."""

import contextlib
import io
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.compute as pc
import yaml
from pyarrow import parquet

from feature_repo.refresh import MICROSECOND, cut
from feature_repo.views import ViewTable

if TYPE_CHECKING:
    from feast import FeatureStore

REGISTRY = "registry.db"
CONFIGURATION = "feature_store.yaml"
VIEWS = "views"
NEXT = "next-"
# No column rule reads an older time; training sees rows of all times, so the store has to as well.
FIRST = datetime(1000, 1, 1, tzinfo=UTC)
# A folder that was made so long ago (real time) belongs to a process that was killed: a refresh takes seconds.
ABANDONED_SECONDS = 3600.0


@dataclass(frozen=True)
class Refresh:
    """What is to be in the online store from a moment on.

    Attributes:
        views: computed from rows that are there now; of each only rows before the cut are taken.
        moment: the refresh moment.
        interval: platform time between two refreshes.
    """

    views: Sequence[ViewTable]
    moment: datetime
    interval: timedelta

    @property
    def cut(self) -> datetime:
        """Rows before this time (exclusive) are in it."""
        return cut(self.moment, self.interval)

    def entities(self) -> dict[str, int]:
        """View > how many entities have a row before the cut."""
        return {view.lookup.view: _entities(view, self.cut) for view in self.views}


def new_folder(home: Path) -> Path:
    """A folder for what is being made beside the store in use; what killed refreshes left behind is removed."""
    home.mkdir(parents=True, exist_ok=True)
    for left in home.glob(f"{NEXT}*"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > ABANDONED_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=NEXT, dir=home))


@contextlib.contextmanager
def open_feast(folder: Path, online: Path | Mapping[str, object], project: str, interval: timedelta) -> Iterator["FeatureStore"]:
    """`feature_repo.definitions.open_store`, with Feast imported only now, and silent until the end."""
    with _silence():
        from feature_repo.definitions import open_store

        with open_store(folder, online=online, project=project, refresh=interval) as store:
            yield store


def materialize(store: "FeatureStore", refresh: Refresh, home: Path) -> None:
    """Applies the views to Feast's registry and writes their newest rows into its online store.

    Args:
        store: opened by `open_feast`.
        refresh: which views, up to when.
        home: where the views' rows stay, so that the registry may name them for good.
    """
    from feature_repo.definitions import definitions

    store.apply(definitions(_lasting(refresh.views, home / VIEWS)))
    store.materialize(FIRST, refresh.cut - MICROSECOND)


def write_configuration(folder: Path, interval: timedelta, changes: Mapping[str, object]) -> None:
    """feature_store.yaml, so that Feast's own commands work in the folder.

    Args:
        folder: where registry.db is, too.
        interval: platform time between two refreshes.
        changes: sections that differ from those of the template, which are for SQLite. No password: it's a file.
    """
    template = yaml.safe_load(resources.files("feature_repo").joinpath(CONFIGURATION).read_text(encoding="utf-8"))
    template["offline_store"]["refresh_seconds"] = interval.total_seconds()
    (folder / CONFIGURATION).write_text(yaml.safe_dump(template | dict(changes), sort_keys=False), encoding="utf-8")


def move_in(folder: Path, home: Path, names: Sequence[str]) -> None:
    """Puts files of the new folder in the place of those in use, each at once, and removes the folder."""
    for name in names:
        os.replace(folder / name, home / name)  # noqa: PTH105  one word for what happens
    shutil.rmtree(folder, ignore_errors=True)


def load_feast() -> None:
    """Imports Feast now: seconds that a first refresh would have to wait for otherwise."""
    with _silence():
        import feature_repo.definitions  # noqa: F401  for its imports


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Feast's progress bars and deprecations are nobody's; and importing it changes the filters of the whole process."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def _entities(view: ViewTable, until: datetime) -> int:
    rows = parquet.read_table(view.path, columns=[view.lookup.column, view.time], filters=[(view.time, "<", until)])
    return int(pc.count_distinct(rows[view.lookup.column]).as_py())


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
