"""A retraining from its request to its end: wait for enough of the new, train, promote; every step noted, so that a kill loses nothing."""

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from components.operations.retrain import FINAL, Asked, Decision, Policy, Standing, decide, is_enough
from journey.clock import EPOCH, Clock
from journey.errors import Conflict, JourneyError, Unavailable
from journey.records.entries import RETRAINING_ORDER, Promotion, Retraining, RetrainingState, RunState
from journey.records.ledger import Ledger

ACTOR = "trigger"
LOST_RUN_SECONDS = 30.0            # real time before a service that didn't answer is asked again

log = logging.getLogger("journey.trigger")


@dataclass(frozen=True)
class Trained:
    """How a training run ended.

    Attributes:
        run: the run's id.
        state: done; refused where a gate said no; failed.
        version: the registered version of a run that is done.
        error: what went wrong, for people.
    """

    run: str
    state: RunState
    version: int | None = None
    error: str = ""


class Trainer(Protocol):
    """What a retraining needs done."""

    def fresh_rows(self, onset: datetime | None) -> int:
        """Mature training rows from after the onset, as ingest to curate find them now.

        Raises:
            Unavailable: the sources can't be read just now, or break their contract; they are looked at again.
        """

    def train(self, run: str, onset: datetime | None) -> Trained:
        """The whole training run, under an id that is taken up again where it was left."""

    def promote(self, request: Retraining, trained: Trained, replaced: Promotion | None) -> Promotion:
        """Makes the trained version champion in place of `replaced`, and retires that.

        Raises:
            Conflict: another promotion came between.
        """

    def conclude(self, request: Retraining, promotion: Promotion) -> None:
        """Mends what a kill left undone after a promotion of ours."""


