"""Runs, snapshots, retrainings, predictions and feedback: what happened, as each writing transaction of the ledger notes it."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from journey.errors import DataError
from journey.records.database import insert_or_ignore
from journey.records.entries import (
    RETRAINING_ORDER,
    FeedbackOutcome,
    FeedbackRecord,
    Labelled,
    PredictionRecord,
    Retraining,
    RetrainingState,
    RunRecord,
    SnapshotRecord,
)
from journey.records.schema import FEEDBACK, PREDICTIONS, RETRAININGS, RUNS, SNAPSHOTS, moment_of, moment_text
from journey.records.versions import next_number


def start_run(connection: Connection, run: RunRecord) -> None:
    """Notes a run; one that is taken up again after a kill is running again."""
    row = _row(vars(run))
    if not insert_or_ignore(connection, RUNS, [row]):
        connection.execute(update(RUNS).where(RUNS.c.id == run.id).values(state=run.state, ended=None))


def runs(connection: Connection, project: str | None) -> tuple[RunRecord, ...]:
    """Runs from the newest to the oldest."""
    query = select(RUNS).order_by(RUNS.c.started.desc(), RUNS.c.id)
    if project is not None:
        query = query.where(RUNS.c.project == project)
    return tuple(RunRecord(**_moments(row, "started", "ended")) for row in connection.execute(query).mappings())


def record_snapshot(connection: Connection, snapshot: SnapshotRecord) -> None:
    """Notes a snapshot, unless it is the newest that is known already."""
    newest = newest_snapshot(connection, snapshot.project, snapshot.table)
    if newest is None or (newest.digest, newest.watermark) != (snapshot.digest, snapshot.watermark):
        connection.execute(insert(SNAPSHOTS).values(seq=next_number(connection, SNAPSHOTS, "seq"), **_row(vars(snapshot))))


def newest_snapshot(connection: Connection, project: str, table: str) -> SnapshotRecord | None:
    """The newest snapshot of a table."""
    ours = (SNAPSHOTS.c.project == project, SNAPSHOTS.c.table == table)
    row = connection.execute(select(SNAPSHOTS).where(*ours).order_by(SNAPSHOTS.c.seq.desc()).limit(1)).mappings().first()
    return None if row is None else SnapshotRecord(**{name: value for name, value in _moments(row, "at").items() if name != "seq"})


def request_retraining(connection: Connection, wanted: Retraining) -> bool:
    """Notes a request if its key is new."""
    row = _row(vars(wanted))
    row["class"] = row.pop("trigger")
    return insert_or_ignore(connection, RETRAININGS, [row]) == 1


def advance_retraining(connection: Connection, key: str, state: RetrainingState, changes: Mapping[str, str]) -> bool:
    """Moves a retraining forward, or notes changes to one whose state stays and isn't final.

    Raises:
        DataError: nobody asked for a retraining of that key.
    """
    found = connection.scalar(select(RETRAININGS.c.state).where(RETRAININGS.c.key == key))
    if found is None:
        raise DataError(f"retraining '{key}': expected a request of that key in the ledger, found none")
    if RETRAINING_ORDER[state] < RETRAINING_ORDER[found] or RETRAINING_ORDER[found] == max(RETRAINING_ORDER.values()):
        return False
    connection.execute(update(RETRAININGS).where(RETRAININGS.c.key == key).values(state=state, **changes))
    return True


def retrainings(connection: Connection, model: str) -> tuple[Retraining, ...]:
    """A model's retrainings, oldest first."""
    query = select(RETRAININGS).where(RETRAININGS.c.model == model).order_by(RETRAININGS.c.received, RETRAININGS.c.key)
    found = []
    for row in connection.execute(query).mappings():
        values = _moments(row, "received", "onset")
        found.append(Retraining(trigger=values.pop("class"), **values))
    return tuple(found)


def record_predictions(connection: Connection, records: Sequence[PredictionRecord]) -> int:
    """Notes answers; an id that is known stays as it was."""
    return insert_or_ignore(connection, PREDICTIONS, [_row(vars(record)) for record in records])


def record_feedback(connection: Connection, feedback: FeedbackRecord) -> FeedbackOutcome:
    """Notes what came true; the first label stays."""
    label = json.dumps(feedback.label)
    if insert_or_ignore(connection, FEEDBACK, [{**_row(vars(feedback)), "label": label}]):
        return "stored"
    first = connection.scalar(select(FEEDBACK.c.label).where(FEEDBACK.c.prediction == _storable(feedback.prediction)))
    return "known" if first == label else "refused"


def prediction_of(connection: Connection, model: str, key: str) -> PredictionRecord | None:
    """The newest answer about a spine key."""
    ours = (PREDICTIONS.c.model == model, PREDICTIONS.c.key == _storable(key))
    row = connection.execute(select(PREDICTIONS).where(*ours).order_by(PREDICTIONS.c.event_time.desc()).limit(1)).mappings().first()
    return None if row is None else PredictionRecord(**_moments(row, "event_time"))


def prediction(connection: Connection, identity: str) -> PredictionRecord | None:
    """The answer of an id."""
    row = connection.execute(select(PREDICTIONS).where(PREDICTIONS.c.id == _storable(identity))).mappings().first()
    return None if row is None else PredictionRecord(**_moments(row, "event_time"))


def labelled(connection: Connection, model: str, since: datetime, version: int | None) -> tuple[Labelled, ...]:
    """Answers with what came true, by event time."""
    query = (
        select(PREDICTIONS, FEEDBACK.c.label, FEEDBACK.c.at)
        .join(FEEDBACK, FEEDBACK.c.prediction == PREDICTIONS.c.id)
        .where(PREDICTIONS.c.model == model, PREDICTIONS.c.event_time >= moment_text(since))
        .order_by(PREDICTIONS.c.event_time, PREDICTIONS.c.id)
    )
    if version is not None:
        query = query.where(PREDICTIONS.c.version == version)
    found = []
    for row in connection.execute(query).mappings():
        values = _moments(row, "event_time", "at")
        label, at = json.loads(values.pop("label")), values.pop("at")
        found.append(Labelled(PredictionRecord(**values), label, at))
    return tuple(found)


def forget_predictions(connection: Connection, before: datetime) -> int:
    """Removes answers, and what came true of them, whose event time is older."""
    old = select(PREDICTIONS.c.id).where(PREDICTIONS.c.event_time < moment_text(before))
    connection.execute(delete(FEEDBACK).where(FEEDBACK.c.prediction.in_(old)))
    return connection.execute(delete(PREDICTIONS).where(PREDICTIONS.c.event_time < moment_text(before))).rowcount


def _row(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: moment_text(value) if isinstance(value, datetime) else _storable(value) for name, value in values.items()}


def _storable(value: Any) -> Any:
    """A client may send U+0000 in a key; Postgres has no such character, and one row must not keep a whole batch out."""
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}") if isinstance(value, str) else value


def _moments(row: RowMapping, *names: str) -> dict[str, Any]:
    return {str(name): moment_of(value) if name in names and value is not None else value for name, value in row.items()}
