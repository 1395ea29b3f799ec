"""A step of a compiled pipeline, as the executor hands it on."""

from collections.abc import Callable
from pathlib import Path

import pytest
from google.protobuf import json_format
from kfp import dsl, kubernetes

from pipelines.engines.local.graph import Program, read
from pipelines.engines.runner import Job

MakeJob = Callable[..., Job]


@dsl.component(base_image="registry/steps@sha256:1", install_kfp_package=False)
def train(text: str) -> None:
    """Costs $5, not $(LEDGER_URL)."""


@pytest.fixture(scope="session")
def program() -> Program:
    """With everything that a pipeline may ask of Kubernetes here."""

    @dsl.pipeline(name="toys")
    def pipeline() -> None:
        task = train(text="x").set_env_variable("JOURNEY_KEYS", "/keys")
        task.set_cpu_request("250m").set_memory_request("1Gi").set_memory_limit("1Gi")
        kubernetes.use_secret_as_env(task, "journey-urls", {"LEDGER_URL": "LEDGER_URL"})
        kubernetes.use_config_map_as_env(task, "settings", {"scale": "SCALE"}, optional=True)
        kubernetes.use_secret_as_volume(task, "journey-signing", "/journey/keys")
        kubernetes.use_config_map_as_volume(task, "trusted", "/journey/trusted")
        kubernetes.mount_pvc(task, "bank", "/data")
        kubernetes.add_node_selector(task, "disk", "fast")
        kubernetes.set_timeout(task, 600)

    graph = read(json_format.MessageToDict(pipeline.pipeline_spec), json_format.MessageToDict(pipeline.platform_spec))
    return next(graph.programs())


@pytest.fixture
def make_job(program: Program, tmp_path: Path) -> MakeJob:
    """Makes a job; its log is there, as the executor sees to it."""

    def made(step: str = "train.logistic", used: Program = program) -> Job:
        log = tmp_path / "log"
        log.touch()
        given = {"inputs": {"parameterValues": {"text": "$(LEDGER_URL) costs $$"}, "artifacts": {}}, "outputs": {}}
        return Job(step, "train", "models", used, given, {"JOURNEY_RUN": "r1", **used.environment}, log, tmp_path / "error")

    return made
