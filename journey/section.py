"""What every section of project.yaml is, and the values that several of them have."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

from journey.clock import duration
from journey.values.carried import restored


def _checked_duration(text: object) -> object:
    if isinstance(text, str):
        duration(text)
    return text


Duration = Annotated[str, BeforeValidator(_checked_duration)]
"""90s, 15m, 6h or 30d, kept as it is written; `journey.clock.duration` gives the timedelta."""


class Section(BaseModel):
    """A part of project.yaml: unknown keys are refused, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _after_a_pipeline(cls, data: object) -> object:
        return restored(data) if isinstance(data, dict) else data
