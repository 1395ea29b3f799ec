"""A target is refused with all that is wrong with it, by line, and a password that was written down isn't told."""

from pathlib import Path

import pytest
import yaml

from journey.project import load_project, problems
from journey.targets import Resources

ROOT = Path(__file__).resolve().parents[3]
PROJECT = """\
format: 1
name: visits
sources:
  visits: {sql: "${CLINIC_URL}", table: visits}
tables:
  visits: {columns: {age: {type: integer}, came: {type: boolean}}}
spine: visits
predict: {label: came, task: binary, positive: true, metric: roc_auc}
split: {by: hash}
"""
CLUSTER = 'engine: job, namespace: clinic, ledger: "${LEDGER_URL}", registry: "${MLFLOW_URL}", images: "localhost:5000"'
VIEW = "from journey import feature_view\n\n@feature_view(entity='patient', time='at', ttl='1d')\ndef history(visits):\n    return visits\n"


def found(folder: Path, target: str, project: str = PROJECT) -> list[str]:
    """What is wrong with a project that has this target, in line 11."""
    (folder / "project.yaml").write_text(f"{project}targets:\n  kind: {{{target}}}\n", encoding="utf-8")
    return [str(problem) for problem in problems(folder)]


def test_a_whole_target_is_read_as_it_is_written(tmp_path):
    whole = f'{CLUSTER}, online: "${{REDIS_URL}}", push: "registry:5000", serving: deployment, data: {{claim: rows, path: /data}}'
    resources = '{"*": {cpu: 1, memory: 1Gi}, train-model: {cpu: 1.5}, server: {memory: 512Mi}}'
    assert found(tmp_path, f"{whole}, resources: {resources}") == []
    target = load_project(tmp_path).targets["kind"]
    assert (target.ledger, target.serving, target.push) == ("${LEDGER_URL}", "deployment", "registry:5000")
    assert target.allotted("clean-data") == Resources(cpu="1", memory="1Gi")
    assert target.allotted("train-model") == Resources(cpu="1.5", memory="1Gi")
    assert target.resources["server"] == Resources(memory="512Mi")


def test_a_target_of_pods_needs_what_pods_share(tmp_path):
    told = found(tmp_path, "engine: job")
    for key in ("namespace", "ledger", "registry", "images"):
        assert any(line.startswith(f"project.yaml:11: targets.kind: expected {key}: (") for line in told), key
    assert len(told) == 4


