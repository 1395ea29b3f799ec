import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from journey.errors import ProjectError
from pipelines.engines.job.manifest import Placing, owner_of, pod_of
from pipelines.engines.local.graph import Program
from tests.pipelines.engines.job.conftest import MakeJob

PLACING = Placing("20261121-140751-ab12", "payments", "kind", {"apiVersion": "v1", "kind": "Pod", "name": "executor", "uid": "u-1"})


@pytest.fixture
def pod(make_job: MakeJob) -> Mapping[str, Any]:
    return json.loads(json.dumps(pod_of(make_job(), PLACING)))  # type: ignore[no-any-return]  # what goes over the wire


@pytest.fixture
def container(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    (only,) = pod["spec"]["containers"]
    return dict(only)


def test_the_pod_belongs_to_the_executor_and_says_whose_step_it_is(pod: Mapping[str, Any]) -> None:
    metadata = pod["metadata"]

    assert metadata["ownerReferences"] == [{"apiVersion": "v1", "kind": "Pod", "name": "executor", "uid": "u-1"}]
    assert metadata["name"].startswith("20261121-140751-ab12-train-logistic-")
    assert metadata["labels"]["journey/run"] == "20261121-140751-ab12"
    assert metadata["labels"]["journey/step"] == "train"
    assert metadata["labels"]["app.kubernetes.io/component"] == "step"
    assert metadata["annotations"]["journey/step"] == "train.logistic"


def test_nobody_is_root_and_nothing_can_be_written_but_the_home_and_tmp(pod: Mapping[str, Any], container: Mapping[str, Any]) -> None:
    context = pod["spec"]["securityContext"]

    assert (context["runAsNonRoot"], context["runAsUser"], context["seccompProfile"]) == (True, 65532, {"type": "RuntimeDefault"})
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")} == {"/journey/home", "/tmp"}


def test_a_step_cannot_speak_to_the_cluster_and_is_never_started_twice(pod: Mapping[str, Any]) -> None:
    spec = pod["spec"]

    assert (spec["serviceAccountName"], spec["automountServiceAccountToken"], spec["restartPolicy"]) == ("journey-step", False, "Never")
    assert spec["enableServiceLinks"] is False


def test_the_pipelines_own_command_runs_and_kubernetes_puts_nothing_into_it(container: Mapping[str, Any], program: Program) -> None:
    assert container["image"] == "registry/steps@sha256:1"
    assert expanded(container["command"]) == list(program.container.command)
    arguments = expanded(container["args"])
    assert json.loads(arguments[arguments.index("--executor_input") + 1])["inputs"]["parameterValues"]["text"] == "$(LEDGER_URL) costs $$"


def expanded(words: list[str]) -> list[str]:
    """What Kubernetes makes of a command's words: `$$` becomes `$`, and an unescaped reference would be replaced."""
    plain = [word.replace("$$", "\0") for word in words]
    assert not any("$" in word for word in plain)
    return [word.replace("\0", "$") for word in plain]


def test_variables_come_from_the_platform_the_pipeline_and_by_reference(container: Mapping[str, Any]) -> None:
    literal = {item["name"]: item["value"] for item in container["env"] if "value" in item}
    held = {item["name"]: item["valueFrom"] for item in container["env"] if "valueFrom" in item}

    assert literal["JOURNEY_HOME"] == "/journey/home"
    assert literal["JOURNEY_TARGET"] == "kind"
    assert (literal["JOURNEY_RUN"], literal["JOURNEY_KEYS"]) == ("r1", "/keys")
    assert literal["OMP_NUM_THREADS"] == "1"
    assert held == {
        "LEDGER_URL": {"secretKeyRef": {"name": "journey-urls", "key": "LEDGER_URL", "optional": False}},
        "SCALE": {"configMapKeyRef": {"name": "settings", "key": "scale", "optional": True}},
    }
    assert container["envFrom"] == [{"configMapRef": {"name": "journey-settings", "optional": True}}]


def test_what_the_pipeline_mounts_is_read_only(pod: Mapping[str, Any], container: Mapping[str, Any]) -> None:
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    mounted = {mount["mountPath"]: (volumes[mount["name"]], mount.get("readOnly", False)) for mount in container["volumeMounts"]}

    assert mounted["/data"][0]["persistentVolumeClaim"] == {"claimName": "bank", "readOnly": True}
    assert mounted["/journey/keys"][0]["secret"]["secretName"] == "journey-signing"
    assert mounted["/journey/trusted"][0]["configMap"]["name"] == "trusted"
    assert all(mounted[path][1] for path in ("/data", "/journey/keys", "/journey/trusted"))


def test_resources_nodes_and_time_are_as_the_pipeline_asks(pod: Mapping[str, Any], container: Mapping[str, Any]) -> None:
    assert container["resources"] == {"requests": {"cpu": "250m", "memory": "1Gi"}, "limits": {"memory": "1Gi"}}
    assert pod["spec"]["nodeSelector"] == {"disk": "fast"}
    assert pod["spec"]["activeDeadlineSeconds"] == 600


def test_two_attempts_have_two_names_and_a_long_one_still_fits(make_job: MakeJob) -> None:
    first, second = (pod_of(make_job(), PLACING)["metadata"]["name"] for _ in range(2))  # type: ignore[index]  # a manifest
    long = pod_of(make_job("Train_Model." * 20), replace(PLACING, run="My Run!" * 20))["metadata"]  # type: ignore[index]

    assert first != second
    assert len(long["name"]) <= 63
    assert set(long["name"]) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert len(long["labels"]["journey/run"]) <= 63


def test_what_is_asked_of_kubernetes_and_not_supported_is_refused(make_job: MakeJob, program: Program) -> None:
    asks = replace(program, container=replace(program.container, unsupported=("tolerations",)))

    with pytest.raises(ProjectError, match="tolerations"):
        pod_of(make_job(used=asks), PLACING)


def test_a_step_without_an_image_is_refused(make_job: MakeJob, program: Program) -> None:
    with pytest.raises(ProjectError, match="expected an image"):
        pod_of(make_job(used=replace(program, container=replace(program.container, image=""))), PLACING)


def test_the_owner_is_the_pod_that_this_process_runs_in() -> None:
    assert owner_of({}) is None
    assert owner_of({"JOURNEY_POD_NAME": "p", "JOURNEY_POD_UID": "u"}) == {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}
