"""Select features: which inputs a model is given, and why each other one is left out. Looks at training rows only."""

import difflib
import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from components.features.evidence import LEAKING, Evidence, explained, newest_missing, numbers_the_rows, same_categories, same_numbers
from components.features.extract import Frame
from journey.artifacts import LABEL, ROW, SPLIT, Dropped, FrameSchema, Input
from journey.errors import DataError, ProjectError
from journey.project import SelectPlan

# An input that is missing in more training rows than this can't be learned from: a guess, on the careful side.
MOSTLY_MISSING = 0.995
# A category with more different values than this share of its rows names rows, it doesn't group them: a guess.
NEARLY_UNIQUE = 0.9
FEW_ROWS = 50               # under so many rows everything looks unique

Judge = Callable[[Input, Evidence], Dropped | None]


@dataclass(frozen=True)
class Selected:
    """The frame with the kept inputs; its schema says what was dropped."""

    frame: Frame
    reasons: str            # the same for people, as an HTML page


def select(plan: SelectPlan, frame: Frame) -> Selected:
    """Drops inputs that were asked to go, are constant, useless, unavailable, leaking or redundant.

    Args:
        plan: the project's section.
        frame: what extract made; only its training rows are looked at.

    Raises:
        ProjectError: the project asks to drop what is no input.
        DataError: no input is left.
    """
    _refuse_unknown(plan.drop, frame.schema)
    training = frame.table.filter(pc.equal(frame.table.column(SPLIT), "train"))
    dropped = _dropped(plan, training, frame.schema)
    if len(dropped) == len(frame.schema.inputs):
        why = "; ".join(f"'{each.name}' {each.detail}" for each in dropped) or "there was none"
        raise DataError(f"expected at least one input that a model can learn from, found none: {why}. Give the project more features.")
    schema = kept_schema(frame.schema, dropped)
    names = [name for name in frame.table.column_names if name not in {each.name for each in dropped}]
    return Selected(Frame(frame.table.select(names), schema), reasons_page(schema, training.num_rows))


def kept_schema(schema: FrameSchema, dropped: tuple[Dropped, ...]) -> FrameSchema:
    """The schema without what was dropped; a view none of whose features is left is no longer looked up."""
    gone = {each.name for each in dropped}
    lookups = (
        each.model_copy(update={"features": tuple(feature for feature in each.features if feature.name not in gone)})
        for each in schema.lookups
    )
    return schema.model_copy(
        update={
            "inputs": tuple(each for each in schema.inputs if each.name not in gone),
            "derived": tuple(each for each in schema.derived if each.name not in gone),
            "lookups": tuple(each for each in lookups if each.features),
            "dropped": (*schema.dropped, *dropped),
        }
    )


def _dropped(plan: SelectPlan, training: pa.Table, schema: FrameSchema) -> tuple[Dropped, ...]:
    """In the order of the inputs; an input is compared with the earlier ones that are kept."""
    label = training.column(LABEL).to_numpy()
    rows = training.column(ROW).to_numpy()
    judges: tuple[Judge, ...] = (
        lambda each, _: _asked(each, plan.drop),
        _constant,
        _useless,
        _unavailable,
        lambda each, seen: _leaking(each, seen, label, len(schema.classes)),
    )
    dropped: list[Dropped] = []
    kept: dict[str, tuple[Input, Evidence]] = {}
    for each in schema.inputs:
        seen = Evidence.of(training.column(each.name), rows)
        reason = next((found for judge in judges if (found := judge(each, seen)) is not None), None) or _redundant(each, seen, kept)
        if reason is None:
            kept[each.name] = (each, seen)
        else:
            dropped.append(reason)
    return tuple(dropped)


def _asked(each: Input, drop: tuple[str, ...]) -> Dropped | None:
    if each.name not in drop:
        return None
    return Dropped(name=each.name, reason="asked", detail="is listed under features.drop in project.yaml")


