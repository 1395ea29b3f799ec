"""The scripts that CI and people run: what they say where something is missing."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


def ran(script: str | Path, path: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": path, "HOME": os.environ.get("HOME", "/"), **variables}
    return subprocess.run(["/bin/bash", ROOT / script], env=environment, capture_output=True, text=True, timeout=60, check=False)


def command(folder: Path, name: str, script: str) -> None:
    """A command of that name in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def telling(version: str) -> str:
    """What a kubectl of that version says of itself, as a script."""
    return f"printf '{{\\n  \"clientVersion\": {{\\n    \"gitVersion\": \"{version}\"\\n  }}\\n}}\\n'"


def kubectl_of(folder: Path, version: str) -> str:
    """A PATH on which kubectl tells that version."""
    command(folder, "kubectl", telling(version))
    return f"{folder}:/usr/bin:/bin"


@pytest.mark.parametrize("version", ["v1.21.0", "v1.32.4-dispatcher", "v2.0.1"])
def test_a_kubectl_that_knows_components_is_fine(version, tmp_path):
    asked = ran(".ci/kubectl", kubectl_of(tmp_path, version))
    assert asked.returncode == 0, asked.stderr


@pytest.mark.parametrize(
    ("version", "found"), [("v1.20.15", "found 1.20.15"), ("v0.9", "found 0.9"), ("none", "found none that tells its version")]
)
def test_an_older_kubectl_is_refused_with_what_to_do(version, found, tmp_path):
    asked = ran(".ci/kubectl", kubectl_of(tmp_path, version))
    assert asked.returncode == 1
    assert "expected kubectl 1.21 or newer" in asked.stderr
    assert found in asked.stderr


def test_a_kubectl_that_cannot_even_tell_its_version_is_told(tmp_path):
    command(tmp_path, "kubectl", "exit 126")
    asked = ran(".ci/kubectl", f"{tmp_path}:/usr/bin:/bin")
    assert asked.returncode == 1
    assert "found none that tells its version" in asked.stderr


def test_a_missing_kubectl_is_told(tmp_path):
    asked = ran(".ci/kubectl", str(tmp_path))
    assert asked.returncode == 1
    assert "expected kubectl, found none" in asked.stderr


def test_without_a_kubernetes_the_cluster_tests_say_why_they_skip_and_nothing_fails():
    asked = ran("tests/cluster/run", "/usr/bin:/bin", KUBE="/nowhere/kube")
    assert asked.returncode == 0, asked.stderr
    assert "skipped: no Kubernetes: export KUBECONFIG" in asked.stderr


@pytest.fixture
def tree(tmp_path) -> Path:
    """What the cluster tests' script reads, and commands that say yes to all it does: make, pytest, and a cluster without the namespace."""
    read = ("tests/cluster/run", ".ci/kubectl", "components/image.py", "manifests/overlays/kind/kustomization.yaml", "docs/kubernetes.md")
    for path in read:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    commands = tmp_path / "commands"
    command(commands, "make", f"echo make $* >> {tmp_path}/asked")
    command(tmp_path / ".venv/bin", "python", "exit $TESTS_END_WITH")
    answers = f'"version "*) {telling("v1.32.0")};; "get namespace "*) exit 1;; "delete namespace "*) exit $DELETION_ENDS_WITH;;'
    command(commands, "kubectl", f'case "$*" in {answers} esac')
    return tmp_path


def test_the_platform_of_the_cluster_tests_is_made_as_a_newcomer_makes_it(tree):
    ends = {"TESTS_END_WITH": "0", "DELETION_ENDS_WITH": "0"}
    asked = ran(tree / "tests/cluster/run", f"{tree}/commands:/usr/bin:/bin", KUBECONFIG="there", KUBE="/nowhere/kube", **ends)
    assert asked.returncode == 0, asked.stderr
    made = (tree / "asked").read_text().splitlines()
    assert made[-2:] == ["make cluster-secrets PROJECT=examples/payments TARGET=kind SOURCES=BANK_URL", "make push-images"]
    (tree / "docs/kubernetes.md").write_text("# On Kubernetes\n")
    asked = ran(tree / "tests/cluster/run", f"{tree}/commands:/usr/bin:/bin", KUBECONFIG="there", KUBE="/nowhere/kube", **ends)
    assert asked.returncode == 1
    assert "expected the commands that make the platform, found none" in asked.stderr


@pytest.mark.parametrize(("tests", "deletion", "code"), [(0, 0, 0), (1, 0, 1), (0, 1, 1)], ids=["well", "tests failed", "not deleted"])
def test_the_cluster_tests_end_well_only_if_the_tests_did_and_all_was_deleted(tree, tests, deletion, code):
    ends = {"TESTS_END_WITH": str(tests), "DELETION_ENDS_WITH": str(deletion)}
    asked = ran(tree / "tests/cluster/run", f"{tree}/commands:/usr/bin:/bin", KUBECONFIG="there", KUBE="/nowhere/kube", **ends)
    assert asked.returncode == code, asked.stderr
    assert "everything deleted" in asked.stderr


@pytest.mark.parametrize(("status", "ended"), [("apiserver up", False), ("apiserver down", True)])
def test_a_cluster_that_was_up_stays_and_one_that_was_brought_up_is_ended(tree, status, ended):
    rest = "for n in 1 2 3 4 5 6 7 8; do sleep 0.02; echo; done"          # of the status, which is longer than its first line
    answers = f'status) echo "{status}"; {rest};; env) echo export KUBECONFIG=there;; down) touch {tree}/ended;;'
    command(tree / "commands", "kube", f"case $1 in {answers} esac")
    variables = {"KUBE": str(tree / "commands/kube"), "TESTS_END_WITH": "0", "DELETION_ENDS_WITH": "0"}
    asked = ran(tree / "tests/cluster/run", f"{tree}/commands:/usr/bin:/bin", **variables)
    assert asked.returncode == 0, asked.stderr
    assert (tree / "ended").exists() is ended


def test_kind_passes_on_the_ports_that_the_overlay_opens():
    [node] = yaml.safe_load((ROOT / "kind-config.yaml").read_text())["nodes"]
    ports = ROOT / "manifests" / "addons" / "node-ports"
    server = yaml.safe_load((ports / "service.yaml").read_text())["spec"]["ports"][0]["nodePort"]
    [registry] = yaml.safe_load((ports / "registry.yaml").read_text())["spec"]["template"]["spec"]["containers"]
    assert {one["containerPort"] for one in node["extraPortMappings"]} == {server, registry["ports"][0]["hostPort"]}
    assert {one["listenAddress"] for one in node["extraPortMappings"]} == {"127.0.0.1"}
