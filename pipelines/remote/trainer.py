"""Training for the trigger in a cluster: the same Jobs that people's commands make, on the volume that this process shares with them."""

import json
import logging
from dataclasses import dataclass
from datetime import datetime

from components import pod
from components.connections.cluster import Cluster
from journey.errors import Conflict, DataError, Unavailable
from journey.project import load_project
from journey.records.entries import Promotion, PromotionRequest, Retraining
from pipelines.asked import Asked, new_id
from pipelines.remote.command import Site, Streams, carried_out, operator_of
from pipelines.remote.errand import sweep
from pipelines.remote.events import run_of
from pipelines.remote.run import carried_out as run_carried_out
from pipelines.remote.run import executor_of
from pipelines.retraining import ACTOR, Trained
from pipelines.runs import Run, RunOptions, Silence
from pipelines.trainer import LocalTrainer

MENDED = "what its promotion may have left undone is done"

log = logging.getLogger("journey.trigger")


@dataclass(frozen=True)
class ClusterTrainer(LocalTrainer):
    """Trains, promotes and retires by Jobs in the cluster: what a person could do there, and no more.

    Attributes:
        cluster: where the Jobs are made.
        site: the project as it runs there.
    """

    cluster: Cluster
    site: Site

    def promote(self, request: Retraining, trained: Trained, replaced: Promotion | None) -> Promotion:
        """Makes the trained version champion in place of `replaced`, which is retired, and has the Deployment follow.

        Raises:
            Conflict: another promotion came between.
            DataError: the version can't be promoted.
            Unavailable: the cluster doesn't answer.
        """
        wanted = self._wanted(request, trained, replaced)
        words = (str(wanted.version), f"--replaces={wanted.replaces_seq}", f"--reason={wanted.reason}")
        refused = self._operate("promote", *words, f"--evidence={json.dumps(wanted.evidence)}")
        made = self._promoted(wanted)
        if made is not None:
            if refused:             # the Deployment didn't follow: the old version answers until somebody mends that
                log.error("version %s is promoted, but: %s", wanted.version, refused)
            return made
        newest = self.ledger.current(self.model)
        if (newest.seq if newest else 0) != wanted.replaces_seq:
            raise Conflict(refused)
        raise DataError(refused or f"expected version {wanted.version} of '{self.model}' to be champion, found another.")

    def conclude(self, request: Retraining, promotion: Promotion) -> None:
        """Mends what a kill left undone after a promotion: the old version is retired, registry and Deployment follow.

        Raises:
            Unavailable: the cluster doesn't answer, or the command failed; it is tried again.
        """
        if request.version is None or request.version == promotion.version:
            return
        reason = f"replaced by version {promotion.version}: {promotion.reason}"
        refused = self._operate("retire", str(request.version), f"--reason={reason}")
        if refused:
            raise Unavailable(refused)
        if self.site.place.serving != "deployment":
            return
        if promotion.reason == MENDED:          # each try is a promotion: one is enough
            log.error("version %s is promoted, and may not be served: see `journey status`", promotion.version)
            return
        words = (str(promotion.version), f"--replaces={promotion.seq}", f"--reason={MENDED}")
        if refused := self._operate("promote", *words, f"--evidence={json.dumps({'retraining': request.key})}"):
            log.error("version %s is promoted, but: %s", promotion.version, refused)        # as in promote: a person mends it

    def _promoted(self, wanted: PromotionRequest) -> Promotion | None:
        """The promotion that was asked for, whoever was promoted since; None where it wasn't made."""
        since = (one for one in self.ledger.promotions(self.model) if one.seq > wanted.replaces_seq and one.role == "champion")
        return next((one for one in since if one.version == wanted.version), None)

    def _operate(self, *words: str) -> str:
        """Carries a command out.

        Returns:
            What went wrong, in the command's own words; "" where nothing did.
        """
        told: list[str] = []
        code = carried_out(self.cluster, operator_of(self.site, words, {pod.ACTOR: ACTOR}), Streams(log.info, told.append))
        log.info("%s ended with %s %s", " ".join(words[:2]), code, " ".join(told))
        return "" if code == 0 else "\n".join(told) or f"{words[0]} ended with {code}"

    def _submit(self, onset: datetime | None, until: str | None = None, run: str | None = None) -> Run:
        options = RunOptions({"onset": onset.isoformat()} if onset else {}, until, wait=True)
        project = load_project(self.project)
        asked = Asked(run or new_id(), self.project, self.home, project, "training", self.site.target, options)
        sweep(self.cluster)             # who waits for rows makes a Job at each refresh
        told = run_carried_out(self.cluster, executor_of(asked, self.site.image, project.name), _Logged())
        return run_of(told.result, self.project, self.home)


class _Logged(Silence):
    """Progress in the service's log: what isn't a step's."""

    def said(self, line: str) -> None:
        """Writes the line."""
        log.info("%s", line)
