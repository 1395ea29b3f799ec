"""Curate data: the spine with its label, its event time and who trains, validates and tests; and why the other rows don't."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import ibis
import numpy as np
from numpy.typing import NDArray

from components.data.labels import VALUE, Class, Tables, classes_of, labelled
from components.data.split import SPLITS, TEST, TRAIN, VALIDATION, Boundaries, boundaries, bucket, digests, text_of
from journey.artifacts import GROUP, LABEL, ROW, SPLIT, TIME, Curated
from journey.clock import EPOCH, duration
from journey.declarations import Label
from journey.errors import DataError
from journey.sections import CuratePlan, Table
from journey.tables import computed
from journey.values.rules import written

_REASON, _DIGEST = "journey_left_out", "digest"
_MOMENT = "timestamp('UTC', 6)"
_GROUP_DIGITS = 16             # of a digest: 64 bits, which a million groups share by chance once in 40 million projects


@dataclass(frozen=True)
class Curation:
    """The spine with TIME, SPLIT, LABEL (SPLIT and LABEL null for rows that aren't trained on) and GROUP, and what was decided."""

    spine: ibis.Table
    curated: Curated


@dataclass(frozen=True)
class Material:
    """What curate works on, all tables of one backend.

    Attributes:
        tables: standardized tables by name, with ROW.
        raw_spine: the spine's raw rows, with ROW.
        labels: the label functions of features.py.
        onset: when the drift began that asked for this training; None: nobody asked.
    """

    tables: Mapping[str, ibis.Table]
    raw_spine: ibis.Table
    labels: Sequence[Label] = ()
    onset: datetime | None = None


@dataclass(frozen=True)
class _Window:
    """The moments between which rows count, and from where they are known: all None without event time."""

    onset: datetime | None
    watermark: datetime | None
    start: datetime | None
    end: datetime | None
    warm: datetime | None


def onset_of(text: str) -> datetime | None:
    """The onset that a retraining carries, "" for none.

    Raises:
        DataError: the text is no time.
    """
    if not text:
        return None
    try:
        onset = datetime.fromisoformat(text)
    except ValueError as error:
        raise DataError(f"onset: expected an ISO time such as 2026-03-01T12:00:00+00:00, found {text!r}") from error
    return onset.replace(tzinfo=UTC) if onset.tzinfo is None else onset.astimezone(UTC)


def curate(plan: CuratePlan, contracts: Mapping[str, Table], material: Material) -> Curation:
    """Decides for each row of the spine whether it is trained on, and on which side.

    Args:
        plan: spine, label, split, and how long things take.
        contracts: each table's section of project.yaml.
        material: the tables.

    Raises:
        DataError: no onset was given, and too few rows or classes are left to learn from.
        ProjectError: the label isn't there, or its function fails.
    """
    contract = contracts[plan.spine.table]
    spine = _timed(plan, material.tables[plan.spine.table])
    window = _window(plan, spine, material.onset)
    label = labelled(plan, contract, Tables(material.tables, material.labels), window.watermark)
    rows = spine.select(ROW, TIME).inner_join(label, ROW)
    reason = _reason(plan, material.tables[plan.spine.table], rows, window)
    rows = computed(rows.select(ROW, TIME, VALUE, **{_REASON: reason}))
    if plan.split.by == "time":
        edges = boundaries(_times(rows), plan.split)
        decided = _by_time(rows, edges, duration(plan.predict.matures))
    else:
        edges = Boundaries(None, None)
        decided = _by_hash(plan, contract, rows, material)
    decided = computed(decided)
    classes = classes_of(plan.predict, _values(decided)) if plan.predict.task != "regression" else ()
    curated = _described(plan, decided, window, edges, classes)
    if material.onset is None:
        curated.require_enough()
    return Curation(_joined(material.tables[plan.spine.table], decided, plan, classes), curated)


def _timed(plan: CuratePlan, spine: ibis.Table) -> ibis.Table:
    moment = spine[plan.time].cast(_MOMENT) if plan.time else ibis.null(_MOMENT)
    return spine.mutate(**{TIME: moment})


def _window(plan: CuratePlan, spine: ibis.Table, onset: datetime | None) -> _Window:
    if plan.time is None:
        return _Window(onset, None, None, None, None)
    found = spine.aggregate(first=spine[TIME].min(), last=spine[TIME].max()).to_pyarrow().to_pylist()[0]
    if found["last"] is None:
        raise DataError(f"table '{plan.spine.table}': expected event times in column '{plan.time}', found none; mend the source")
    watermark = found["last"] - duration(plan.lag)
    end, warm = watermark - duration(plan.predict.matures), found["first"] + duration(plan.history)
    starts = [warm, *([onset] if onset else []), *([end - duration(plan.split.window)] if plan.split.window else [])]
    return _Window(onset, *(moment.astimezone(UTC) for moment in (watermark, max(starts), end, warm)))


def _reason(plan: CuratePlan, spine: ibis.Table, rows: ibis.Table, window: _Window) -> ibis.Value:
    """Why a row isn't trained on, null for those that count."""
    reasons: list[tuple[ibis.Value, str]] = []
    if plan.spine.only:
        chosen = spine.filter(_asked_for(plan, spine)).select(ROW)
        reasons.append((~rows[ROW].isin(chosen[ROW]), "filtered"))
    if window.end is not None:
        reasons += [
            (rows[TIME].isnull(), "no event time"),
            (rows[TIME] > ibis.literal(window.end), "immature"),
            (rows[TIME] < ibis.literal(window.warm), "history"),
            (rows[TIME] < ibis.literal(window.start), "before the window"),
        ]
    reasons.append((rows[VALUE].isnull(), "unlabelled"))
    return ibis.cases(*reasons, else_=ibis.null("string"))


def _asked_for(plan: CuratePlan, spine: ibis.Table) -> ibis.Value:
    wanted = ibis.literal(True)
    for column, values in plan.spine.only.items():
        wanted = wanted & text_of(spine[column]).isin([str(written(value)) for value in values])
    return wanted.fill_null(False)


def _times(rows: ibis.Table) -> NDArray[np.int64]:
    """[n] event times of the rows that count, µs since 1970, ascending."""
    times = rows.filter(rows[_REASON].isnull())[TIME].to_pyarrow().combine_chunks()
    return np.sort(times.cast("int64").to_numpy(zero_copy_only=False).astype(np.int64))


def _by_time(rows: ibis.Table, edges: Boundaries, matures: timedelta) -> ibis.Table:
    """Test from its boundary on, validation from its; rows whose label wasn't known at the next boundary are left out."""
    time, counts = rows[TIME], rows[_REASON].isnull()
    cases: list[tuple[ibis.Value, ibis.Value | None]] = [(~counts, None)]
    for name, first in ((TEST, edges.test), (VALIDATION, edges.validation)):
        if first is not None:
            moment = EPOCH + timedelta(microseconds=first)
            cases += [(time >= ibis.literal(moment), name), (time > ibis.literal(moment - matures), "")]
    split = ibis.cases(*((condition, ibis.null("string") if name is None else name) for condition, name in cases), else_=TRAIN)
    left_out = ibis.ifelse(split == "", "before a boundary", rows[_REASON])
    return rows.mutate(**{SPLIT: split.nullif(""), _REASON: left_out})


def _by_hash(plan: CuratePlan, contract: Table, rows: ibis.Table, material: Material) -> ibis.Table:
    by = tuple(column for column in (plan.split.group, contract.key) if column)
    columns = tuple(column for column in contract.columns if column != plan.predict.label)
    digest = digests(material.tables[plan.spine.table], material.raw_spine, by, columns)
    joined = rows.inner_join(digest, ROW)
    split = ibis.ifelse(joined[_REASON].isnull(), bucket(plan.split, joined[_DIGEST]), ibis.null("string"))
    group = {GROUP: joined[_DIGEST].substr(0, _GROUP_DIGITS)} if plan.split.group else {}
    return joined.select(*rows.columns, **{SPLIT: split}, **group)


def _values(decided: ibis.Table) -> list[Class]:
    """The different labels of the rows that count, sorted."""
    labels = decided.filter(decided[SPLIT].notnull()).select(VALUE).distinct().order_by(VALUE)
    return [row[VALUE] for row in labels.to_pyarrow().to_pylist()]


def _joined(spine: ibis.Table, decided: ibis.Table, plan: CuratePlan, classes: Sequence[Class]) -> ibis.Table:
    value = decided[VALUE]
    if plan.predict.task == "regression":
        number = value.cast("float64")
    else:
        indices = [(value == ibis.literal(label, type=value.type()), index) for index, label in enumerate(classes)]
        number = ibis.cases(*indices, else_=None).cast("int64") if indices else ibis.null("int64")
    label = ibis.ifelse(decided[SPLIT].notnull(), number, ibis.null(number.type()))
    group = [GROUP] if plan.split.group else []
    return spine.inner_join(decided.select(ROW, TIME, SPLIT, *group, **{LABEL: label}), ROW)


def _described(plan: CuratePlan, decided: ibis.Table, window: _Window, edges: Boundaries, classes: tuple[Class, ...]) -> Curated:
    """What was decided, in numbers."""
    grouped = decided.group_by([SPLIT, _REASON]).aggregate(rows=lambda group: group.count()).to_pyarrow().to_pylist()
    counts = {row[SPLIT]: row["rows"] for row in grouped if row[SPLIT]}
    by_class = decided.group_by([SPLIT, VALUE]).aggregate(rows=lambda group: group.count())
    per_class = {(row[SPLIT], row[VALUE]): row["rows"] for row in by_class.to_pyarrow().to_pylist()} if classes else {}
    taught = decided.filter(decided[SPLIT] == TRAIN)
    fitted = decided.filter(decided[SPLIT].isin([TRAIN, VALIDATION]))
    span = fitted.aggregate(first=fitted[TIME].min(), last=fitted[TIME].max()).to_pyarrow().to_pylist()[0]
    return Curated(
        spine=plan.spine.table,
        label=plan.predict.label,
        task=plan.predict.task,
        rows=sum(row["rows"] for row in grouped),
        watermark=window.watermark,
        onset=window.onset,
        window=(window.start, window.end),
        boundaries=(_moment(edges.validation), _moment(edges.test)),
        counts={name: counts.get(name, 0) for name in SPLITS},
        left_out={row[_REASON]: row["rows"] for row in sorted(grouped, key=lambda row: row[_REASON] or "") if not row[SPLIT]},
        classes=classes,
        class_counts={name: tuple(per_class.get((name, label), 0) for label in classes) for name in SPLITS} if classes else {},
        training_labels=int(taught[VALUE].nunique().to_pyarrow().as_py()),
        trained_on=(span["first"], span["last"]),
    )


def _moment(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else EPOCH + timedelta(microseconds=microseconds)
