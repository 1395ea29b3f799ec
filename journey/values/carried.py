"""What a KFP pipeline takes from a value on its way to a step, and how it is found again.

A pipeline carries a dict as a protobuf Struct: keys come out sorted, every number as a double, and None is refused.
`carried` writes a model so that nothing of that matters; a model whose base validates with `restored` reads it again.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, TypeAlias, TypeVar

from pydantic import BaseModel, BeforeValidator, SerializationInfo, SerializerFunctionWrapHandler, WrapSerializer

NULL = "__null__"
_FLOAT = "__float__"           # before a double that is whole: 1.0 of the columns is all of them to scikit-learn, and 1 is one
_CARRIED = "carried"
_MAX_WHOLE = 2.0**53           # beyond it a double no longer tells neighbouring integers apart

K = TypeVar("K")
V = TypeVar("V")


def carried(model: BaseModel) -> dict[str, object]:
    """The model as a constant or an output parameter of a pipeline: JSON values, no None, defaults left out."""
    dump: dict[str, object] = model.model_dump(mode="json", exclude_defaults=True, context=_CARRIED)
    return {key: told(value) for key, value in dump.items()}


def restored(value: object) -> object:
    """What `carried` gave, after the pipeline: numbers are what they were, and None is None, at every depth."""
    if isinstance(value, float) and value.is_integer() and abs(value) <= _MAX_WHOLE:
        return int(value)
    if isinstance(value, str):
        if value.startswith(_FLOAT):
            return float(value.removeprefix(_FLOAT))
        return None if value == NULL else value
    if isinstance(value, Mapping):
        return {key: restored(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [restored(inner) for inner in value]
    return value


def told(value: object) -> object:
    """A JSON value so that a pipeline takes nothing from it; `restored` gives it back."""
    if value is None:
        return NULL
    if isinstance(value, float) and value.is_integer():
        return f"{_FLOAT}{value!r}"
    if isinstance(value, dict):
        return {key: told(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [told(inner) for inner in value]
    return value


def _from_pairs(value: object) -> object:
    if isinstance(value, list | tuple) and all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in value):
        return dict(value)
    return value


def _in_order(value: object, serialize: SerializerFunctionWrapHandler, info: SerializationInfo) -> object:
    dump = serialize(value)
    return [[key, inner] for key, inner in dump.items()] if info.context == _CARRIED else dump


InOrder: TypeAlias = Annotated[dict[K, V], BeforeValidator(_from_pairs), WrapSerializer(_in_order)]
"""A mapping whose order means something: carried as a list of pairs."""
