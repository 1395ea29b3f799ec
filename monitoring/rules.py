"""What is watched and when it is drift: one definition, for our own evaluation and for rule files."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from journey.clock import duration
from journey.watching.drift import Threshold

FEATURE_ALERT = "JourneyFeatureDrift"      # for people: which feature, over which window
MODEL_ALERT = "JourneyModelDrift"          # for the trigger: one for each model and version
TRIGGER_CLASS = "drift"
DAY = timedelta(days=1)
WEEK = timedelta(days=7)


@dataclass(frozen=True)
class WindowRule:
    """How one window is judged.

    Attributes:
        window: its length as written in project.yaml.
        z: the certainty that must be exceeded.
        rows: the fewest rows that are judged.
    """

    window: str
    z: float = 5.0
    rows: int = 500

    @property
    def length(self) -> timedelta:
        """The window's length."""
        return duration(self.window)

    @property
    def retrains(self) -> bool:
        """Whether drift over this window asks for a retraining: an hour is for people, it may be an hour's whim."""
        return self.length >= DAY

    def overdispersion(self, kappa: float) -> float:
        """The overdispersion that counts: over less than a week it would hide what the limit alone tells well."""
        return kappa if self.length >= WEEK else 0.0

    def threshold(self, psi_limit: float) -> Threshold:
        """When evidence over this window is drift; the PSI limit is the model's own, from its reference."""
        return Threshold(psi=psi_limit, z=self.z, rows=self.rows)


@dataclass(frozen=True)
class Rules:
    """The rules of one model.

    Attributes:
        windows: how each window is judged.
        pace: platform time between two evaluations.
        lasts: how long evidence must be unbroken before it is a verdict.
        keeps: how long a verdict stands without evidence.
    """

    windows: tuple[WindowRule, ...]
    pace: timedelta = timedelta(minutes=5)
    lasts: timedelta = timedelta(minutes=30)
    keeps: timedelta = timedelta(hours=1)

    @property
    def longest(self) -> timedelta:
        """The longest window's length."""
        return max(rule.length for rule in self.windows)


def rules_of(windows: Sequence[str]) -> Rules:
    """The rules for the windows that a project watches, shortest first."""
    return Rules(tuple(sorted((WindowRule(window) for window in windows), key=lambda rule: rule.length)))
