"""The manifests: both overlays fit the schemas, and every pod keeps to the rules."""

import itertools
import re
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from components.image import VERSION
from components.pod import EXECUTOR, HOME_CLAIM, OPERATOR, REGISTRY, TRUSTED_KEYS, URLS, USER, labels
from journey.step_names import CONTAINERIZE, REGISTER
from pipelines.placement import INGEST, SIGNING, SOURCES

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (ROOT / "manifests", ROOT / "examples" / "payments")
SCHEMAS = "1.31"
NEWER_THAN_1_20 = {("policy/v1", "PodDisruptionBudget"), ("autoscaling/v2", "HorizontalPodAutoscaler"), ("batch/v1", "CronJob")}
SECRETS = {"postgres", "redis", "mlflow", URLS, SIGNING, SOURCES}          # what `journey secrets` makes
OURS_AT_RUN_TIME = {"journey-executor", "journey-step", "journey-operator", "journey-serving"}      # of pods that come with runs and models
TOO_MUCH = {"secrets", "pods/exec", "pods/attach", "serviceaccounts/token", "roles", "rolebindings", "*"}
SECRET_NAME = re.compile("PASSWORD|SECRET|TOKEN|_UR[IL]$")


def pod_of(thing: dict) -> dict | None:
    template = thing["spec"].get("template") if thing["kind"] in ("Deployment", "StatefulSet", "Job") else None
    return template["spec"] if template else None


def pods(objects: list[dict]) -> dict[str, dict]:
    return {thing["metadata"]["name"]: pod for thing in objects if (pod := pod_of(thing)) is not None}


def containers(objects: list[dict]) -> dict[str, dict]:
    return {f"{name}/{one['name']}": one for name, pod in pods(objects).items() for one in pod["containers"]}


def named(objects: list[dict], kind: str) -> dict[str, dict]:
    return {thing["metadata"]["name"]: thing for thing in objects if thing["kind"] == kind}


def secrets_of(pod: dict) -> set[str]:
    """The Secrets that a pod refers to, as files or as variables."""
    found = {volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume}
    for container in pod["containers"]:
        values = [one["valueFrom"] for one in container.get("env", ()) if "valueFrom" in one]
        found |= {value["secretKeyRef"]["name"] for value in values if "secretKeyRef" in value}
        found |= {one["secretRef"]["name"] for one in container.get("envFrom", ()) if "secretRef" in one}
    return found


def sources() -> list[Path]:
    return sorted(path for folder in FOLDERS for path in folder.rglob("*.yaml") if path.name not in ("project.yaml", "rules.yaml"))


def test_every_object_fits_its_schema_to_the_last_field(everything):
    for objects in everything.values():
        for thing in objects:
            kubernetes_validate.validate(thing, SCHEMAS, strict=True)


def test_the_small_overlay_takes_nothing_that_an_old_cluster_lacks(everything):
    for thing in everything["manifests/overlays/kind"]:
        assert (thing["apiVersion"], thing["kind"]) not in NEWER_THAN_1_20


def test_production_has_replicas_budgets_autoscaling_and_neither_a_database_nor_a_registry_nor_files_of_mlflow_inside(everything):
    objects = everything["manifests/overlays/prod"]
    assert named(objects, "Deployment")["mlflow"]["spec"]["replicas"] >= 2
    assert set(named(objects, "PodDisruptionBudget")) == {"server", "mlflow"}
    assert named(objects, "HorizontalPodAutoscaler")["server"]["spec"]["scaleTargetRef"]["name"] == "payments"
    assert {"postgres", "registry"}.isdisjoint(named(objects, "StatefulSet"))
    [volume] = [one for one in pods(objects)["redis"]["volumes"] if one["name"] == "data"]
    assert set(volume) == {"name", "persistentVolumeClaim"}
    assert "mlflow" not in named(objects, "PersistentVolumeClaim")
    [place] = [one["data"] for name, one in named(objects, "ConfigMap").items() if name.startswith("mlflow-artifacts-")]
    assert place["MLFLOW_ARTIFACTS_DESTINATION"].startswith("s3://")
    assert allowed(objects, "egress", templates_of([named(objects, "Deployment")["mlflow"]])[0]["metadata"]["labels"], {}, 443) == "anybody"


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_holds_one_object(path):
    assert len(list(yaml.safe_load_all(path.read_text()))) == 1


def test_images_are_named_in_one_place_with_a_tag_and_without_latest(everything):
    for path in sources():
        for image in re.findall(r"^\s*(?:- )?image: *(\S+)", path.read_text(), re.MULTILINE):
            assert re.fullmatch(r"[a-z-]+", image), f"{path}: {image} is for addons/images to say"
    for objects in everything.values():
        for name, container in containers(objects).items():
            tag = container["image"].rpartition(":")[2]
            assert re.fullmatch(r"v?[0-9][0-9.]*", tag), f"{name}: {container['image']}"
            assert container["imagePullPolicy"] == "IfNotPresent", name


