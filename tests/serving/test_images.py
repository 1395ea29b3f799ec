"""The images' Dockerfiles: what can be told by reading, and, where Docker answers, that they build and run."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = {"journey-serving": ROOT / "serving" / "Dockerfile", "journey-steps": ROOT / "components" / "Dockerfile"}


@pytest.mark.parametrize("image", FILES)
def test_an_image_installs_by_hash_and_runs_as_a_number_with_nothing_installed_at_run_time(image):
    text = FILES[image].read_text()
    final = text[text.rindex("\nFROM ") :]
    assert "--require-hashes" in text
    assert "\nUSER 65532:65532\n" in final
    assert "pip install" not in final
    assert "\nRUN " not in final
    assert "latest" not in text


@pytest.mark.acceptance
@pytest.mark.parametrize(("image", "says"), [("journey-serving", "python -m serving"), ("journey-steps", "usage")])
def test_an_image_builds_and_starts_with_a_read_only_root(image, says):
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "info"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no Docker engine answers here")
    base = "python:3.11-slim-bookworm"
    if subprocess.run([docker, "image", "inspect", base], capture_output=True, check=False).returncode != 0:
        pulled = subprocess.run([docker, "pull", "-q", base], capture_output=True, text=True, check=False)
        if pulled.returncode != 0:
            pytest.skip(f"the base image can't be fetched here: {pulled.stderr.strip()[-200:]}")
    subprocess.run([docker, "build", "-q", "-f", FILES[image], "-t", f"{image}:test", ROOT], check=True, timeout=900)
    run = [docker, "run", "--rm", "--read-only", "--tmpfs", "/tmp", f"{image}:test"]
    ran = subprocess.run(run, capture_output=True, text=True, check=False)
    assert says in ran.stdout + ran.stderr