def test_where_there_are_views_pods_need_a_store_to_look_them_up_in(tmp_path):
    (tmp_path / "features.py").write_text(VIEW)
    entities = PROJECT.replace("spine: visits\n", "spine: visits\ntime: at\nentities: {patient: patient}\n").replace(
        "{age:", "{at: {type: timestamp}, patient: {type: string}, age:"
    )
    assert found(tmp_path, CLUSTER, entities) == [
        "project.yaml:13: targets.kind: expected online: (Redis, which the server reads 'history' of features.py from), found none"
    ]
    assert found(tmp_path, f'{CLUSTER}, online: "${{REDIS_URL}}"', entities) == []


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("endpoint: x", "targets.kind.endpoint: 'endpoint' is not supported in this version"),
        ("artifacts: s3://b", "targets.kind.artifacts: 'artifacts' is not supported in this version"),
        ("offline: x", "targets.kind.offline: 'offline' is not supported in this version"),
        ("engine: argo", "targets.kind.engine: 'argo' is not supported in this version"),
        ("serving: seldon", "targets.kind.serving: 'seldon' is not supported in this version"),
        ("engine: jobs", "targets.kind.engine: expected 'local' or 'job', found 'jobs'"),
        ("namespaze: x", "targets.kind.namespaze: unknown key 'namespaze'. Did you mean 'namespace'?"),
        ("namespace: x", "targets.kind.namespace: is for engine: job, found engine: local, whose steps aren't pods"),
        ("serving: deployment", "targets.kind.serving: expected engine: job with serving: deployment, found engine: local"),
        ("push: localhost:5000",
         "targets.kind.push: expected images: beside push:, found none: without the registry's name for nodes no image is made"),
        (f"{CLUSTER}, namespace: Clinic", "targets.kind.namespace: expected plain YAML, found the key 'namespace' for the second time"),
        ("engine: job, namespace: Clinic",
         "targets.kind.namespace: expected lower-case letters, digits and dashes, at most 63, found 'Clinic'"),
        (f"{CLUSTER}, resources: {{train-models: {{cpu: 1}}}}",
         "targets.kind.resources.train-models: expected a step, '*' for all others or 'server', found 'train-models'. "
         "Did you mean 'train-model'?"),
        (f"{CLUSTER}, resources: {{train-model: {{}}}}", "targets.kind.resources.train-model: expected cpu or memory, found neither"),
        (f"{CLUSTER}, resources: {{train-model: {{memory: 1 GB}}}}",
         "targets.kind.resources.train-model.memory: expected bytes as Kubernetes writes them, such as 512Mi or 2Gi, found '1 GB'"),
        (f"{CLUSTER}, resources: {{train-model: {{cpu: many}}}}",
         "targets.kind.resources.train-model.cpu: expected CPUs as Kubernetes writes them, such as 500m or 2, found 'many'"),
        (f"{CLUSTER}, data: {{claim: rows, path: data}}", "targets.kind.data.path: expected an absolute path, found 'data'"),
        (f"{CLUSTER}, data: {{claim: Rows, path: /data}}",
         "targets.kind.data.claim: expected the name of a PersistentVolumeClaim, found 'Rows'"),
        *((f"{CLUSTER}, data: {{claim: rows, path: {path}}}",
           f"targets.kind.data.path: expected a folder of its own, such as /data, found {shown}, where our images have files")
          for path, shown in (("/opt/journey/project/x", "/opt/journey/project/x"), ("/opt", "/opt"), ("/", "/"), ("/usr/lib", "/usr/lib"),
                              ("/data/../opt", "/opt"))),
    ],
)  # fmt: skip
def test_a_mistake_in_a_target_is_told_with_its_line(tmp_path, target, said):
    assert f"project.yaml:11: {said}" in found(tmp_path, target)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://journey:opensesame@postgres:5432/journey",
        "redis://:opensesame@redis:6379/0",
        "postgresql://journey:${USER}opensesame@postgres/journey",
        "postgresql://postgres/journey?user=journey&password=opensesame",
        "postgresql://journey:open/sesame:opensesame@postgres:5432/journey",
        "postgresql://journey:${WORD}@postgres/journey?password=opensesame",
        "journey:opensesame@postgres:5432",
    ],
)
def test_a_password_in_a_url_is_refused_and_not_repeated(tmp_path, url):
    for told, place in (
        (found(tmp_path, f'ledger: "{url}"'), "project.yaml:11: targets.kind.ledger: "),
        (found(tmp_path, "", PROJECT.replace("${CLINIC_URL}", url)), "project.yaml:4: sources.visits.sql: "),
    ):
        assert len(told) == 1
        assert told[0].startswith(f"{place}expected ${{NAME}} in place of the password")
        assert "opensesame" not in told[0]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://journey:${WORD}@postgres/journey",
        "http://mlflow:5000",
        "http://mlflow:5000/at@home",
        "sqlite:////data/at@home.db",
        "redis://redis:6379/0",
        "${LEDGER_URL}",
    ],
)
def test_a_url_without_a_password_or_with_a_named_one_is_fine(tmp_path, url):
    assert found(tmp_path, f'ledger: "{url}"') == []


def test_a_server_cant_be_called_like_a_service_of_ours(tmp_path):
    told = found(tmp_path, f"{CLUSTER}, serving: deployment", PROJECT.replace("name: visits", "name: redis"))
    assert [line for line in told if line.startswith("project.yaml:2: name: expected another name with serving: deployment, found 'redis'")]
    assert found(tmp_path, CLUSTER, PROJECT.replace("name: visits", "name: redis")) == []


def test_no_name_of_a_service_or_workload_of_ours_is_left_to_a_project(tmp_path):
    named = set()
    for file in (ROOT / "manifests").rglob("*.yaml"):
        for one in yaml.safe_load_all(file.read_text(encoding="utf-8")):
            if isinstance(one, dict) and one.get("kind") in ("Service", "Deployment", "StatefulSet"):
                named.add(one["metadata"]["name"])
    assert "metrics-server" in named
    deployed = f"{CLUSTER}, serving: deployment"
    assert {name for name in named if not found(tmp_path, deployed, PROJECT.replace("name: visits", f"name: {name}"))} == set()


def test_the_payments_example_can_be_checked_where_none_of_its_variables_is_set(monkeypatch):
    for name in ("BANK_URL", "LEDGER_URL", "MLFLOW_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    folder = ROOT / "examples" / "payments"
    assert problems(folder) == ()
    assert load_project(folder).targets["kind"].engine == "job"
