import json

import pytest

from components.pod import EXECUTOR, OPERATOR
from journey.targets import Target
from pipelines.remote.jobs import Command, job_of

URLS = {"ledger": "${LEDGER_URL}", "registry": "${MLFLOW_URL}", "online": "${REDIS_URL}", "images": "localhost:5000"}
PLACE = Target(engine="job", namespace="payments", **URLS)
IMAGE = "localhost:5000/payments-steps@sha256:" + "0" * 64
HOSTILE = ("retire", "1", '--reason="; rm -rf $HOME `id` ${LEDGER_URL}')


def job(component=EXECUTOR, words=("--run", "a"), **more) -> dict:
    labels = {"run": "a"} if component == EXECUTOR else {}
    return job_of(Command(f"{component}-a", component, words, IMAGE, "payments", "kind", PLACE, labels=labels, **more))


def container(made: dict) -> dict:
    (only,) = made["spec"]["template"]["spec"]["containers"]
    return only


def variables(made: dict) -> dict:
    return {variable["name"]: variable.get("value", variable.get("valueFrom")) for variable in container(made)["env"]}


def test_an_executor_that_is_lost_starts_again_and_an_operator_does_not():
    assert job(EXECUTOR)["spec"]["backoffLimit"] > 0
    assert job(OPERATOR)["spec"]["backoffLimit"] == 0
    for component in (EXECUTOR, OPERATOR):
        made = job(component)
        assert made["spec"]["ttlSecondsAfterFinished"] > 0
        assert "activeDeadlineSeconds" not in made["spec"], "a run takes as long as it takes"
        assert made["spec"]["template"]["spec"]["restartPolicy"] == "Never"


def test_each_is_given_the_addresses_that_it_needs_and_no_other():
    secret = {"secretKeyRef": {"name": "journey-urls", "key": "LEDGER_URL", "optional": False}}
    assert variables(job(EXECUTOR))["LEDGER_URL"] == secret
    given = [{name for name in variables(job(component)) if name.endswith("_URL")} for component in (EXECUTOR, OPERATOR)]
    assert given == [{"LEDGER_URL"}, {"LEDGER_URL", "MLFLOW_URL"}]
    elsewhere = PLACE.model_copy(update={"images": "${NODES}", "push": "${PODS}"})
    run, promotion = (Command("a", component, (), IMAGE, "payments", "kind", elsewhere) for component in (EXECUTOR, OPERATOR))
    assert (run.urls, promotion.urls) == (("LEDGER_URL", "NODES", "PODS"), ("LEDGER_URL", "MLFLOW_URL"))


def test_it_knows_where_it_is_and_which_image_its_steps_run():
    told = variables(job(EXECUTOR, variables={"JOURNEY_ACTOR": "$(HOME)"}))
    assert (told["JOURNEY_POD"], told["JOURNEY_TARGET"], told["JOURNEY_IMAGE"], told["JOURNEY_ACTOR"]) == ("1", "kind", IMAGE, "$$(HOME)")
    assert told["JOURNEY_POD_UID"] == {"fieldRef": {"fieldPath": "metadata.uid"}}
    mounts = {mount["mountPath"]: mount for mount in container(job())["volumeMounts"]}
    assert {told["JOURNEY_HOME"], told["JOURNEY_KEYS"], told["HOME"]} == set(mounts)
    assert mounts[told["JOURNEY_KEYS"]]["readOnly"]


def test_words_go_past_any_shell():
    assert container(job(OPERATOR, HOSTILE))["command"] == ["python", "-m", "app.relayed", *(word.replace("$", "$$") for word in HOSTILE)]


def test_kubernetes_replaces_nothing_in_a_word():
    assert container(job(OPERATOR, ("retire", "1", "--reason=$(LEDGER_URL) $$(X)")))["command"][-1] == "--reason=$$(LEDGER_URL) $$$$(X)"


@pytest.mark.parametrize("component", [EXECUTOR, OPERATOR])
def test_nobody_is_root_and_nothing_is_written_but_to_volumes(component):
    made = job(component)
    pod = made["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["serviceAccountName"] == f"journey-{component}"
    assert pod["automountServiceAccountToken"], "it makes pods, or Deployments"
    assert container(made)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container(made)["resources"]["limits"]["memory"] == container(made)["resources"]["requests"]["memory"]


def test_pods_are_found_by_what_they_carry():
    made = job(EXECUTOR)
    labels = {"app.kubernetes.io/component": "executor", "journey/model": "payments", "journey/run": "a"}
    assert labels.items() <= made["metadata"]["labels"].items()
    assert made["spec"]["template"]["metadata"]["labels"] == made["metadata"]["labels"]


@pytest.mark.parametrize("component", [EXECUTOR, OPERATOR])
@pytest.mark.parametrize("version", ["1.25", "1.31"])
def test_kubernetes_takes_the_job(component, version):
    validate = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate isn't installed: make env")
    validate.validate(json.loads(json.dumps(job(component))), version, strict=True)
