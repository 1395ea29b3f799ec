"""All pods of the namespace while a model answers: nobody is root, nothing is written but to volumes, tokens only where they are needed."""

import time

import pytest

pytestmark = pytest.mark.cluster

SPEAK_TO_THE_API = {"journey-executor", "journey-operator", "journey-trigger"}


EVERYBODY = {"postgres", "redis", "mlflow", "registry", "prometheus", "refresh", "trigger", "server", "executor", "operator"}
SOON_SECONDS = 300


@pytest.fixture(scope="module")
def pods(promoted, kubectl, laptop) -> list[dict]:
    """Every pod of a namespace where a version answers: the platform's, the server's, a run's, and a command's, which goes when it ends."""
    asking = laptop.started("status", "--target", "kind")
    found: dict[str, dict] = {}
    until = time.monotonic() + SOON_SECONDS
    while not component_names(found) >= EVERYBODY and time.monotonic() < until:
        if asking.poll() is not None:           # its pod came and went between two looks
            assert asking.returncode == 0, asking.communicate()
            asking = laptop.started("status", "--target", "kind")
        found |= {pod["metadata"]["name"]: pod for pod in kubectl.json("get", "pods")["items"]}
        time.sleep(0.5)
    told = asking.communicate(timeout=SOON_SECONDS)
    assert asking.returncode == 0, told
    assert component_names(found) >= EVERYBODY
    return list(found.values())


def component_names(pods: dict[str, dict]) -> set[str]:
    return {pod["metadata"]["labels"].get("app.kubernetes.io/component", "") for pod in pods.values()}


def test_no_pod_may_run_as_root_or_write_to_its_own_files(pods):
    for pod in pods:
        name, whole = pod["metadata"]["name"], pod["spec"]["securityContext"]
        assert whole["runAsNonRoot"] is True, name
        assert whole["runAsUser"] > 0, name
        assert whole["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in pod["spec"]["containers"]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True, name
            assert context["allowPrivilegeEscalation"] is False, name
            assert context["capabilities"] == {"drop": ["ALL"]}, name
            assert container["resources"]["limits"]["memory"], name


def test_processes_run_as_who_their_pod_says_and_cannot_write_to_the_root(pods, kubectl):
    lasting = [pod for pod in pods if pod["metadata"]["labels"].get("app.kubernetes.io/component") not in ("executor", "operator", "step")]
    running = [pod for pod in lasting if pod["status"]["phase"] == "Running" and "deletionTimestamp" not in pod["metadata"]]
    assert len(running) >= 8
    for pod in running:
        name, user = pod["metadata"]["name"], pod["spec"]["securityContext"]["runAsUser"]
        status = kubectl("exec", name, "--", "cat", "/proc/1/status")
        [ids] = [line.split()[1:] for line in status.splitlines() if line.startswith("Uid:")]
        assert set(ids) == {str(user)}, name
        written = kubectl.ask("exec", name, "--", "touch", "/written")
        assert written.returncode != 0, name
        assert "Read-only file system" in written.stderr, name


def test_a_token_is_given_to_those_alone_who_speak_to_the_kubernetes_api(pods):
    for pod in pods:
        mounts = [mount["mountPath"] for container in pod["spec"]["containers"] for mount in container["volumeMounts"]]
        given = "/var/run/secrets/kubernetes.io/serviceaccount" in mounts
        assert given is (pod["spec"]["serviceAccountName"] in SPEAK_TO_THE_API), pod["metadata"]["name"]


def test_the_private_key_and_the_passwords_are_in_no_pod_that_does_not_need_them(pods):
    needed = {
        "postgres": {"postgres"}, "redis": {"redis"}, "mlflow": {"mlflow"}, "refresh": {"journey-urls", "journey-sources"},
        "trigger": {"journey-urls"}, "executor": {"journey-urls", "journey-registry"}, "operator": {"journey-urls"},
        "server": {"journey-urls"},
    }  # fmt: skip
    for pod in pods:
        component = pod["metadata"]["labels"].get("app.kubernetes.io/component", "")
        if component != "step":             # what each step is given: tests of the compiled pipeline
            assert secrets_of(pod["spec"]) <= needed.get(component, set()), pod["metadata"]["name"]


def secrets_of(spec: dict) -> set[str]:
    """The Secrets that a pod refers to, but for its account's own token."""
    found = {volume["secret"]["secretName"] for volume in spec["volumes"] if "secret" in volume}
    for container in spec["containers"]:
        values = [one["valueFrom"] for one in container.get("env", ()) if "valueFrom" in one]
        found |= {value["secretKeyRef"]["name"] for value in values if "secretKeyRef" in value}
        found |= {one["secretRef"]["name"] for one in container.get("envFrom", ()) if "secretRef" in one}
    return {name for name in found if "-token-" not in name}
