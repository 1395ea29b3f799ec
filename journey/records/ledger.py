"""The ledger: the durable record of runs, versions, promotions, retrainings and answers, in SQLite or Postgres.

Each method is one transaction. Those that write take turns from their start, so what a method read still holds when it writes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from sqlalchemy import update

from journey.records import audit, happenings, versions
from journey.records.database import Database
from journey.records.entries import (
    AuditEntry,
    FeedbackOutcome,
    FeedbackRecord,
    Labelled,
    PredictionRecord,
    Promotion,
    PromotionRequest,
    Registration,
    Retirement,
    Retraining,
    RetrainingState,
    Role,
    RunRecord,
    RunState,
    SnapshotRecord,
    Version,
)
from journey.records.schema import RUNS, moment_text
from journey.values.columns import JsonValue


@dataclass(frozen=True)
class Ledger:
    """A database's tables as verbs.

    Every method raises Unavailable where the database doesn't answer, and DataError where it doesn't take a value.
    """

    database: Database

    @classmethod
    def connect(cls, url: str) -> Self:
        """Opens the ledger and brings its tables up to date; SQLite's file is made if missing.

        Raises:
            Unavailable: the database doesn't answer, or the URL is no database's.
            DataError: it was made by a newer Journey.
        """
        return cls(Database.connect(url))

    def close(self) -> None:
        """Closes its connections."""
        self.database.close()

    def register_version(self, wanted: Registration) -> int:
        """The version of a bundle: the one that it has, or the model's next."""
        with self.database.writing() as connection:
            return versions.register(connection, wanted)

    def version(self, model: str, version: int) -> Version:
        """A version.

        Raises:
            DataError: there is none of that number.
        """
        with self.database.reading() as connection:
            return versions.find(connection, model, version)

    def versions(self, model: str) -> tuple[Version, ...]:
        """A model's versions, oldest first."""
        with self.database.reading() as connection:
            return versions.every(connection, model)

    def current(self, model: str, role: Role = "champion") -> Promotion | None:
        """The newest promotion of a model to a role; None if there was none."""
        with self.database.reading() as connection:
            return versions.current(connection, model, role)

    def promotions(self, model: str) -> tuple[Promotion, ...]:
        """A model's promotions to all roles, oldest first."""
        with self.database.reading() as connection:
            return versions.promotions(connection, model)

    def promote(self, request: PromotionRequest) -> Promotion:
        """Compare-and-swap: the version takes the role if the newest promotion is the one that the request replaces.

        Raises:
            Conflict: another promotion came between; nothing was changed.
            DataError: there is no such version, or it is retired and the request isn't a rollback.
        """
        with self.database.writing() as connection:
            return versions.promote(connection, request)

    def retire(self, wanted: Retirement) -> Version:
        """Takes a version out of use; one that is retired already stays as it is.

        Raises:
            Conflict: the version is the champion.
            DataError: there is no such version.
        """
        with self.database.writing() as connection:
            return versions.retire(connection, wanted)

    def record_image(self, model: str, version: int, reference: str, at: datetime) -> None:
        """Notes which image serves a version, by digest; one that was built anew takes the place of the one before.

        Raises:
            DataError: there is no such version.
        """
        with self.database.writing() as connection:
            versions.record_image(connection, model, version, reference, moment_text(at))

    def image(self, model: str, version: int) -> str | None:
        """The image that serves a version; None where none was built."""
        with self.database.reading() as connection:
            return versions.image(connection, model, version)

    def audit_trail(self, model: str | None = None) -> tuple[AuditEntry, ...]:
        """The audit log from its first line to its last; of one model, or all."""
        with self.database.reading() as connection:
            return audit.trail(connection, model)

    def verify_audit(self) -> int:
        """Looks at the whole audit log, and that promotions and versions stand in it as they were recorded.

        Returns:
            How many lines hold.

        Raises:
            Untrusted: a line or a record was changed, removed or put in.
        """
        with self.database.reading() as connection:
            return audit.verify(connection)

    def request_retraining(self, wanted: Retraining) -> bool:
        """Notes a request; False if its key is known already."""
        with self.database.writing() as connection:
            return happenings.request_retraining(connection, wanted)

    def advance_retraining(self, key: str, state: RetrainingState, run: str = "", reason: str = "") -> bool:
        """Moves a retraining forward and notes its run and reason where given; False if it is further already.

        Raises:
            DataError: nobody asked for a retraining of that key.
        """
        changes = {name: value for name, value in (("run", run), ("reason", reason)) if value}
        with self.database.writing() as connection:
            return happenings.advance_retraining(connection, key, state, changes)

    def retrainings(self, model: str) -> tuple[Retraining, ...]:
        """A model's retrainings, oldest first."""
        with self.database.reading() as connection:
            return happenings.retrainings(connection, model)

    def start_run(self, run: RunRecord) -> None:
        """Notes a run; one that is taken up again after a kill is running again."""
        with self.database.writing() as connection:
            happenings.start_run(connection, run)

    def end_run(self, run: str, state: RunState, ended: datetime, bundle: str | None = None) -> None:
        """Notes how a run ended and which bundle it made."""
        with self.database.writing() as connection:
            connection.execute(update(RUNS).where(RUNS.c.id == run).values(state=state, ended=moment_text(ended), bundle=bundle))

    def runs(self, project: str | None = None) -> tuple[RunRecord, ...]:
        """Runs from the newest to the oldest; of one project, or all."""
        with self.database.reading() as connection:
            return happenings.runs(connection, project)

    def record_snapshot(self, snapshot: SnapshotRecord) -> None:
        """Notes a table's snapshot, unless it is the newest that is known already."""
        with self.database.writing() as connection:
            happenings.record_snapshot(connection, snapshot)

    def newest_snapshot(self, project: str, table: str) -> SnapshotRecord | None:
        """The newest snapshot of a table; None if there was none."""
        with self.database.reading() as connection:
            return happenings.newest_snapshot(connection, project, table)

    def record_predictions(self, records: Sequence[PredictionRecord]) -> int:
        """Notes answers, all in one transaction; an id that is known stays as it was. Returns how many were new."""
        with self.database.writing() as connection:
            return happenings.record_predictions(connection, records)

    def record_feedback(self, prediction: str, label: JsonValue, at: datetime, source: str) -> FeedbackOutcome:
        """Notes what came true for a prediction: `known` the same label again, `refused` another one; the first stays."""
        return self.record_feedback_batch([FeedbackRecord(prediction, label, at, source)])[0]

    def record_feedback_batch(self, records: Sequence[FeedbackRecord]) -> list[FeedbackOutcome]:
        """`record_feedback` for many, in one transaction."""
        with self.database.writing() as connection:
            return [happenings.record_feedback(connection, record) for record in records]

    def prediction(self, identity: str) -> PredictionRecord | None:
        """The answer of an id; None if it isn't on record."""
        with self.database.reading() as connection:
            return happenings.prediction(connection, identity)

    def prediction_of(self, model: str, key: str) -> PredictionRecord | None:
        """The newest answer about a spine row's key; None if there was none."""
        with self.database.reading() as connection:
            return happenings.prediction_of(connection, model, key)

    def labelled(self, model: str, since: datetime, version: int | None = None) -> tuple[Labelled, ...]:
        """Answers since an event time with what came true, by event time; of one version, or all."""
        with self.database.reading() as connection:
            return happenings.labelled(connection, model, since, version)

    def forget_predictions(self, before: datetime) -> int:
        """Removes answers of an older event time, and what came true of them. Returns how many answers."""
        with self.database.writing() as connection:
            return happenings.forget_predictions(connection, before)
