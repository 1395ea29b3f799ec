"""The Deployment and the Service of a version, as manifests."""

from dataclasses import replace

import kubernetes_validate
import pytest

import serving.listening
from components.release.deploy import GRACE_SECONDS, PAUSE_SECONDS, DeployRequest, deployment_of, selector_of, service_of
from components.release.rollout import Rollout
from journey.targets import Resources, Target
from serving.options import asked_for

PLACE = Target(engine="job", namespace="payments", ledger="${LEDGER_URL}", online="${REDIS_URL}", serving="deployment")
REQUEST = DeployRequest("payments", 2, "localhost:5000/payments@sha256:abc", "kind", PLACE, feedback=True, latency_ms=25.0)
SCHEMAS = "1.31"


def pod(request: DeployRequest = REQUEST) -> dict:
    return deployment_of(request)["spec"]["template"]["spec"]


def container(request: DeployRequest = REQUEST) -> dict:
    (only,) = pod(request)["containers"]
    return only


def secrets(request: DeployRequest) -> set[str]:
    return {item["name"] for item in container(request)["env"] if "valueFrom" in item}


@pytest.mark.parametrize("made", [deployment_of(REQUEST), service_of(REQUEST)], ids=["Deployment", "Service"])
def test_what_is_applied_fits_the_schema_of_a_newer_kubernetes(made):
    kubernetes_validate.validate(made, SCHEMAS, strict=True)


def test_the_server_understands_what_the_deployment_tells_it():
    given = [word.replace("$$", "$") for word in container()["args"]]      # as Kubernetes does, which would replace $(NAME) too
    asked = asked_for(given, {"JOURNEY_KEYS": "/journey/keys", "REDIS_URL": "redis://r", "LEDGER_URL": "postgresql://l"})
    assert (asked.serves.model, asked.serves.version, str(asked.serves.bundle)) == ("payments", 2, "/opt/journey/bundle")
    assert (asked.places.online, asked.places.ledger) == ("redis://r", "postgresql://l")
    assert (asked.feedback, asked.latency_seconds, str(asked.places.keys)) == (True, 0.025, "/journey/keys")


def test_a_dollar_in_a_url_is_nobody_s_variable():
    place = PLACE.model_copy(update={"online": "redis://:$(HOME)$$@r"})
    assert container(replace(REQUEST, place=place))["args"][-5:-3] == ["--online", "redis://:$$(HOME)$$$$@r"]


def test_urls_come_from_secrets_and_only_those_that_the_server_needs():
    assert secrets(REQUEST) == {"REDIS_URL", "LEDGER_URL"}
    assert secrets(replace(REQUEST, feedback=False)) == {"REDIS_URL"}
    assert "--feedback" not in container(replace(REQUEST, feedback=False))["args"]
    assert secrets(replace(REQUEST, place=Target(engine="job"), feedback=False)) == set()


def test_versions_differ_in_their_pods_and_not_in_what_selects_them():
    first, second = deployment_of(replace(REQUEST, version=1, image="localhost:5000/payments@sha256:def")), deployment_of(REQUEST)
    assert first["spec"]["selector"] == second["spec"]["selector"] == {"matchLabels": selector_of("payments")}
    assert service_of(replace(REQUEST, version=1)) == service_of(REQUEST)
    labels = second["spec"]["template"]["metadata"]["labels"]
    assert labels["journey/version"] == "2"
    assert selector_of("payments").items() <= labels.items()
    assert first["spec"]["template"] != second["spec"]["template"]


def test_no_pod_leaves_before_another_is_ready_and_nobody_says_how_many_there_are():
    spec = deployment_of(REQUEST)["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert "replicas" not in spec


def test_a_pod_that_leaves_has_the_time_to():
    """The pause until nobody is sent to it, the server's own two waits, and something for what waits to be written."""
    assert container()["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", str(PAUSE_SECONDS)]
    own = serving.listening.LEAVE_SECONDS + serving.listening.DRAIN_SECONDS
    assert pod()["terminationGracePeriodSeconds"] == GRACE_SECONDS >= PAUSE_SECONDS + own + 5


def test_the_pod_has_no_rights_and_writes_nowhere_but_to_its_own_folder():
    assert (pod()["serviceAccountName"], pod()["automountServiceAccountToken"]) == ("journey-serving", False)
    assert pod()["securityContext"]["runAsNonRoot"]
    assert container()["securityContext"]["readOnlyRootFilesystem"]
    assert container()["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    writable = [mount["mountPath"] for mount in container()["volumeMounts"] if not mount.get("readOnly")]
    assert writable == ["/tmp"]


def test_each_probe_asks_a_path_that_the_server_has():
    probes = {name: container()[name]["httpGet"] for name in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert {probe["port"] for probe in probes.values()} == {9000}
    assert probes["readinessProbe"]["path"] == "/health/status"
    assert probes["livenessProbe"]["path"] == "/health/ping"


def test_what_the_target_asks_for_the_server_takes_the_default_s_place():
    asked = replace(REQUEST, place=PLACE.model_copy(update={"resources": {"server": Resources(memory="1Gi"), "*": Resources(cpu="2")}}))
    assert container(asked)["resources"] == {"requests": {"cpu": "250m", "memory": "1Gi"}, "limits": {"memory": "1Gi"}}


def test_a_rollout_is_done_once_only_new_pods_are_left_and_all_of_them_answer():
    def rollout(**status: int) -> Rollout:
        found = {
            "metadata": {"generation": 3, "labels": {"journey/version": "2", "app.kubernetes.io/component": "server"}},
            "spec": {"replicas": 2},
            "status": {"observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, **status},
        }
        return Rollout.model_validate(found)

    assert rollout().done
    assert not rollout(observedGeneration=2).done      # the status is still that of the version before
    assert not rollout(updatedReplicas=1).done
    assert not rollout(replicas=3).done
    assert not rollout(availableReplicas=1).done
    assert rollout().version == 2
