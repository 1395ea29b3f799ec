"""A run as it is asked for and as it is told of, whatever engine it went through."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

StepState = Literal["done", "failed", "refused", "skipped"]
RunState = Literal["done", "failed", "refused"]


@dataclass(frozen=True)
class Step:
    """One step of a run.

    Attributes:
        state: refused means that a gate said no.
        seconds: how long it took in this run; 0 where it was taken from the cache.
        cached: nothing new came out: it was not run again, or it was and found what was there before.
        log: what it wrote, maybe in the run in which it ran last.
        after: the steps that it waited on.
        started: seconds since the run's start.
    """

    name: str
    state: StepState
    seconds: float
    cached: bool
    log: Path | None
    after: tuple[str, ...] = ()
    started: float = 0.0


class Progress(Protocol):
    """Is told what happens while it happens."""

    def began(self, step: str) -> None:
        """A step starts to run."""

    def ended(self, step: Step) -> None:
        """A step ended, or was taken from the cache."""

    def said(self, line: str) -> None:
        """A line for people that is no step's: an image is made, a pod starts."""

    def close(self) -> None:
        """The run is over."""


class Silence:
    """Progress that nobody looks at."""

    def began(self, step: str) -> None:
        """Says nothing."""

    def ended(self, step: Step) -> None:
        """Says nothing."""

    def said(self, line: str) -> None:
        """Says nothing."""

    def close(self) -> None:
        """Says nothing."""


@dataclass(frozen=True)
class RunOptions:
    """How to run.

    Attributes:
        parameters: values for the pipeline's parameters, such as `onset`.
        until: the last step to run; None for all.
        workers: how many steps at a time; None for as many as there are cores.
        home: where everything is kept; None for `.journey` in the project.
        run: the run's id; None for a new one. An id that was used before is taken up again.
        wait: whether to wait for another run of the same home, instead of refusing.
        niceness: how much the steps give way to other processes, 0 to 19: a retraining beside a server.
    """

    parameters: Mapping[str, str] = field(default_factory=dict)
    until: str | None = None
    workers: int | None = None
    progress: Progress | None = None
    home: Path | None = None
    run: str | None = None
    wait: bool = False
    niceness: int = 0


@dataclass(frozen=True)
class Run:
    """What became of a run.

    Attributes:
        state: refused means that a gate said no; nothing is broken then, and nothing was registered.
        version, bundle_digest: what was registered, if anything.
        metrics: "test" and "validation" > metric > value, of the chosen model.
        outputs: step > output > path of an artifact (a list of paths for a loop's), or the value of a parameter.
        error: one message for people; None when the run is done.
    """

    id: str
    project: Path
    home: Path
    state: RunState
    model: str
    version: int | None
    bundle_digest: str | None
    metrics: Mapping[str, Mapping[str, float]]
    steps: tuple[Step, ...]
    outputs: Mapping[str, Mapping[str, object]]
    report: Path | None
    error: str | None
    exit_code: int
    seconds: float

    def json(self) -> dict[str, object]:
        """The object that `journey run --json` ends with; the same is kept as result.json."""
        return {
            "run": self.id,
            "state": self.state,
            "model": self.model,
            "version": self.version,
            "bundle_digest": self.bundle_digest,
            "metrics": {part: dict(values) for part, values in self.metrics.items()},
            "steps": [step_json(step) for step in self.steps],
            "report": str(self.report) if self.report else None,
            "error": self.error,
            "seconds": round(self.seconds, 3),
            "outputs": {step: dict(values) for step, values in self.outputs.items()},
        }


def keep(run: Run) -> None:
    """Writes a run's result.json, whole or not at all."""
    path = run.home / "runs" / run.id / "result.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(run.json(), indent=2) + "\n", encoding="utf-8")
    unfinished.replace(path)


def step_json(step: Step) -> dict[str, object]:
    """A step as result.json has it."""
    return {
        "name": step.name,
        "state": step.state,
        "seconds": round(step.seconds, 3),
        "cached": step.cached,
        "log": str(step.log) if step.log else None,
        "after": list(step.after),
        "started": round(step.started, 3),
    }
