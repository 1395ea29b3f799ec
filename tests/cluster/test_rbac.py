"""What each account can do in the cluster: its work, and nothing more."""

import json

import pytest

pytestmark = pytest.mark.cluster

RUNS_PODS = {"create pods", "get pods", "list pods", "delete pods", "get pods/log", "get events", "list events"}
RUNS_JOBS = {
    "create jobs.batch", "get jobs.batch", "list jobs.batch", "delete jobs.batch",
    "get pods", "list pods", "get pods/log", "get events", "list events",
}  # fmt: skip
DEPLOYS = {
    *(f"{verb} {resource}" for resource in ("deployments.apps", "services") for verb in ("get", "list", "create", "patch")),
    *(f"{verb} {resource}" for resource in ("replicasets.apps", "pods", "events") for verb in ("get", "list")),
    "get pods/log",
}  # fmt: skip
REGISTRY = ("registry", "registry:5000", "http:registry:5000")
PAGES = ("mlflow:5000", "http:mlflow:5000", "prometheus:9090", "http:prometheus:9090")
PEOPLE = {
    *RUNS_JOBS, "watch jobs.batch", "watch pods", "watch events",
    *(f"{verb} deployments.apps" for verb in ("get", "list", "watch")),
    "get services", "list services",
    *(f"{verb} services/proxy {name}" for name in REGISTRY for verb in ("get", "create", "update", "patch")),
    *(f"{verb} services/proxy {name}" for name in PAGES for verb in ("get", "create")),
}  # fmt: skip
NOTHING: set[str] = set()
MAY = {
    "journey-executor": RUNS_PODS,
    "journey-operator": DEPLOYS,
    "journey-trigger": RUNS_JOBS,
    "journey-step": NOTHING,
    "journey-refresh": NOTHING,
    "journey-serving": NOTHING,
    "prometheus": NOTHING,
    "postgres": NOTHING,
    "redis": NOTHING,
    "mlflow": NOTHING,
    "registry": NOTHING,
    "default": NOTHING,
}
ACTIVE = [name for name, may in MAY.items() if may]

CAN = [
    ("journey-executor", "create", "pods"),
    ("journey-executor", "delete", "pods"),
    ("journey-executor", "get", "pods/log"),
    ("journey-operator", "patch", "deployments.apps"),
    ("journey-operator", "create", "services"),
    ("journey-trigger", "create", "jobs.batch"),
    ("journey-trigger", "get", "pods/log"),
]
CANNOT = [
    *((name, verb, "secrets") for name in MAY for verb in ("get", "list")),
    *((name, "create", "pods/exec") for name in MAY),
    *((name, "create", "rolebindings.rbac.authorization.k8s.io") for name in ACTIVE),
    ("journey-executor", "create", "jobs.batch"),
    ("journey-executor", "patch", "deployments.apps"),
    ("journey-operator", "create", "pods"),
    ("journey-operator", "delete", "deployments.apps"),
    ("journey-operator", "create", "jobs.batch"),
    ("journey-trigger", "create", "pods"),
    ("journey-trigger", "patch", "deployments.apps"),
    ("journey-step", "get", "pods"),
    ("journey-step", "create", "pods"),
    ("journey-serving", "get", "pods"),
    ("journey-refresh", "get", "configmaps"),
    ("prometheus", "list", "pods"),
]


def account(namespace: str, name: str) -> str:
    return f"--as=system:serviceaccount:{namespace}:{name}"


def can(kubectl, name: str, verb: str, resource: str) -> str:
    """`yes` or `no`; `pods/exec` alone would be asked as the pod called exec."""
    kind, _, part = resource.partition("/")
    return kubectl.ask("auth", "can-i", verb, kind, f"--subresource={part}", account(kubectl.namespace, name)).stdout.strip()


def rules(kubectl, *who: str) -> set[str]:
    """`verb resource [name]` of all that somebody may do in the namespace, but what everybody may: ask what they may."""
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": kubectl.namespace}}
    answer = json.loads(kubectl("create", "--filename=-", "--output=json", "--validate=false", *who, stdin=json.dumps(review)))
    found = set()
    for rule in answer["status"]["resourceRules"]:
        for group in rule["apiGroups"]:
            named = [f" {name}" for name in rule.get("resourceNames", ())] or [""]
            others = [resource for resource in rule["resources"] if not resource.startswith("selfsubject")]     # of oneself, which all may
            resources = [resource + (f".{group}" if group else "") for resource in others]
            found |= {f"{verb} {resource}{name}" for verb in rule["verbs"] for resource in resources for name in named}
    return found


@pytest.mark.parametrize("name", MAY)
def test_an_account_may_do_its_work_and_nothing_more(name, kubectl, platform):
    assert rules(kubectl, account(kubectl.namespace, name)) == MAY[name]


def test_people_make_jobs_and_reach_the_registry_and_nothing_more(kubectl, platform):
    assert rules(kubectl, "--as=somebody", "--as-group=journey-users") == PEOPLE
    assert rules(kubectl, "--as=somebody") == set()


@pytest.mark.parametrize(("name", "verb", "resource"), CAN)
def test_what_an_account_needs_is_allowed(name, verb, resource, kubectl, platform):
    assert can(kubectl, name, verb, resource) == "yes"


@pytest.mark.parametrize(("name", "verb", "resource"), CANNOT)
def test_what_an_account_does_not_need_is_refused(name, verb, resource, kubectl, platform):
    assert can(kubectl, name, verb, resource) == "no"


@pytest.mark.parametrize("name", ACTIVE)
def test_an_account_is_nobody_in_other_namespaces(name, kubectl, platform):
    for verb, resource in (("list", "pods"), ("create", "jobs.batch"), ("patch", "deployments.apps"), ("list", "secrets")):
        answer = kubectl.ask("auth", "can-i", verb, resource, "--namespace=kube-system", account(kubectl.namespace, name))
        assert answer.stdout.strip() == "no"


def test_an_account_really_makes_what_it_may_and_is_refused_what_it_may_not(kubectl, platform):
    pod = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "probe-"},
        "spec": {"containers": [{"name": "probe", "image": "none", "resources": {}}], "automountServiceAccountToken": False},
    }  # fmt: skip
    make = ("create", "--filename=-", "--dry-run=server", "--output=name")
    executor, trigger = (account(kubectl.namespace, f"journey-{name}") for name in ("executor", "trigger"))
    assert kubectl(*make, executor, stdin=json.dumps(pod)).startswith("pod/probe-")
    refused = kubectl.ask(*make, trigger, stdin=json.dumps(pod))
    assert refused.returncode != 0
    assert "forbidden" in refused.stderr
