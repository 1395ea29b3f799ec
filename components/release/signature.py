"""What a request to the packaged model looks like: signature.json."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from journey.artifacts import Derived, FrameSchema, Lookup
from journey.model.bundle import BundleSignature, OutputTensor, RequestColumn
from journey.sections import PackagePlan, Table
from journey.values.columns import ColumnRule, JsonValue

RawRow = Mapping[str, object]


@dataclass(frozen=True)
class _Needed:
    """What of the frame's origins the kept inputs still need."""

    derived: tuple[Derived, ...]
    lookups: tuple[Lookup, ...]
    columns: frozenset[str]

    @classmethod
    def of(cls, schema: FrameSchema) -> "_Needed":
        kept = {item.name for item in schema.inputs}
        derived = tuple(item for item in schema.derived if item.name in kept)
        lookups = tuple(
            lookup.model_copy(update={"features": features})
            for lookup in schema.lookups
            if (features := tuple(feature for feature in lookup.features if feature.name in kept))
        )
        spine = {item.name for item in schema.inputs if item.origin == "spine"}
        arguments = {argument for item in derived for argument in item.arguments}
        return cls(derived, lookups, frozenset(spine | arguments | {lookup.column for lookup in lookups}))


def signature_of(plan: PackagePlan, contract: Table, schema: FrameSchema, rows: Sequence[RawRow]) -> BundleSignature:
    """The signature of a model.

    Args:
        plan: the project's section.
        contract: of the spine.
        schema: the frame that the model was fitted on, after selection.
        rows: raw held-out rows, of which one becomes the example.
    """
    needed = _Needed.of(schema)
    columns = [name for name in contract.columns if name in needed.columns]
    shown = _fullest(rows, columns)
    width = 1 if schema.task == "regression" else len(schema.classes)
    return BundleSignature(
        task=schema.task,
        classes=schema.classes,
        positive=schema.classes[1] if schema.task == "binary" else None,
        request=tuple(RequestColumn(name=name, rule=contract.columns[name], example=_example(name, contract, shown)) for name in columns),
        ignored=tuple(name for name in contract.columns if name not in needed.columns),
        key=plan.key,
        time=plan.time,
        derived=needed.derived,
        lookups=needed.lookups,
        missing=plan.missing,
        inputs=schema.inputs,
        outputs=(OutputTensor(name="prediction" if schema.task == "regression" else "probability", shape=(-1, width)),),
    )


def _fullest(rows: Sequence[RawRow], columns: Sequence[str]) -> RawRow:
    """The row with the fewest missing values, the first of equals."""
    return max(rows, key=lambda row: sum(row.get(name) is not None for name in columns), default={})


def _example(name: str, contract: Table, row: RawRow) -> JsonValue:
    rule = contract.columns[name]
    if rule.pii:
        return _made_up(name, rule)
    value = row.get(name)
    return value if isinstance(value, str | int | float | bool) else None


def _made_up(name: str, rule: ColumnRule) -> JsonValue:
    """A value of the column's type that belongs to nobody."""
    if rule.values:
        return rule.values[0]
    low, high = rule.range or (None, None)
    number = low if low is not None else high if high is not None else 1.0
    by_type: dict[str, JsonValue] = {
        "string": f"{name}-1",
        "category": f"{name}-1",
        "integer": int(number),
        "float": (number - (rule.offset or 0.0)) / (rule.scale or 1.0),
        "boolean": True,
        "date": "2026-01-01",
        "timestamp": "2026-01-01T00:00:00",
    }
    return by_type[rule.type]
