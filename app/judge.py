"""How good answers were: scored again with the version that they name, and judged by what came true."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.simulate import Answer
from journey.model.bundle import open_bundle
from journey.model.keys import Trusted
from journey.model.lookups import open_online
from journey.model.scores import paired_bootstrap, score
from journey.model.scoring import Scorer
from journey.places import Places
from journey.records.ledger import Ledger
from journey.values.columns import Value

ABSOLUTE, RELATIVE = 1e-6, 1e-5    # how far an answer may be from the same row scored again
LEAST_ROWS = 500                   # fewer matured answers are no judgement

WIDTH_IN_ERRORS = 2 * 1.959964     # a 95 % interval is as many standard errors wide

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Advantage:
    """One version's metric over another's on the same rows.

    Attributes:
        difference: above 0 where the first is better.
        standard_error: of the difference, by paired bootstrap.
    """

    difference: float
    standard_error: float

    @property
    def is_clear(self) -> bool:
        """Whether the first is better by more than two standard errors."""
        return self.difference > 2.0 * self.standard_error


class Rescorer:
    """Registered versions, to score raw rows with; each bundle is verified as a server would."""

    def __init__(self, ledger: Ledger, places: Places, model: str) -> None:
        self._ledger, self._places, self._model = ledger, places, model
        self._scorers: dict[int, Scorer] = {}

    def outputs(self, version: int, answers: Sequence[Answer]) -> Numbers:
        """The version's outputs for the answers' raw rows and looked-up values, shape [answers, outputs].

        A feature that only this version looks up, and so isn't in the answers, is looked up now.
        """
        scorer = self._scorer(version)
        looked_up = [self._completed(version, answer) for answer in answers]
        return scorer.predict(scorer.inputs([dict(answer.happening.row) for answer in answers], looked_up))

    def wrong(self, answers: Sequence[Answer]) -> list[Answer]:
        """The answers that differ from their row scored again with the version that they name."""
        found: list[Answer] = []
        for version in sorted({answer.version for answer in answers}):
            its = [answer for answer in answers if answer.version == version]
            again = self.outputs(version, its)
            off = np.max(np.abs(told(its) - again) - RELATIVE * np.abs(again), axis=1)
            found.extend(answer for answer, distance in zip(its, off.tolist(), strict=True) if distance > ABSOLUTE)
        return found

    def _scorer(self, version: int) -> Scorer:
        if version not in self._scorers:
            record = self._ledger.version(self._model, version)
            self._scorers[version] = Scorer(open_bundle(Path(record.uri), Trusted.of(self._places.keys)))
        return self._scorers[version]

    def _looked_up(self, version: int) -> frozenset[str]:
        return frozenset(feature.name for lookup in self._scorer(version).signature.lookups for feature in lookup.features)

    def _completed(self, version: int, answer: Answer) -> Mapping[str, Value]:
        lacking = self._looked_up(version) - self._looked_up(answer.version)
        if not lacking:
            return answer.lookups
        scorer = self._scorer(version)
        store = open_online(self._places.online, scorer.signature.lookups)
        found = store.read(scorer.values(dict(answer.happening.row)), answer.happening.moment)
        store.close()
        return {**answer.lookups, **{name: found[name] for name in lacking & found.keys()}}


def matured(answers: Sequence[Answer], matures: timedelta, now: datetime) -> list[Answer]:
    """The answers whose outcome is known by now."""
    return [answer for answer in answers if answer.happening.moment + matures <= now]


def outcomes(answers: Sequence[Answer]) -> npt.NDArray[np.int64]:
    """What came true, as class indices, shape [answers]."""
    return np.array([answer.happening.outcome for answer in answers], np.int64)


def told(answers: Sequence[Answer]) -> Numbers:
    """What the answers said, shape [answers, outputs]."""
    return np.array([answer.outputs for answer in answers], np.float64)


def quality(metric: str, answers: Sequence[Answer], outputs: Numbers | None = None) -> float | None:
    """The metric over answers whose outcome is known; None where they are too few for a judgement.

    Args:
        metric: its name.
        answers: matured ones.
        outputs: another version's for the same rows; None: what the answers said.
    """
    if len(answers) < LEAST_ROWS:
        return None
    return score(metric, outcomes(answers), told(answers) if outputs is None else outputs)


def advantage(metric: str, answers: Sequence[Answer], other: Numbers, seed: int) -> Advantage:
    """What the answers said against another version's outputs for the same rows.

    Args:
        metric: its name.
        answers: matured ones.
        other: the other version's outputs, shape [answers, outputs].
        seed: of the resampling.
    """
    found = paired_bootstrap(metric, outcomes(answers), told(answers), other, seed)
    return Advantage(found.value, (found.high - found.low) / WIDTH_IN_ERRORS)
