"""Monitor: how far the rows of one batch are from a model's reference. The same statistics as for the server's counts, over a table's."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from journey.watching.bins import Columns, Floats, Objects, Reference, ReferenceEntry, bin_counts
from journey.watching.drift import Evidence, Expected, Threshold, evidence_of
from monitoring.rules import DAY, WindowRule


@dataclass(frozen=True)
class Drifted:
    """One feature of a batch against its reference."""

    feature: str
    evidence: Evidence
    threshold: Threshold

    @property
    def drifted(self) -> bool:
        """Whether the evidence is drift."""
        return self.threshold.is_exceeded(self.evidence)


def monitor(reference: Reference, columns: Columns, scores: Floats, rule: WindowRule) -> tuple[Drifted, ...]:
    """Compares a batch with the rows that the model was made from.

    Args:
        reference: the bundle's reference.json.
        columns: the batch's model inputs, in the model's order.
        scores: the model's scores of the batch, shape [rows].
        rule: the window that the batch stands for.

    Returns:
        One a feature, and one for the score, in the reference's order. A feature without a limit for the window is left out.
    """
    found = []
    for entry, values in zip(reference.entries, (*_columns(columns), scores), strict=True):
        if rule.window in entry.limits:
            evidence = evidence_of(bin_counts(entry, values), _expected(entry, rule), rule.length / DAY)
            found.append(Drifted(entry.name, evidence, rule.threshold(entry.limits[rule.window])))
    return tuple(found)


def _columns(columns: Columns) -> Iterable[Floats | Objects]:
    yield from columns.numbers.T
    yield from columns.categories.T


def _expected(entry: ReferenceEntry, rule: WindowRule) -> Expected:
    return Expected(np.array(entry.probabilities), entry.rows, rule.overdispersion(entry.overdispersion))