def test_our_own_images_have_the_version_that_the_code_has(everything):
    images = {one["image"] for objects in everything.values() for one in containers(objects).values() if "journey-" in one["image"]}
    assert {image.rpartition(":")[2] for image in images} == {VERSION}
    for path in ("docs/kubernetes.md", "kind-config.yaml"):
        assert set(re.findall(r"journey-(?:steps|serving):([0-9.]*[0-9])", (ROOT / path).read_text())) == {VERSION}, path


def test_nothing_runs_as_root_or_writes_to_its_own_files(everything):
    for objects in everything.values():
        for name, pod in pods(objects).items():
            context = pod["securityContext"]
            assert context["runAsNonRoot"] is True, name
            assert context["runAsUser"] > 0, name
            assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
            assert pod["enableServiceLinks"] is False, f"{name}: MLFLOW_PORT and its like would be settings of the programs inside"
            assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod), name
        for name, container in containers(objects).items():
            expected = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
            assert container["securityContext"] == expected, name


def test_pods_that_share_the_home_are_the_same_user(everything):
    for objects in everything.values():
        for name, pod in pods(objects).items():
            claims = {volume.get("persistentVolumeClaim", {}).get("claimName") for volume in pod["volumes"]}
            if HOME_CLAIM in claims:
                assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["fsGroup"] == USER, name


def test_everything_that_runs_on_has_probes_and_a_way_out(overlay):
    for name, container in containers(overlay).items():
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container), name
        assert container["lifecycle"]["preStop"], name


def test_every_container_says_what_it_needs_and_where_it_ends(everything):
    for objects in everything.values():
        for name, container in containers(objects).items():
            assert set(container["resources"]["requests"]) == {"cpu", "memory"}, name
            assert "memory" in container["resources"]["limits"], name


def test_only_who_speaks_to_the_api_is_given_a_token(overlay):
    bound = {subject["name"] for one in named(overlay, "RoleBinding").values() for subject in one["subjects"]}
    for name, pod in pods(overlay).items():
        assert pod["automountServiceAccountToken"] is (pod["serviceAccountName"] in bound), name
    for account in named(overlay, "ServiceAccount").values():
        assert account["automountServiceAccountToken"] is False


def test_every_account_is_used_and_every_role_is_bound_within_the_namespace(overlay):
    accounts = set(named(overlay, "ServiceAccount"))
    assert accounts == {pod["serviceAccountName"] for pod in pods(overlay).values()} | OURS_AT_RUN_TIME
    assert not named(overlay, "ClusterRole")
    assert not named(overlay, "ClusterRoleBinding")
    bindings = named(overlay, "RoleBinding").values()
    assert {one["roleRef"]["name"] for one in bindings} == set(named(overlay, "Role"))
    for one in bindings:
        for subject in one["subjects"]:
            assert subject["kind"] == "Group" or subject["name"] in accounts


def test_no_role_can_read_secrets_run_commands_in_pods_or_use_a_wildcard(overlay):
    for name, role in named(overlay, "Role").items():
        for rule in role["rules"]:
            assert not TOO_MUCH & set(rule["resources"]), name
            assert "*" not in rule["verbs"] + rule["apiGroups"], name


def test_prometheus_may_look_for_pods_where_it_asks_kubernetes_and_nothing_where_it_asks_dns(everything):
    looks = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]
    assert named(everything["manifests/overlays/prod"], "Role")["prometheus"]["rules"] == looks
    assert "prometheus" not in named(everything["manifests/overlays/kind"], "Role")


def test_nodes_pull_with_the_login_to_a_registry_outside(everything):
    for account in named(everything["manifests/overlays/prod"], "ServiceAccount").values():
        assert account["imagePullSecrets"] == [{"name": REGISTRY}]


def test_secrets_are_referred_to_and_never_held(overlay):
    assert not named(overlay, "Secret")
    referred = {name for pod in pods(overlay).values() for name in secrets_of(pod)}
    assert referred <= SECRETS | {"mlflow-s3"}
    assert referred >= {"redis", "mlflow", URLS, SOURCES}
    for name, container in containers(overlay).items():
        for variable in container.get("env", ()):
            assert "value" not in variable or not SECRET_NAME.search(variable["name"]), f"{name}: {variable['name']}"
        words = " ".join(container.get("command", []) + container.get("args", []))
        assert not re.search(r"\$\([A-Z_]*(PASSWORD|URL|URI)", words), f"{name}: arguments are seen by everybody on the node"


def test_no_password_stands_in_any_file():
    for path in (path for folder in FOLDERS for path in folder.rglob("*") if path.is_file()):
        text = path.read_text(errors="replace")
        assert not re.search(r"(?i)(password|requirepass|secret_access_key)['\"]?[:= ] *['\"]?[a-z0-9]{8}", text), path
        assert not re.search(r"://[^\s/:@]*:[^\s/@$]+@", text), path


