"""Refresh: the online store made anew from the sources as they are now, for one refresh moment.

The tables go through the training pipeline's own steps, ingest to standardize, and the views through the training frame's own
`write_views`: there is no second way from a source to a feature. This step acts on the world: it reads the project's sources itself.
"""

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import ibis

from components.connections.sources import Surroundings, open_sources
from components.data.clean import clean
from components.data.ingest import ingest
from components.data.standardize import standardize
from components.data.validate import refuse_breaches
from feature_repo.materialize import Refresh
from feature_repo.online import Online, Prepared, online_at
from feature_repo.views import write_views
from journey.artifacts import ROW, ColumnQuality, QualityReport, Snapshot, TableQuality
from journey.clock import clock_of, duration
from journey.declarations import FeatureView, load_declarations
from journey.errors import ProjectError
from journey.places import Places
from journey.project import Project, Table, load_project
from journey.tables import open_tables
from journey.targets import Target

FOLDER = "feast"               # in $JOURNEY_HOME


@dataclass(frozen=True)
class Refreshed:
    """A store that is in use from now on.

    Attributes:
        moment: the refresh moment that it is for.
        cut: it knows rows before this time.
        rows: view > entities in it.
        seconds: real time that it took to make it.
        late: it was ready only after its moment.
    """

    moment: datetime
    cut: datetime
    rows: Mapping[str, int]
    seconds: float
    late: bool


@dataclass(frozen=True)
class Refresher:
    """What every refresh of one project needs, read once.

    Attributes:
        project: project.yaml.
        views: what features.py declares.
        surroundings: the project's folder, and the environment that names its sources.
        home: $JOURNEY_HOME.
        online: where refreshes are put in use.
    """

    project: Project
    views: tuple[FeatureView, ...]
    surroundings: Surroundings
    home: Path
    online: Online

    @property
    def interval(self) -> timedelta:
        """Platform time between two refreshes."""
        return duration(self.project.features.refresh)

    @classmethod
    def of(cls, folder: Path, home: Path, environment: Mapping[str, str], target: Target | None = None) -> "Refresher":
        """Reads a project.

        Args:
            folder: the project's.
            home: $JOURNEY_HOME.
            environment: names the project's sources, the target's online store and the platform clock, usually os.environ.
            target: says where the online store is; None: in the home.

        Raises:
            ProjectError: the project is wrong, or the environment lacks a variable of the online store's URL.
        """
        online = online_at(Places(target or Target(), home, environment).online, home / FOLDER)
        return cls(load_project(folder), load_declarations(folder).views, Surroundings(folder, environment), home, online)

    def prepare(self, moment: datetime) -> Prepared:
        """Makes the store for a refresh moment from what the sources hold now; it is used once it is switched in.

        Raises:
            DataError: the sources break the contract.
            ProjectError: there are no views, or the project's own Python raises.
            Unavailable: a source or the online store doesn't answer.
        """
        if not self.views:
            folder = self.surroundings.project
            raise ProjectError(f"{folder}: expected a @feature_view in features.py, found none: there is nothing to refresh")
        with tempfile.TemporaryDirectory(prefix="journey-refresh-") as scratch, self.tables(Path(scratch)) as tables:
            written = write_views(self.views, tables, self.project.entities, Path(scratch, "views"))
            return self.online.prepare(Refresh(written, moment, self.interval))

    @contextmanager
    def tables(self, scratch: Path) -> Iterator[dict[str, ibis.Table]]:
        """The tables that views ask for, as the sources have them now: standardized, with their declared columns.

        Args:
            scratch: a folder for the raw tables.

        Raises:
            DataError: the sources break the contract.
            Unavailable: a source doesn't answer.
        """
        asked = {table for view in self.views for table in view.compute.tables}
        contracts = {name: table for name, table in self.project.tables.items() if name in asked}
        sources = {name: self.project.sources[name] for name in contracts}
        with open_sources(sources, self.surroundings) as opened:
            snapshot = ingest(opened, scratch)
        with open_tables(scratch, contracts, row=ROW) as raw:
            refuse_breaches(raw, snapshot, contracts, clock_of(self.surroundings.environment).now())
            cleaned = clean(raw, contracts, _unread(snapshot, contracts))
            typed = standardize(cleaned.tables, contracts, cleaned.quality)
            yield {name: table.select(*contracts[name].columns) for name, table in typed.tables.items()}


def _unread(snapshot: Snapshot, contracts: Mapping[str, Table]) -> QualityReport:
    """A report that nobody will read: the steps ask for one, and a refresh has no time for a profile."""
    nothing = ColumnQuality(missing=0, distinct=0)
    return QualityReport(
        tables={
            name: TableQuality(rows_in=snapshot.tables[name].rows, rows_out=0, columns=dict.fromkeys(table.columns, nothing))
            for name, table in contracts.items()
        }
    )


def refresh(folder: Path, home: Path, moment: datetime, environment: Mapping[str, str]) -> Refreshed:
    """Makes the online store for a moment and puts it in use at once.

    Args:
        folder: the project's.
        home: $JOURNEY_HOME.
        moment: the refresh moment; `feature_repo.refresh.moment_at` gives that of a time.
        environment: names the project's sources and the platform clock, usually os.environ.

    Raises:
        JourneyError: as `Refresher.of` and `Refresher.prepare`.
    """
    begun = time.monotonic()
    prepared = Refresher.of(folder, home, environment).prepare(moment)
    late = clock_of(environment).now() > moment
    prepared.switch_in()
    return Refreshed(moment, prepared.refresh.cut, prepared.rows, time.monotonic() - begun, late)
