"""Each step of a target gets its own secrets, volumes and resources, and no other step does; a laptop's pipeline asks for nothing."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from journey.errors import ProjectError
from journey.project import load_project
from journey.step_names import CONTAINERIZE, STEPS
from pipelines.compile import Compiled, compile_training, compiled_training, kfp_yaml
from pipelines.engines.local.graph import read
from pipelines.placement import placement_of, target_of
from pipelines.sections import sections_of

PAYMENTS = Path(__file__).resolve().parents[2] / "examples" / "payments"
PLANTED = {"BANK_URL": "sqlite:////planted-bank", "LEDGER_URL": "postgresql://j:planted-ledger@h/j", "MLFLOW_URL": "http://planted-mlflow",
           "REDIS_URL": "redis://:planted-redis@h"}  # fmt: skip


def compiled(target: str) -> Compiled:
    return compile_training(sections_of(load_project(PAYMENTS), PAYMENTS, "a1b2", target))


@pytest.fixture(scope="module")
def kind() -> Compiled:
    """The payments example for its cluster."""
    return compiled("kind")


def asked(compiled: Compiled, step: str) -> Mapping[str, list[Mapping[str, object]]]:
    """What a step's pod asks of Kubernetes."""
    executors = compiled.platform.get("platforms", {}).get("kubernetes", {}).get("deploymentSpec", {}).get("executors", {})
    return executors.get(f"exec-{step}", {})


def secrets(compiled: Compiled, step: str) -> set[tuple[str, str]]:
    """(Secret, variable) of a step."""
    return {
        (source["secretName"], pair["envVar"])
        for source in asked(compiled, step).get("secretAsEnv", [])
        for pair in source["keyToEnv"]
        if pair["secretKey"] == pair["envVar"]
    }


def container(compiled: Compiled, step: str) -> Mapping[str, object]:
    return compiled.spec["deploymentSpec"]["executors"][f"exec-{step}"]["container"]


def test_a_step_has_the_secrets_that_it_uses_and_no_other(kind):
    expected = {
        "ingest-data": {("journey-sources", "BANK_URL")},
        "register-model": {("journey-urls", "LEDGER_URL"), ("journey-urls", "MLFLOW_URL")},
        "containerize-model": {("journey-urls", "LEDGER_URL")},
    }
    assert {step: found for step in STEPS if (found := secrets(kind, step))} == expected


def test_only_package_can_sign_and_only_those_that_open_bundles_have_the_public_keys(kind):
    private = {step: asked(kind, step)["secretAsVolume"] for step in STEPS if "secretAsVolume" in asked(kind, step)}
    assert {step: (one["secretName"], one["mountPath"]) for step, (one,) in private.items()} == {
        "package-model": ("journey-signing", "/journey/keys")
    }
    public = {step: asked(kind, step)["configMapAsVolume"] for step in STEPS if "configMapAsVolume" in asked(kind, step)}
    assert {step: (one["configMapName"], one["mountPath"]) for step, (one,) in public.items()} == {
        "choose-model": ("journey-trusted-keys", "/journey/keys"),
        "register-model": ("journey-trusted-keys", "/journey/keys"),
    }
    for step in STEPS:
        told = {"name": "JOURNEY_KEYS", "value": "/journey/keys"} in container(kind, step).get("env", [])
        assert told == (step in private or step in public), step


def test_the_data_volume_is_where_sources_are_read_and_nowhere_else(kind):
    mounts = {step: asked(kind, step)["pvcMount"] for step in STEPS if "pvcMount" in asked(kind, step)}
    assert {step: (one["constant"], one["mountPath"]) for step, (one,) in mounts.items()} == {"ingest-data": ("bank", "/data")}


def test_every_step_has_the_resources_of_its_name_or_of_the_star(kind):
    project = load_project(PAYMENTS)
    star = project.targets["kind"].resources["*"]
    for step in STEPS:
        found = container(kind, step)["resources"]
        asked = (found["resourceCpuRequest"], found["resourceMemoryRequest"], found["resourceMemoryLimit"])
        assert asked == (star.cpu, star.memory, star.memory)
        assert "resourceCpuLimit" not in found                # a step may use what others leave
    own = target_of(project, "kind").model_copy(update={"resources": {"train-model": star}})
    needs = placement_of(project, own).needs
    assert (needs["train-model"].memory, needs["tune-models"].memory) == (star.memory, "")


def test_no_secret_is_in_what_is_compiled_for_a_cluster(monkeypatch):
    for name, value in PLANTED.items():
        monkeypatch.setenv(name, value)
    text = kfp_yaml(PAYMENTS, "journey-steps@sha256:0", "kind")
    assert "planted" not in text
    assert all(f"${{{name}}}" in text for name in ("BANK_URL", "LEDGER_URL", "MLFLOW_URL"))
    assert "REDIS_URL" not in text                            # no step reads or writes the online store


def test_records_go_to_the_steps_that_write_them(kind):
    tasks = {task.name: task for task in read(kind.spec, kind.platform).tasks(read(kind.spec, kind.platform).root)}
    assert set(tasks) - {"for-loop-1"} == set(STEPS)
    for step in ("register-model", CONTAINERIZE):
        assert tasks[step].parameters["records"].value == {"ledger": "${LEDGER_URL}", "registry": "${MLFLOW_URL}"}
    assert tasks[CONTAINERIZE].parameters["registry"].value == {"images": "localhost:5000", "push": "registry.payments.svc:5000"}
    assert "register-model" in tasks[CONTAINERIZE].after


def test_a_laptops_pipeline_asks_for_nothing_of_a_cluster():
    here = compiled("local")
    assert here.platform == {}
    text = json.dumps(here.spec)
    assert not any(word in text for word in ("containerize", "LEDGER_URL", "resources", "JOURNEY_KEYS", "/journey/keys"))
    assert set(here.spec["deploymentSpec"]["executors"]) == {f"exec-{step}" for step in STEPS if step != CONTAINERIZE}


def test_steps_are_given_the_same_on_every_target_but_where_their_records_are(kind):
    here = compiled("local")
    tasks = {name: {task.name: task for task in read(one.spec, one.platform).tasks(read(one.spec, one.platform).root)}
             for name, one in (("here", here), ("kind", kind))}  # fmt: skip
    differing = {
        step for step, task in tasks["here"].items()
        if {**task.parameters, "records": None} != {**tasks["kind"][step].parameters, "records": None}
    }  # fmt: skip
    assert differing == set()


def test_another_target_is_not_taken_for_what_was_compiled_before(tmp_path):
    project = load_project(PAYMENTS)
    first, second = (compiled_training(sections_of(project, PAYMENTS, "", target), tmp_path) for target in ("local", "kind"))
    assert (first.platform == {}, second.platform == {}) == (True, False)


def test_an_unknown_target_is_told_with_the_known_ones():
    with pytest.raises(ProjectError, match=r"expected one of kind, local, found 'prod'\. Declare it under targets"):
        target_of(load_project(PAYMENTS), "prod")
