"""What a search may vary: ranges and choices, in a form that JSON and a KFP pipeline carry without loss."""

from collections.abc import Mapping
from typing import TypeAlias

from pydantic import BaseModel, ConfigDict, TypeAdapter

Parameter: TypeAlias = str | int | float | bool | None


class Range(BaseModel):
    """From `low` to `high`, both included.

    Attributes:
        log: drawn so that each power of ten is as likely.
        whole: only integers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: float
    high: float
    log: bool = False
    whole: bool = False


class Choices(BaseModel):
    """One of these."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    choices: tuple[Parameter, ...]


Space: TypeAlias = Range | Choices
_SPACE: TypeAdapter[Space] = TypeAdapter(Space)


def space_of(written: object) -> Space:
    """What people write: (low, high), (low, high, "log") or a list of choices. A range of two integers holds only integers."""
    if isinstance(written, list):
        return Choices(choices=tuple(written))
    low, high, *log = written if isinstance(written, tuple) else ()
    return Range(low=low, high=high, log=bool(log), whole=isinstance(low, int) and isinstance(high, int))


def stored(spaces: Mapping[str, object]) -> dict[str, object]:
    """A candidate's spaces as its `search_space`."""
    return {name: space_of(written).model_dump(mode="json") for name, written in spaces.items()}


def read(search_space: Mapping[str, object]) -> dict[str, Space]:
    """A candidate's `search_space` as spaces, in the order of their names: a pipeline doesn't keep the order of keys."""
    return {name: _SPACE.validate_python(search_space[name]) for name in sorted(search_space)}
