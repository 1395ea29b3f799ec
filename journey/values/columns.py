"""Column rules: what a column's values must become, and the form of the rule for one value."""

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

ColumnType = Literal["string", "category", "integer", "float", "boolean", "date", "timestamp"]
Breach = Literal["quarantine", "fail", "null", "clip", "warn"]
JsonValue = str | int | float | bool | None
Value = str | int | float | bool | date | datetime | None


class ColumnRule(BaseModel):
    """One column's rule, applied in the order of the fields whatever the order in the file."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    strip: bool = True
    collapse: bool = False
    null: tuple[str, ...] = ("",)
    case: Literal["lower", "upper"] | None = None
    spellings: dict[str, str] = Field(default_factory=dict)
    type: ColumnType
    true: tuple[str, ...] = ("true", "t", "yes", "y", "1")
    false: tuple[str, ...] = ("false", "f", "no", "n", "0")
    zone: str | None = None
    scale: float | None = None
    offset: float | None = None
    unit: str | None = None
    required: bool = False
    range: tuple[float | None, float | None] | None = None
    values: tuple[str, ...] | None = None
    pattern: str | None = None
    breach: Breach = "quarantine"
    pii: bool = False
