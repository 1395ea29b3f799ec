"""The gates on a model: what project.yaml asks of it, and the verdicts."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from journey.errors import GateFailed, ProjectError
from journey.model.scores import metrics_of
from journey.sections import Bound, Gates, Task

OVER_DUMMY, OVER_CHAMPION, BYTES = "over_dummy", "over_champion", "bytes"


@dataclass(frozen=True)
class Verdict:
    """What became of one gate.

    Attributes:
        found: the value that was looked at; None where it couldn't be found out, so that a person decides.
        text: `passed: …`, `failed: …` or `undecided: …`; only a failure names the limit, so that what passes is
            written the same whatever the limit was.
    """

    gate: str
    found: float | None
    passed: bool
    text: str


def require_known(gates: Gates, task: Task) -> None:
    """Refuses gates that no step would look at.

    Raises:
        ProjectError: a gate is no metric of the task, nor over_dummy, over_champion, bytes.
    """
    known = (*metrics_of(task), OVER_DUMMY, OVER_CHAMPION, BYTES)
    for gate in gates.model:
        if gate not in known:
            raise ProjectError(f"gates.model: expected gates for {task} ({', '.join(known)}), found '{gate}'")


def on_metrics(gates: Gates) -> dict[str, Bound]:
    """Those gates that are on a metric's own value."""
    return {gate: bound for gate, bound in gates.model.items() if gate not in {OVER_DUMMY, OVER_CHAMPION, BYTES}}


def judged(gates: Gates, found: Mapping[str, float | None], notes: Mapping[str, str]) -> tuple[Verdict, ...]:
    """A verdict on each gate, in the order of their names.

    Args:
        gates: what is asked.
        found: gate > value; a gate that isn't there or whose value is None is undecided.
        notes: gate > what the value is, or why there is none.
    """
    return tuple(_verdict(gate, gates.model[gate], found.get(gate), notes.get(gate, "")) for gate in sorted(gates.model))


def refuse_failed(verdicts: Iterable[Verdict]) -> None:
    """Stops where a gate failed.

    Raises:
        GateFailed: naming each gate that failed, what was expected and what was found.
    """
    failed = [verdict for verdict in verdicts if not verdict.passed]
    if failed:
        each = "; ".join(f"gate {verdict.gate} {verdict.text}" for verdict in failed)
        raise GateFailed(f"{each}. Nothing was registered. Give better data or candidates, or lower gates.model in project.yaml.")


def within(bound: Bound, value: float) -> bool:
    """Whether a value holds a bound; NaN holds none."""
    return not math.isnan(value) and (bound.min is None or value >= bound.min) and (bound.max is None or value <= bound.max)


def _verdict(gate: str, bound: Bound, found: float | None, note: str) -> Verdict:
    if found is None:
        return Verdict(gate, None, True, f"undecided: {note or 'nothing to compare with'}")
    shown = f"found {found:.6g}" + (f" ({note})" if note else "")
    if within(bound, found):
        return Verdict(gate, found, True, f"passed: {shown}")
    return Verdict(gate, found, False, f"failed: expected {_asked(bound)}, {shown}")


def _asked(bound: Bound) -> str:
    least = [f"at least {bound.min:g}"] if bound.min is not None else []
    most = [f"at most {bound.max:g}"] if bound.max is not None else []
    return " and ".join(least + most) or "any value"
