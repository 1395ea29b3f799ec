"""What people see of a run: live on a terminal, one line a step elsewhere; always on stderr."""

import sys
import time

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from pipelines.runs import Step

_MARKS = {"done": "✓", "failed": "✗", "refused": "✗", "skipped": "·"}
_COLOURS = {"done": "green", "failed": "red", "refused": "yellow", "skipped": "bright_black"}


def line_of(step: Step) -> str:
    """A step in one line: how it ended, its name, and how long it took or that nothing new came out."""
    if step.state == "skipped":
        told = "skipped"
    elif step.cached:
        told = f"cached ({step.seconds:.1f} s to look)" if step.seconds else "cached"
    else:
        told = f"{step.seconds:.1f} s" if step.state == "done" else f"{step.seconds:.1f} s, {step.state}"
    return f"{_MARKS[step.state]} {step.name:<34} {told}"


class Lines:
    """One line on stderr for each step that ends."""

    def began(self, step: str) -> None:
        """Says nothing: the line comes when the step ends."""

    def ended(self, step: Step) -> None:
        """Writes the step's line."""
        self.said(line_of(step))

    def said(self, line: str) -> None:
        """Writes the line."""
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    def close(self) -> None:
        """Nothing is open."""


class Screen:
    """Steps that run, with their seconds, below the lines of those that ended."""

    def __init__(self) -> None:
        self._running: dict[str, float] = {}
        self._live = Live(console=Console(stderr=True), refresh_per_second=8, get_renderable=self._drawn, transient=True)

    def began(self, step: str) -> None:
        """Shows the step as running."""
        self._live.start()          # not before: it hides the cursor, and only a run that has begun calls `close`
        self._running[step] = time.monotonic()

    def ended(self, step: Step) -> None:
        """Writes the step's line above those that still run."""
        self._running.pop(step.name, None)
        self._live.console.print(Text(line_of(step), style=_COLOURS[step.state]), highlight=False)

    def said(self, line: str) -> None:
        """Writes the line above the steps that run."""
        self._live.console.print(Text(line), highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Leaves the lines of the steps that ended."""
        self._live.stop()

    def _drawn(self) -> RenderableType:
        now = time.monotonic()
        return Group(*(Spinner("dots", f"{name:<34} {now - began:.0f} s") for name, began in self._running.items()))
