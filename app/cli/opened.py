"""The records of a project's home, opened for a command."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from app.cli.options import home_of
from components.operations.promote import Promoter
from journey.clock import clock_of
from journey.errors import ProjectError
from journey.project import load_project
from journey.records.ledger import Ledger


@dataclass(frozen=True)
class Opened:
    """A model's records.

    Attributes:
        model: the project's name.
        now: platform time.
    """

    model: str
    home: Path
    ledger: Ledger
    now: datetime

    @property
    def promoter(self) -> Promoter:
        """Who changes which version answers."""
        return Promoter(self.ledger, self.home)


@contextmanager
def opened(project: Path, home: Path | None, environment: dict[str, str]) -> Iterator[Opened]:
    """Opens the ledger of a project's home.

    Raises:
        ProjectError: project.yaml is wrong, or nothing was ever run in this home.
    """
    model, folder = load_project(project).name, home_of(project, home)
    path = folder / "ledger.db"
    if not path.is_file():
        raise ProjectError(f"ledger: expected ledger.db in {folder}, found none. `journey run -p {project}` makes it.")
    ledger = Ledger.connect(f"sqlite:///{path}")
    try:
        yield Opened(model, folder, ledger, clock_of(environment).now())
    finally:
        ledger.close()


def somebody() -> str:
    """Who types: the user's name, for the audit log."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"
