"""Training for the trigger: the pipelines of this machine, and the promotion of what they make."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from components.operations.promote import Promoter
from journey.artifacts import Comparison, Curated
from journey.clock import Clock
from journey.errors import DataError, Unavailable
from journey.places import Places
from journey.project import load_project
from journey.records.entries import Promotion, PromotionRequest, Retirement, Retraining
from journey.records.ledger import Ledger
from pipelines.placement import target_of
from pipelines.retraining import ACTOR, Trained
from pipelines.runs import Run, RunOptions
from pipelines.submit import submit

CURATE, CHOOSE = "curate-data", "choose-model"


@dataclass(frozen=True)
class LocalTrainer:
    """Trains on this machine.

    Attributes:
        project: the project's folder.
        home: $JOURNEY_HOME.
        model: the model's name.
        target: where it trains and keeps its records, as project.yaml names it.
        ledger: where runs and versions are.
        clock: the platform clock.
    """

    project: Path
    home: Path
    model: str
    target: str
    ledger: Ledger
    clock: Clock

    def fresh_rows(self, onset: datetime | None) -> int:
        """Mature training rows from after the onset, as ingest to curate find them now.

        Raises:
            Unavailable: one of these steps failed.
        """
        run = self._submit(onset, until=CURATE)
        if run.state != "done":
            raise Unavailable(f"run {run.id}: expected ingest to curate to end, found: {run.error}")
        return Curated.read(_curated(run) / "curated.json").counts.get("train", 0)

    def train(self, run: str, onset: datetime | None) -> Trained:
        """The whole training run; one that ended before a kill is told of and not run again."""
        known = next((record for record in self.ledger.runs(self.model) if record.id == run), None)
        if known is None or known.state not in ("done", "refused"):
            ended = self._submit(onset, run=run)
            state, error = ended.state, ended.error or ""
        else:
            state, error = known.state, "a gate said no before the trigger was killed; see the run's page"
        if state != "done":
            return Trained(run, state, error=error)
        told = json.loads((self.home / "runs" / run / "result.json").read_text(encoding="utf-8"))
        undecided = _undecided(told["outputs"])
        return Trained(run, "refused", error=undecided) if undecided else Trained(run, "done", told["version"])

    def promote(self, request: Retraining, trained: Trained, replaced: Promotion | None) -> Promotion:
        """Makes the trained version champion in place of `replaced`, and retires that.

        Raises:
            Conflict: another promotion came between.
        """
        return Promoter(self.ledger, self._places).promote(self._wanted(request, trained, replaced))

    def conclude(self, request: Retraining, promotion: Promotion) -> None:
        """Mends what a kill left undone after a promotion: the old version is retired, and the registry follows."""
        promoter = Promoter(self.ledger, self._places)
        if request.version is not None and request.version != promotion.version:
            reason = f"replaced by version {promotion.version}: {promotion.reason}"
            promoter.retire(Retirement(self.model, request.version, ACTOR, reason, self.clock.now()))

    def _wanted(self, request: Retraining, trained: Trained, replaced: Promotion | None) -> PromotionRequest:
        """The promotion of what was trained.

        Raises:
            DataError: nothing was registered.
        """
        if trained.version is None:
            raise DataError(f"run {trained.run}: expected a registered version to promote, found none")
        return PromotionRequest(
            model=self.model,
            version=trained.version,
            replaces_seq=replaced.seq if replaced else 0,
            actor=ACTOR,
            reason=f"{request.trigger}: all gates passed against version {request.version}",
            at=self.clock.now(),
            evidence={"retraining": request.key, "run": trained.run, "onset": request.onset.isoformat() if request.onset else None},
        )

    @property
    def _places(self) -> Places:
        return Places(target_of(load_project(self.project), self.target), self.home, os.environ)

    def _submit(self, onset: datetime | None, until: str | None = None, run: str | None = None) -> Run:
        parameters = {"onset": onset.isoformat()} if onset else {}
        options = RunOptions(parameters=parameters, until=until, home=self.home, run=run, wait=True)
        return submit(self.project, target=self.target, options=options)


def _undecided(outputs: Mapping[str, Mapping[str, object]]) -> str:
    """Why no gate could tell whether the new version is better, so that a person has to; "" where they could."""
    comparison = Comparison.read(Path(str(outputs[CHOOSE]["comparison"])) / "comparison.json")
    open_ones = [f"{gate} {verdict}" for gate, verdict in comparison.gates.items() if verdict.startswith("undecided")]
    return "; ".join(open_ones) and f"{'; '.join(open_ones)}. A person decides: `journey promote`."


def _curated(run: Run) -> Path:
    return Path(str(run.outputs[CURATE]["curated"]))