def test_all_traffic_is_denied_that_no_policy_allows(overlay):
    policies = named(overlay, "NetworkPolicy")
    assert policies["default-deny"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    allowed = {str(one["spec"]["podSelector"]["matchLabels"]) for one in policies.values() if "matchLabels" in one["spec"]["podSelector"]}
    for name in pods(overlay):
        assert any(f"'{name}'" in labels for labels in allowed), f"nothing may speak to {name}"


def test_who_may_ask_a_pod_and_who_a_pod_may_ask_is_the_same(everything):
    objects = everything["manifests/overlays/kind"]
    templates, all_pods = templates_of(objects), all_pods_of(objects)
    ports = {port["containerPort"] for one in templates for container in one["spec"]["containers"] for port in container["ports"]} | {9000}
    open_ports = set()
    for asking, asked, port in itertools.product(all_pods, all_pods, ports):
        out, into = allowed(objects, "egress", asking, asked, port), allowed(objects, "ingress", asked, asking, port)
        assert {out, into} != {"named", "no"}, f"{asking} asks {asked} at {port}: {out}, and there {into}"
        open_ports |= {port} - ({port} if "no" in (out, into) else set())
    assert open_ports == ports - {9090}                  # Prometheus' page is for people, past the network of pods


def test_who_may_ask_the_database_inside_may_ask_one_outside_and_nobody_else(everything):
    inside, outside = everything["manifests/overlays/kind"], everything["manifests/overlays/prod"]
    asked = {"app.kubernetes.io/name": "postgres"}
    for one in all_pods_of(outside):
        asks = allowed(inside, "egress", one, asked, 5432) != "no"
        assert (allowed(outside, "egress", one, asked, 5432) == "anybody") is asks, one


def templates_of(objects: list[dict]) -> list[dict]:
    return [thing["spec"]["template"] for kind in ("Deployment", "StatefulSet") for thing in named(objects, kind).values()]


def all_pods_of(objects: list[dict]) -> list[dict]:
    """The labels of the overlay's pods, and of those that come with runs and models."""
    come = [labels("payments", name) for name in (EXECUTOR, OPERATOR, "server")]
    steps = [labels("payments", "step", step=name) for name in (INGEST, REGISTER, CONTAINERIZE, "train-model")]
    return [*(one["metadata"]["labels"] for one in templates_of(objects)), *come, *steps]


def allowed(objects: list[dict], way: str, one: dict, other: dict, port: int) -> str:
    """What the policies on the pod `one` say of traffic from or to `other`: it is "named", "anybody" may, or "no"."""
    policies = [policy["spec"] for policy in named(objects, "NetworkPolicy").values() if fits(policy["spec"]["podSelector"], one)]
    rules = [rule for policy in policies for rule in policy.get(way, ())]
    fitting = [rule for rule in rules if port in {each["port"] for each in rule.get("ports", [{"port": port}])}]
    peers = [peer for rule in fitting for peer in rule.get("from", rule.get("to", [{"podSelector": {}}]))]
    if any("ipBlock" in peer or peer.get("podSelector") == {} for peer in peers):
        return "anybody"
    return "named" if any(fits(peer["podSelector"], other) for peer in peers if "podSelector" in peer) else "no"


def fits(selector: dict, found: dict) -> bool:
    expressions = selector.get("matchExpressions", ())
    assert {one["operator"] for one in expressions} <= {"In"}
    return selector.get("matchLabels", {}).items() <= found.items() and all(found.get(one["key"]) in one["values"] for one in expressions)


def test_who_holds_a_volume_of_one_node_is_replaced_and_not_doubled(everything):
    for folder, objects in everything.items():
        claims = named(objects, "PersistentVolumeClaim").items()
        shared = {name for name, claim in claims if claim["spec"]["accessModes"] == ["ReadWriteMany"]}
        for name, deployment in named(objects, "Deployment").items():
            volumes = deployment["spec"]["template"]["spec"]["volumes"]
            held = {volume["persistentVolumeClaim"]["claimName"] for volume in volumes if "persistentVolumeClaim" in volume}
            assert held <= shared or deployment["spec"]["strategy"]["type"] == "Recreate", f"{folder}: {name}"


def test_a_service_leads_to_a_port_that_its_pods_have(overlay):
    by_labels = {name: thing["spec"]["template"] for kind in ("Deployment", "StatefulSet") for name, thing in named(overlay, kind).items()}
    for name, service in named(overlay, "Service").items():
        selector = service["spec"]["selector"]
        found = [one for one in by_labels.values() if selector.items() <= one["metadata"]["labels"].items()]
        if selector.get("app.kubernetes.io/component") == "server":
            continue                                    # the model's pods come with its first promoted version
        [template] = found
        ports = template["spec"]["containers"][0]["ports"]
        offered = {port["name"] for port in ports} | {port["containerPort"] for port in ports}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= offered, name


def test_the_public_keys_are_a_config_map_that_the_secrets_command_makes(overlay):
    assert TRUSTED_KEYS not in named(overlay, "ConfigMap")
