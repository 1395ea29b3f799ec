"""The scripts that CI and people run: what they say where something is missing."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


def ran(script: str, path: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": path, "HOME": os.environ.get("HOME", "/"), **variables}
    return subprocess.run(["/bin/bash", ROOT / script], env=environment, capture_output=True, text=True, timeout=60, check=False)


def kubectl_of(folder: Path, version: str) -> str:
    """A PATH on which kubectl tells that version."""
    command = folder / "kubectl"
    command.write_text(f"#!/bin/sh\nprintf '{{\\n  \"clientVersion\": {{\\n    \"gitVersion\": \"{version}\"\\n  }}\\n}}\\n'\n")
    command.chmod(0o755)
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


def test_a_missing_kubectl_is_told(tmp_path):
    asked = ran(".ci/kubectl", str(tmp_path))
    assert asked.returncode == 1
    assert "expected kubectl, found none" in asked.stderr


def test_without_a_kubernetes_the_cluster_tests_say_why_they_skip_and_nothing_fails():
    asked = ran("tests/cluster/run", "/usr/bin:/bin", KUBE="/nowhere/kube")
    assert asked.returncode == 0, asked.stderr
    assert "skipped: no Kubernetes: export KUBECONFIG" in asked.stderr


def test_kind_passes_on_the_ports_that_the_overlay_opens():
    [node] = yaml.safe_load((ROOT / "kind-config.yaml").read_text())["nodes"]
    ports = ROOT / "manifests" / "addons" / "node-ports"
    server = yaml.safe_load((ports / "service.yaml").read_text())["spec"]["ports"][0]["nodePort"]
    [registry] = yaml.safe_load((ports / "registry.yaml").read_text())["spec"]["template"]["spec"]["containers"]
    assert {one["containerPort"] for one in node["extraPortMappings"]} == {server, registry["ports"][0]["hostPort"]}
    assert {one["listenAddress"] for one in node["extraPortMappings"]} == {"127.0.0.1"}
