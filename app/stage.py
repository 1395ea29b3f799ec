"""Where the demonstration plays: a copy of the payments project, a bank of its own, and a clock on which a day is twenty seconds."""

import importlib.util
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType

from app.simulate import Happening
from journey.clock import Clock
from journey.errors import Conflict, Unavailable
from journey.places import Places
from journey.targets import Target

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "payments"
DAY = timedelta(days=1)
DAY_SECONDS = 20.0                 # real; a retraining of minutes then takes days, as in life
HISTORY_DAYS = 20                  # ten warm the features up, ten are learned from


@dataclass(frozen=True)
class Stage:
    """Everything that the demonstration's processes are told.

    Attributes:
        folder: of this demonstration.
        project: the copy of the payments project.
        bank: the bank's database.
        end_of_history: platform time of the first question.
    """

    folder: Path
    project: Path
    bank: Path
    end_of_history: datetime

    @property
    def home(self) -> Path:
        """$JOURNEY_HOME."""
        return self.project / ".journey"

    @property
    def places(self) -> Places:
        """Where the records are: in the home."""
        return Places(Target(), self.home, os.environ)

    @property
    def bank_url(self) -> str:
        """What `${BANK_URL}` in project.yaml stands for."""
        return f"sqlite:///{self.bank}"

    def environment(self, clock: Clock) -> Mapping[str, str]:
        """The environment of a process on this stage: where the bank is and what time it is."""
        return os.environ | {"BANK_URL": self.bank_url, "JOURNEY_HOME": str(self.home), "JOURNEY_CLOCK": clock.text()}

    def clock_from(self, unix: float) -> Clock:
        """The clock on which the history ends at that Unix time."""
        return Clock(self.end_of_history, unix, DAY / timedelta(seconds=DAY_SECONDS))


class BankWorld:
    """The payments project's generator, as the simulator asks for it; from `drift_from` on, payments are drifted."""

    def __init__(self, generator: ModuleType, bank: Path, seed: int) -> None:
        self.drift_from: datetime | None = None
        self.start: datetime = generator.START
        self._population = generator.Bank(seed)
        self._books = generator.BankDatabase(bank)

    def found(self, days: float, a_day: int) -> int:
        """Writes the history; how many payments it holds."""
        self._books.found(self._population)
        payments = self._population.history(days, a_day)
        self._books.enter(payments, now=self.start)
        return len(payments)

    def happen(self, moments: Sequence[datetime]) -> list[Happening]:
        """The next payments, one at each moment."""
        drifts = self.drift_from
        steady = [moment for moment in moments if drifts is None or moment < drifts]
        made = [*self._population.payments(steady), *self._population.payments(moments[len(steady) :], drifted=True)]
        return [Happening(payment.row, payment.paid_at, payment.disputed, payment) for payment in made]

    def enter(self, happenings: Sequence[Happening], now: datetime) -> None:
        """Enters payments into the bank's books, and the disputes that are due."""
        self._books.enter([happening.source for happening in happenings], now)

    def close(self) -> None:
        """Closes the books."""
        self._books.close()


def set_stage(parent: Path) -> Stage:
    """Copies the project into a new folder.

    Raises:
        Unavailable: the folder can't be made.
    """
    folder = parent.resolve() / time.strftime("%Y%m%d-%H%M%S")
    try:
        folder.mkdir(parents=True)
        ignored = shutil.ignore_patterns(".journey", "__pycache__", ".pytest_cache")
        shutil.copytree(EXAMPLE, folder / "payments", ignore=ignored)
    except FileExistsError as error:
        raise Conflict(f"{folder}: expected a new folder, found one: another demonstration began this second. Try again.") from error
    except OSError as error:
        raise Unavailable(f"{folder}: expected to copy a project here, found: {error}. Name another folder with --out.") from error
    return Stage(folder, folder / "payments", folder / "bank.db", generator_of(folder / "payments").START)


def generator_of(project: Path) -> ModuleType:
    """The project's generator.py as a module."""
    name = f"generator_{abs(hash(project))}"
    spec = importlib.util.spec_from_file_location(name, project / "generator.py")
    if spec is None or spec.loader is None:
        raise Unavailable(f"{project}: expected generator.py, found none")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
