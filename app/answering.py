"""Which version of a project's model answers: the champion, or while none is promoted the newest."""

from dataclasses import dataclass

from journey.errors import DataError
from journey.places import Places
from journey.records.entries import Version
from journey.records.ledger import Ledger


@dataclass(frozen=True)
class Answering:
    """A version and whether it was promoted."""

    version: Version
    promoted: bool

    @property
    def words(self) -> str:
        """For people."""
        kind = "the champion" if self.promoted else "not promoted yet: the newest; `journey promote` makes it the champion"
        return f"{self.version.model} version {self.version.version} ({kind})"


def answering(places: Places, model: str, version: int | None = None) -> Answering:
    """The version that answers, or the one asked for.

    Raises:
        DataError: there is no version, or not that one.
        Unavailable: the ledger doesn't answer.
    """
    home = places.home
    if not places.target.ledger and not (home / "ledger.db").is_file():
        raise DataError(f"model '{model}': expected a registered version, found no ledger in {home}. Train one with `journey run`.")
    ledger = Ledger.connect(places.ledger)
    try:
        if version is not None:
            champion = ledger.current(model)
            return Answering(ledger.version(model, version), champion is not None and champion.version == version)
        return _first(ledger, model)
    finally:
        ledger.close()


def _first(ledger: Ledger, model: str) -> Answering:
    champion = ledger.current(model)
    if champion is not None:
        return Answering(ledger.version(model, champion.version), True)
    live = [version for version in ledger.versions(model) if version.retired is None]
    if not live:
        raise DataError(f"model '{model}': expected a registered version, found none. Train one with `journey run`.")
    return Answering(live[-1], False)
