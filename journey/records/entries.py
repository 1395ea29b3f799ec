"""What the ledger remembers: one frozen class for each kind of row."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from journey.values.columns import JsonValue

Role = Literal["champion", "challenger"]
RunState = Literal["running", "done", "failed", "refused"]
RetrainingState = Literal["received", "waiting", "running", "promoted", "kept", "failed"]
FeedbackOutcome = Literal["stored", "known", "refused"]

RETRAINING_ORDER: Mapping[RetrainingState, int] = {"received": 0, "waiting": 1, "running": 2, "promoted": 3, "kept": 3, "failed": 3}
"""A retraining's state moves only to a greater number; states of 3 are final. `kept`: the champion stays, whatever the reason."""


@dataclass(frozen=True)
class RunRecord:
    """A run of a pipeline; `engine_run` is the engine's own name for it."""

    id: str
    project: str
    pipeline: str
    target: str
    started: datetime
    engine_run: str = ""
    state: RunState = "running"
    ended: datetime | None = None
    bundle: str | None = None


@dataclass(frozen=True)
class SnapshotRecord:
    """What ingest found of one table: its digest, and up to when the source was read (None: no cursor)."""

    project: str
    table: str
    digest: str
    watermark: str | None
    at: datetime


@dataclass(frozen=True)
class Registration:
    """A bundle to be known as a version of a model.

    Attributes:
        bundle: the bundle digest; a known one gives its version again.
        uri: the folder that holds the bundle's manifest.json.
        run: the run that made it.
        trained_on: first and last event time of the final fit's rows, ISO; None where the project has no time.
        at: when.
        actor: who registers.
    """

    model: str
    bundle: str
    uri: str
    run: str
    trained_on: tuple[str | None, str | None]
    at: datetime
    actor: str


@dataclass(frozen=True)
class Version:
    """A registered version of a model."""

    model: str
    version: int
    bundle: str
    uri: str
    run: str
    trained_on: tuple[str | None, str | None]
    registered: datetime
    retired: datetime | None = None


@dataclass(frozen=True)
class PromotionRequest:
    """Who wants which version to take a role, in place of which promotion.

    Attributes:
        replaces_seq: the promotion that the asker saw as the newest of this model and role; 0 if there was none.
        evidence: what the decision rests on, kept in the audit log.
        reinstate: a retired version may come back into use: a rollback.
        retire_replaced: the version that held the role is retired in the same transaction.
    """

    model: str
    version: int
    replaces_seq: int
    actor: str
    reason: str
    at: datetime
    role: Role = "champion"
    evidence: Mapping[str, object] = field(default_factory=dict)
    reinstate: bool = False
    retire_replaced: bool = False


@dataclass(frozen=True)
class Promotion:
    """A version took a role."""

    seq: int
    model: str
    role: str
    version: int
    bundle: str
    replaces_seq: int
    actor: str
    reason: str
    at: datetime


@dataclass(frozen=True)
class Retirement:
    """Who takes a version out of use, and why."""

    model: str
    version: int
    actor: str
    reason: str
    at: datetime


@dataclass(frozen=True)
class AuditEntry:
    """One line of the audit log; `hash` covers the line and `previous`, the hash of the line before."""

    seq: int
    at: str
    actor: str
    action: str
    model: str
    version: int | None
    reason: str
    evidence: str
    previous: str
    hash: str


@dataclass(frozen=True)
class Retraining:
    """A retraining that was asked for.

    Attributes:
        key: the same for the same request, however often it is sent.
        trigger: its class, such as `drift` or `schedule`.
        onset: when the drift began; None where none did.
    """

    key: str
    model: str
    version: int | None
    trigger: str
    received: datetime
    onset: datetime | None = None
    state: RetrainingState = "received"
    run: str = ""
    reason: str = ""


@dataclass(frozen=True)
class PredictionRecord:
    """An answer that was given; `key` is the spine row's key where the request held it."""

    id: str
    model: str
    version: int
    event_time: datetime
    key: str | None
    score: float


@dataclass(frozen=True)
class FeedbackRecord:
    """What came true for a prediction."""

    prediction: str
    label: JsonValue
    at: datetime
    source: str


@dataclass(frozen=True)
class Labelled:
    """An answer and what came true."""

    prediction: PredictionRecord
    label: JsonValue
    at: datetime