@dataclass(frozen=True)
class Retrainer:
    """Takes requests and carries them out, one at a time.

    Attributes:
        ledger: where requests are kept.
        model: the model's name.
        policy: the project's limits.
        refresh: how often new data is looked for, platform time.
        clock: the platform clock.
        trainer: who trains and promotes.
    """

    ledger: Ledger
    model: str
    policy: Policy
    refresh: timedelta
    clock: Clock
    trainer: Trainer

    def ask(self, asked: Asked) -> Decision:
        """Stores a request, unless something stands against it or it is stored already."""
        now = self.clock.now()
        decision = decide(asked, self._standing(), self.policy, now)
        if not decision.accepted:
            return decision
        request = Retraining(decision.key, asked.model, asked.version, asked.trigger, now, asked.onset, reason=decision.reason)
        if not self.ledger.request_retraining(request):
            return Decision(decision.key, False, f"retraining {decision.key[:12]} was asked for already")
        log.info("retraining %s of version %s stored: %s since %s", decision.key[:12], asked.version, asked.trigger, asked.onset)
        return decision

    def work(self, stop: threading.Event, wake: threading.Event) -> None:
        """Carries out what is stored and not finished, oldest first, until `stop` is set; first what a kill left behind."""
        while not stop.is_set():
            wake.clear()
            try:
                for request in self._unfinished():
                    self._carry_out(request, stop)
            except Unavailable as error:        # the ledger itself is away
                log.warning("retrainings wait: %s", error)
                stop.wait(LOST_RUN_SECONDS)
            else:
                wake.wait(1.0)

    def _unfinished(self) -> tuple[Retraining, ...]:
        return tuple(one for one in self.ledger.retrainings(self.model) if RETRAINING_ORDER[one.state] < FINAL)

    def _carry_out(self, request: Retraining, stop: threading.Event) -> None:
        try:
            self._advance_through(request, stop)
        except Unavailable as error:
            log.warning("retraining %s waits: %s", request.key[:12], error)
            stop.wait(LOST_RUN_SECONDS)
        except JourneyError as error:
            self._close(request, "failed", str(error))

    def _advance_through(self, request: Retraining, stop: threading.Event) -> None:
        replaced = self.ledger.current(self.model)
        if replaced is None or replaced.version != request.version:
            self._settle_without_training(request, replaced)
            return
        if RETRAINING_ORDER[request.state] < RETRAINING_ORDER["running"] and not self._wait_for_rows(request, stop):
            return
        run = run_name(request.key)
        self.ledger.advance_retraining(request.key, "running", run=run)
        log.info("retraining %s: training on rows from after %s", request.key[:12], request.onset)
        self._settle(request, self.trainer.train(run, request.onset), replaced)

    def _wait_for_rows(self, request: Retraining, stop: threading.Event) -> bool:
        self.ledger.advance_retraining(request.key, "waiting")
        while not stop.is_set() and self._answers(request.version):      # whom somebody replaced meanwhile needs no successor
            if self._found_enough(request):
                return True
            stop.wait(self._seconds_to_refresh())
        return False

    def _found_enough(self, request: Retraining) -> bool:
        """Whether there are rows enough now; a source that is away or broken for a while gives none, and ends nothing."""
        try:
            found = self.trainer.fresh_rows(request.onset)
        except Unavailable as error:
            log.warning("retraining %s waits: %s", request.key[:12], error)
            return False
        log.info("retraining %s: %s of %s fresh training rows", request.key[:12], found, self.policy.fresh_rows)
        return is_enough(found, self.policy)

    def _answers(self, version: int | None) -> bool:
        champion = self.ledger.current(self.model)
        return champion is not None and champion.version == version

    def _seconds_to_refresh(self) -> float:
        now = self.clock.now()
        following = EPOCH + ((now - EPOCH) // self.refresh + 1) * self.refresh
        return self.clock.real_seconds(following - now)

    def _settle(self, request: Retraining, trained: Trained, replaced: Promotion) -> None:
        if trained.state == "refused":
            self._close(request, "kept", f"the new version is not good enough: {trained.error}")
        elif trained.state != "done" or trained.version is None:
            self._close(request, "failed", trained.error or f"run {trained.run} ended as {trained.state}")
        elif trained.version == replaced.version:
            self._close(request, "kept", f"training gave version {trained.version} again")
        else:
            self._promote(request, trained, replaced)

    def _promote(self, request: Retraining, trained: Trained, replaced: Promotion) -> None:
        try:
            self.trainer.promote(request, trained, replaced)
        except Conflict as error:
            self._close(request, "kept", str(error))
        else:
            self._close(request, "promoted", f"version {trained.version} in place of version {replaced.version}")

    def _settle_without_training(self, request: Retraining, newest: Promotion | None) -> None:
        """The champion is another one by now: ours, if the kill came right after its promotion."""
        if newest is not None and self._made_by(newest.version) == run_name(request.key):
            self.trainer.conclude(request, newest)
            self._close(request, "promoted", f"version {newest.version} in place of version {request.version}")
            return
        found = f"version {newest.version}" if newest else "none"
        self._close(request, "kept", f"expected version {request.version} to be champion still, found {found}")

    def _made_by(self, version: int) -> str:
        return self.ledger.version(self.model, version).run

    def _close(self, request: Retraining, state: RetrainingState, reason: str) -> None:
        self.ledger.advance_retraining(request.key, state, reason=reason)
        log.info("retraining %s: %s: %s", request.key[:12], state, reason)

    def _standing(self) -> Standing:
        newest = self.ledger.current(self.model)
        past = self.ledger.retrainings(self.model)
        # runs are noted in real time, requests in platform time
        ended = {run.id: self.clock.at(run.ended.timestamp()) for run in self.ledger.runs() if run.ended is not None}
        finished: Mapping[str, datetime] = {one.key: ended[one.run] for one in past if one.run in ended}
        return Standing(newest.version if newest else None, past, finished)


def run_name(key: str) -> str:
    """The id of a retraining's run: the same after a kill, so that the run is taken up and not begun again."""
    return f"retrain-{key[:12]}"
