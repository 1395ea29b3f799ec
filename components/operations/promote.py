"""Promote, roll back, retire: who answers, decided in the ledger by compare-and-swap; MLflow's aliases follow."""

import logging
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from journey.errors import DataError, Unavailable
from journey.model.bundle import open_bundle
from journey.model.keys import Trusted
from journey.places import Places
from journey.records.entries import Promotion, PromotionRequest, Retirement, Version
from journey.records.ledger import Ledger
from journey.records.registry import Registry

log = logging.getLogger("journey.promote")


@dataclass(frozen=True)
class Promoter:
    """Changes who answers.

    Attributes:
        ledger: decides.
        places: say which MLflow registry follows, and whose bundles are trusted.
    """

    ledger: Ledger
    places: Places

    def verify(self, model: str, version: int) -> None:
        """Looks at a version's bundle as a server would before it loads it.

        Raises:
            DataError: there is no such version, or its bundle is gone.
            Untrusted: the bundle was changed, or its key isn't trusted.
        """
        open_bundle(Path(self.ledger.version(model, version).uri), Trusted.of(self.places.keys))

    def promote(self, request: PromotionRequest) -> Promotion:
        """Gives a version a role; a champion that is replaced is retired, so that nobody promotes it again by mistake.

        Raises:
            Conflict: another promotion came between; nothing was changed.
            DataError: there is no such version, or it is retired.
            ProjectError: the target's registry can't be one, or names a variable that isn't set; nothing was changed.
        """
        registry = self._registry
        promotion = self.ledger.promote(replace(request, retire_replaced=request.role == "champion"))
        self._follow(registry, request.model)
        return promotion

    def rollback(self, model: str, actor: str, reason: str, at: datetime) -> Promotion:
        """Gives the champion's role back to the version that had it before, retired or not.

        Raises:
            Conflict: another promotion came between; nothing was changed.
            DataError: no other version was champion before.
            ProjectError: as `promote`.
        """
        champion, before = self.ledger.current(model), self.before(model)
        assert champion is not None, "what somebody answered before has a champion"
        evidence = {"rolled_back": champion.version}
        request = PromotionRequest(model, before.version, champion.seq, actor, reason, at, evidence=evidence, reinstate=True)
        return self.promote(request)

    def before(self, model: str) -> Promotion:
        """Where a rollback goes: the last promotion of the version that was champion before.

        Raises:
            DataError: there was none.
        """
        before = champion_before(self.ledger.promotions(model))
        if before is None:
            raise DataError(f"model '{model}': expected a version that was champion before, found none. See `journey status`.")
        return before

    def retire(self, wanted: Retirement) -> Version:
        """Takes a version out of use.

        Raises:
            Conflict: the version is the champion.
            DataError: there is no such version.
            ProjectError: as `promote`.
        """
        registry = self._registry
        version = self.ledger.retire(wanted)
        self._follow(registry, wanted.model)
        return version

    @property
    def _registry(self) -> Registry:
        """Looked up before anything is changed: a target that is written wrongly leaves no promotion that nobody follows."""
        return Registry.at(self.places.home, self.places.registry)

    def _follow(self, registry: Registry, model: str) -> None:
        """Makes MLflow say what the ledger says; mends what a kill left between the two.

        An MLflow that is away undoes no promotion and keeps no server from following it: it is told with the next change.
        """
        roles = {role: self.ledger.current(model, role) for role in ("champion", "challenger")}
        versions = self.ledger.versions(model)
        try:
            registry.follow(model, roles, versions)
        except Unavailable as error:
            log.warning("the ledger holds the change; MLflow's aliases follow with the next one: %s", error)


def champion_before(promotions: tuple[Promotion, ...]) -> Promotion | None:
    """The promotion whose version was champion before the one that is now.

    Rolling back twice goes back two versions: what was rolled back from is left out.

    Args:
        promotions: of one model to all roles, oldest first.
    """
    held: list[Promotion] = []
    for promotion in promotions:
        if promotion.role != "champion":
            continue
        known = [earlier.version for earlier in held]
        if promotion.version in known:
            held = held[: known.index(promotion.version)]
        held.append(promotion)
    return held[-2] if len(held) > 1 else None
