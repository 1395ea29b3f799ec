"""What a step costs beside its own work: our executor and kfp.local, on the same compiled pipelines.

The marginal cost of a step is the time of a chain of `STEPS` + 1 steps less that of a chain of one, over `STEPS`; so neither starting up
nor loading libraries into a fork server counts, and the latter is told apart.
"""

import contextlib
import io
import json
import logging
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import json_format  # type: ignore[import-untyped]  # protobuf ships no types
from kfp import dsl, local
from kfp.dsl.graph_component import GraphComponent

from pipelines.engines.local.engine import Request, execute
from pipelines.engines.local.graph import read

ROOT = Path(__file__).resolve().parents[1]
STEPS = 20
REPEATS = 3                 # of what takes little time; the least of them counts, because other processes only ever add
HEAVY = ("pandas", "sklearn.linear_model")


@dsl.component(base_image="python", install_kfp_package=False)
def trivial(number: int) -> int:
    """Adds one."""
    return number + 1


@dsl.component(base_image="python", install_kfp_package=False)
def heavy(number: int) -> int:
    """Adds one after importing what most steps import."""
    import pandas as pd
    from sklearn.linear_model import LogisticRegression

    assert LogisticRegression is not None
    return int(pd.Series([number]).sum()) + 1


@dataclass(frozen=True)
class Cost:
    """A chain of steps, measured: seconds for each further step, and seconds of loading libraries ahead of all steps."""

    step_seconds: float
    preload_seconds: float = 0.0


def measured() -> dict[str, float]:
    """Every figure of the executor, and of kfp.local beside it; ratios are kfp.local's cost over ours."""
    light, loaded = ours(trivial), ours(heavy)
    their_light, their_loaded = kfp_local(trivial), kfp_local(heavy)
    return {
        "executor_trivial_ms": round(light.step_seconds * 1000, 2),
        "kfp_local_trivial_ms": round(their_light.step_seconds * 1000, 2),
        "executor_trivial_vs_kfp_local": round(their_light.step_seconds / light.step_seconds, 1),
        "executor_heavy_ms": round(loaded.step_seconds * 1000, 2),
        "kfp_local_heavy_ms": round(their_loaded.step_seconds * 1000, 2),
        "executor_heavy_vs_kfp_local": round(their_loaded.step_seconds / loaded.step_seconds, 1),
        "executor_preload_s": round(loaded.preload_seconds, 2),
    }


def ours(step: Callable[[int], int]) -> Cost:
    """The cost of a step in our executor, nothing cached."""
    preload: list[float] = []

    def run(steps: int) -> float:
        graph = read(json_format.MessageToDict(chain(step, steps).pipeline_spec), {})
        with tempfile.TemporaryDirectory() as home:
            ended = execute(graph, Request(run="bench", home=Path(home), root=ROOT, libraries={"steps": HEAVY if step is heavy else ()}))
        assert ended.failure is None, ended.failure.text()
        preload.append(sum(ended.preload_seconds.values()))
        return ended.seconds - preload[-1]

    one, many = (min(run(steps) for _ in range(REPEATS)) for steps in (1, STEPS + 1))
    return Cost((many - one) / STEPS, min(preload))


def kfp_local(step: Callable[[int], int]) -> Cost:
    """The cost of a step in kfp.local's SubprocessRunner, in the same environment."""

    def run(steps: int) -> float:
        pipeline = chain(step, steps)
        with tempfile.TemporaryDirectory() as root, _quiet():
            local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root=root)
            began = time.monotonic()
            pipeline()
            return time.monotonic() - began

    return Cost((run(STEPS + 1) - run(1)) / STEPS)


def chain(step: Callable[[int], int], steps: int) -> GraphComponent:
    """A pipeline of so many steps, each of which waits for the one before."""

    @dsl.pipeline(name="chain")
    def pipeline() -> None:
        made = step(number=0)  # type: ignore[call-arg]  # a component, called by name
        for _ in range(steps - 1):
            made = step(number=made.output)  # type: ignore[call-arg, attr-defined]  # a task

    return pipeline


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """kfp.local writes every step's log to stdout."""
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measured(), indent=2) + "\n")
