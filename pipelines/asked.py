"""What a run was asked for, with everything looked up."""

import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from journey.places import Places
from journey.project import Project
from journey.targets import Target
from pipelines.placement import target_of
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
        return target_of(self.project, self.target)

    @property
    def places(self) -> Places:
        """Where this process finds the target's records."""
        return Places(self.place, self.home, os.environ)


def new_id() -> str:
    """A run's id: when it began, and something of its own; good as a part of a Kubernetes name."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
