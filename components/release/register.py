"""Register model: a version of a bundle in MLflow and in the ledger; a known bundle gives its version again."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from journey.artifacts import Board, Choice, Comparison, Curated, Metric
from journey.errors import Conflict
from journey.model.bundle import Bundle, open_bundle
from journey.model.keys import Trusted
from journey.records.entries import Promotion, PromotionRequest, Registration, Version
from journey.records.ledger import Ledger
from journey.records.registry import Registry, RegistryEntry

ACTOR = "register_model"


@dataclass(frozen=True)
class Lineage:
    """What stands beside a version in the registry.

    Attributes:
        run: the run that made it.
        at: platform time.
    """

    board: Board
    choice: Choice
    comparison: Comparison
    curated: Curated
    run: str
    at: datetime


@dataclass(frozen=True)
class Records:
    """Where versions are kept, and whose bundles are."""

    ledger: Ledger
    registry: Registry
    trusted: Trusted


@dataclass(frozen=True)
class Registered:
    """The version of a bundle."""

    version: int
    digest: str


def register(model: str, directory: Path, lineage: Lineage, records: Records) -> Registered:
    """Makes a bundle a version of a model: first in MLflow, then in the ledger; killed in between, the next call ends it.

    Args:
        model: its name.
        directory: the bundle.
        lineage: what stands beside the version.
        records: where.

    Raises:
        DataError: there is no bundle, or it is of a newer format.
        Untrusted: the bundle was changed or its key isn't trusted; nothing is registered then.
    """
    bundle = open_bundle(directory, records.trusted)
    tags = {**_bundle_tags(bundle), **_lineage_tags(lineage)}
    entry = RegistryEntry(model, directory, lineage.board, lineage.choice.candidate, tags)
    records.registry.register(entry)
    kept = records.registry.keep(model, directory) / "bundle"
    trained_on = lineage.choice.trained_on
    version = records.ledger.register_version(Registration(model, bundle.digest, str(kept), lineage.run, trained_on, lineage.at, ACTOR))
    _challenge(records.ledger, records.ledger.version(model, version), lineage.at)
    roles = {role: records.ledger.current(model, role) for role in ("champion", "challenger")}
    records.registry.follow(model, roles, records.ledger.versions(model))
    return Registered(version, bundle.digest)


def _challenge(ledger: Ledger, version: Version, at: datetime) -> None:
    """The newest version that isn't champion is the challenger."""
    champion, challenger = ledger.current(version.model, "champion"), ledger.current(version.model, "challenger")
    if version.retired is not None or _holds(champion, version) or _holds(challenger, version):
        return
    replaces = challenger.seq if challenger else 0
    request = PromotionRequest(version.model, version.version, replaces, ACTOR, "the newest version", at, role="challenger")
    try:
        ledger.promote(request)
    except Conflict:                 # another run registered a newer one in this moment: that one challenges
        return


def _holds(promotion: Promotion | None, version: Version) -> bool:
    return promotion is not None and promotion.version == version.version


def _bundle_tags(bundle: Bundle) -> dict[str, str]:
    made_from = bundle.manifest.made_from
    lineage = {"data": made_from.data, "project": made_from.project, "code": made_from.code, "lock": made_from.lock}
    tags = {f"journey.{name}": digest for name, digest in lineage.items() if digest}
    return {**tags, "journey.engine": bundle.manifest.engine, "journey.key": bundle.key, "journey.task": bundle.manifest.task}


def _lineage_tags(lineage: Lineage) -> dict[str, str]:
    comparison = lineage.comparison
    tags = {"journey.run": lineage.run, "journey.why": lineage.choice.why, "journey.rows": str(lineage.choice.trained_rows)}
    for name, moment in zip(("journey.trained_from", "journey.trained_to"), lineage.choice.trained_on, strict=True):
        tags |= {name: moment} if moment else {}
    tags |= {f"test.{metric.name}": _interval(metric) for metric in lineage.choice.test_metrics}
    tags |= {"over_dummy": _interval(comparison.over_dummy)}
    tags |= {"over_champion": _interval(comparison.over_champion)} if comparison.over_champion else {}
    tags |= {"over_champion.note": comparison.champion_note} if comparison.champion_note else {}
    tags |= _onset(lineage.curated)
    return {**tags, **{f"gate.{name}": verdict for name, verdict in comparison.gates.items()}}


def _onset(curated: Curated) -> Mapping[str, str]:
    return {"journey.onset": curated.onset.isoformat()} if curated.onset else {}


def _interval(metric: Metric) -> str:
    return f"{metric.value:.6f} [{metric.low:.6f}, {metric.high:.6f}]"