def _constant(each: Input, seen: Evidence) -> Dropped | None:
    if seen.distinct == 0:
        return Dropped(name=each.name, reason="constant", detail=f"is missing in all {seen.rows:,} training rows")
    if seen.distinct == 1 and seen.missing == 0:
        return Dropped(name=each.name, reason="constant", detail=f"has one and the same value in all {seen.rows:,} training rows")
    return None


def _useless(each: Input, seen: Evidence) -> Dropped | None:
    present = seen.rows - seen.missing
    if seen.missing > MOSTLY_MISSING * seen.rows:
        detail = f"is missing in {seen.missing:,} of {seen.rows:,} training rows: too few are left to learn from"
    elif each.type == "category" and present >= FEW_ROWS and seen.distinct > NEARLY_UNIQUE * present:
        detail = f"has {seen.distinct:,} different values in {present:,} training rows: it names rows and doesn't group them"
    elif each.type == "integer" and each.origin == "spine" and present >= FEW_ROWS and numbers_the_rows(seen):
        detail = f"goes up by one from row to row in all {seen.rows:,} training rows: it numbers rows and says nothing of them"
    else:
        return None
    return Dropped(name=each.name, reason="useless", detail=detail)


def _unavailable(each: Input, seen: Evidence) -> Dropped | None:
    newest = newest_missing(seen)
    if newest is None:
        return None
    detail = (
        f"is missing in all of the newest {newest:,} training rows and in few before: it comes later than the prediction, or comes no more"
    )
    return Dropped(name=each.name, reason="unavailable", detail=detail)


def _leaking(each: Input, seen: Evidence, label: NDArray[np.float64], classes: int) -> Dropped | None:
    share = explained(seen, label, classes)
    if share < LEAKING:
        return None
    detail = (
        f"alone explains {share:.1%} of the label on training rows that it wasn't fitted on (limit {LEAKING:.0%}): "
        "it is most likely written down after the outcome"
    )
    return Dropped(name=each.name, reason="leaking", detail=detail)


def _redundant(each: Input, seen: Evidence, kept: Mapping[str, tuple[Input, Evidence]]) -> Dropped | None:
    for name, (other, evidence) in kept.items():
        if (each.type == "category") != (other.type == "category"):
            continue
        if each.type == "category" and same_categories(seen, evidence):
            detail = f"groups the training rows in the same way as '{name}'"
        elif each.type != "category" and same_numbers(seen, evidence):
            detail = f"is '{name}' on another scale: their correlation is ±1 to three digits, and both are missing in the same rows"
        else:
            continue
        return Dropped(name=each.name, reason="redundant", detail=detail)
    return None


def _refuse_unknown(drop: tuple[str, ...], schema: FrameSchema) -> None:
    names = [each.name for each in schema.inputs]
    for name in drop:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise ProjectError(f"features.drop: expected names of inputs ({', '.join(names)}), found '{name}'{hint}")


def reasons_page(schema: FrameSchema, rows: int) -> str:
    """What was kept and dropped, as one self-contained page."""
    dropped = "".join(
        f"<tr><td>{html.escape(each.name)}</td><td>{each.reason}</td><td>{html.escape(each.detail)}</td></tr>" for each in schema.dropped
    )
    kept = "".join(f"<tr><td>{html.escape(each.name)}</td><td>{each.type}</td><td>{each.origin}</td></tr>" for each in schema.inputs)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Features</title>'
        "<style>body{font:15px system-ui;margin:2em}td,th{padding:.2em 1em .2em 0;text-align:left;vertical-align:top}</style>"
        f"<h1>Features</h1><p>Decided on {rows:,} training rows.</p>"
        f"<h2>Dropped: {len(schema.dropped)}</h2><table><tr><th>input</th><th>reason</th><th>detail</th></tr>{dropped}</table>"
        f"<h2>Kept: {len(schema.inputs)}</h2><table><tr><th>input</th><th>type</th><th>from</th></tr>{kept}</table></html>\n"
    )
