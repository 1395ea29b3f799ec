"""A home, and a way to run a toy pipeline in it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipelines.engines.local.engine import Ended, Request, execute
from pipelines.engines.local.graph import read

Run = Callable[..., Ended]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def run(home: Path) -> Run:
    """Runs a KFP pipeline; keyword arguments are those of Request."""

    def ran(pipeline: Any, **asked: Any) -> Ended:
        from google.protobuf import json_format

        graph = read(json_format.MessageToDict(pipeline.pipeline_spec), json_format.MessageToDict(pipeline.platform_spec))
        runs = home / "runs"
        number = len(list(runs.iterdir())) if runs.is_dir() else 0
        return execute(graph, replace(Request(run=f"run-{number}", home=home, root=Path(__file__).parents[4], workers=2), **asked))

    return ran
