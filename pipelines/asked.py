"""What a run was asked for, with everything looked up."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from journey.project import Project
from journey.sections import Target
from pipelines.runs import RunOptions


@dataclass(frozen=True)
class Asked:
    """A run that is about to begin.

    Attributes:
        run: its id.
        directory: the project's folder, absolute.
        home: $JOURNEY_HOME, absolute.
        pipeline, target: as they were named.
    """

    run: str
    directory: Path
    home: Path
    project: Project
    pipeline: str
    target: str
    options: RunOptions

    @property
    def place(self) -> Target:
        """What project.yaml says of the target; `local` needn't stand there."""
        return self.project.targets.get(self.target, Target())


def new_id() -> str:
    """A run's id: when it began, and something of its own; good as a part of a Kubernetes name."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
