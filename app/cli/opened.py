"""The records of a project's home, opened for a command."""

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from app.cli.options import home_of
from components.operations.promote import Promoter
from components.pod import ACTOR
from journey.clock import clock_of
from journey.errors import ProjectError
from journey.places import Places
from journey.project import Project, load_project
from journey.records.ledger import Ledger
from pipelines.placement import target_of


@dataclass(frozen=True)
class Opened:
    """A model's records.

    Attributes:
        project: project.yaml; its name is the model's.
        target: the target's name.
        now: platform time.
    """

    project: Project
    target: str
    places: Places
    ledger: Ledger
    now: datetime

    @property
    def model(self) -> str:
        """The model's name."""
        return self.project.name

    @property
    def promoter(self) -> Promoter:
        """Who changes which version answers."""
        return Promoter(self.ledger, self.places)


@contextmanager
def opened(project: Path, home: Path | None, environment: dict[str, str], target: str = "local") -> Iterator[Opened]:
    """Opens the ledger of a target of a project: the home's, or the one that the target names.

    Raises:
        ProjectError: project.yaml is wrong, there is no such target, or nothing was ever run in this home.
        Unavailable: the ledger doesn't answer.
    """
    plan, folder = load_project(project), home_of(project, home)
    places = Places(target_of(plan, target), folder, environment)
    if not places.target.ledger and not (folder / "ledger.db").is_file():
        raise ProjectError(f"ledger: expected ledger.db in {folder}, found none. `journey run -p {project}` makes it.")
    ledger = Ledger.connect(places.ledger)
    try:
        yield Opened(plan, target, places, ledger, clock_of(environment).now())
    finally:
        ledger.close()


def somebody() -> str:
    """Who asks, for the audit log: the user's name; in a pod, who carried the command there."""
    try:
        return os.environ.get(ACTOR) or getpass.getuser()
    except (KeyError, OSError):
        return "somebody"
