"""Where a target keeps its records: at project.yaml's URLs, else in the home."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from journey.errors import ProjectError
from journey.targets import Target

_NAMED = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True)
class Places:
    """Where one process finds the records of its target. A URL is resolved when it is asked for: not every process is given all secrets.

    Attributes:
        target: of project.yaml.
        home: $JOURNEY_HOME.
        environment: gives `${NAME}`, and JOURNEY_KEYS where keys aren't in the home; usually os.environ.
    """

    target: Target
    home: Path
    environment: Mapping[str, str]

    @property
    def ledger(self) -> str:
        """The ledger's SQLAlchemy URL.

        Raises:
            ProjectError: a variable that the URL names isn't set.
        """
        return resolved(self.target.ledger, self.environment) if self.target.ledger else f"sqlite:///{self.home.resolve()}/ledger.db"

    @property
    def registry(self) -> str | None:
        """MLflow's tracking and registry URI; None: the folder `mlflow` of the home.

        Raises:
            ProjectError: as `ledger`.
        """
        return resolved(self.target.registry, self.environment) if self.target.registry else None

    @property
    def online(self) -> str:
        """The online store: the path of Feast's SQLite file, or a redis:// URL.

        Raises:
            ProjectError: as `ledger`.
        """
        return resolved(self.target.online, self.environment) if self.target.online else str(self.home.resolve() / "feast" / "online.db")

    @property
    def keys(self) -> Path:
        """The folder with the public keys that are trusted, and with signing.pem where this process may sign."""
        return Path(self.environment.get("JOURNEY_KEYS") or self.home / "keys")


def named_in(*texts: str | None) -> tuple[str, ...]:
    """The variables that the texts name as `${NAME}`, each once, in order: what whoever resolves them has to be given."""
    return tuple(dict.fromkeys(name for text in texts if text for name in _NAMED.findall(text)))


def resolved(text: str, environment: Mapping[str, str], where: str = "") -> str:
    """The text with each `${NAME}` replaced by the environment's value, which no error ever shows.

    Args:
        text: as project.yaml has it.
        environment: usually os.environ.
        where: the key of project.yaml, for the error; "" shows the text in its place.

    Raises:
        ProjectError: a name isn't set.
    """

    def value(match: re.Match[str]) -> str:
        found = environment.get(match[1])
        if not found:
            raise ProjectError(
                f"{where or repr(text)}: expected the environment variable {match[1]} to be set, found it unset or empty; "
                f"run `export {match[1]}=…` and try again"
            )
        return found

    return _NAMED.sub(value, text)
