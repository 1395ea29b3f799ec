"""The images' Dockerfiles: what can be told by reading, and, where Docker answers, that they build and run."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from components.image import SERVING_IMAGE, STEP_IMAGE, VERSION

ROOT = Path(__file__).resolve().parents[2]
FILES = {SERVING_IMAGE: ROOT / "serving" / "Dockerfile", STEP_IMAGE: ROOT / "components" / "Dockerfile"}
LOCKS = {SERVING_IMAGE: ROOT / "serving" / "requirements.txt", STEP_IMAGE: ROOT / "components" / "requirements.txt"}
DEVELOPMENT = ("hypothesis", "import-linter", "pytest-xdist", "uv")
BASE = "python:3.11-slim-bookworm"


def final_stage(image: str) -> str:
    text = FILES[image].read_text()
    return text[text.rindex("\nFROM ") :]


@pytest.mark.parametrize("image", FILES)
def test_an_image_installs_by_hash_and_runs_as_a_number_with_nothing_installed_at_run_time(image):
    text, final = FILES[image].read_text(), final_stage(image)
    assert text.count("pip install") == text.count("--require-hashes") == 2
    assert "\nUSER 65532:65532\n" in final
    assert " install" not in final
    assert "\nRUN " not in final
    assert re.findall(r"^ARG BASE=(.*)$", text, re.MULTILINE) == [BASE]
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) == {"${BASE}"}


@pytest.mark.parametrize("image", FILES)
def test_code_from_a_working_copy_that_only_its_owner_may_read_is_readable_in_an_image(image):
    assert "chmod -R u=rwX,go=rX /opt/journey/code" in FILES[image].read_text()


@pytest.mark.parametrize("image", FILES)
def test_an_image_says_what_it_is_and_changed_code_leaves_the_libraries_layer(image):
    final = final_stage(image)
    for label in ("title", "description", "version", "licenses"):
        assert f"org.opencontainers.image.{label}=" in final
    assert f'image.title="{image}"' in final
    assert re.findall(r"^COPY --from=(\w+)", final, re.MULTILINE) == ["libraries", "code"]


@pytest.mark.parametrize("image", LOCKS)
def test_an_images_lock_holds_the_same_versions_as_ours_and_nothing_of_development(image):
    pinned = {line.partition("==")[0]: line for line in LOCKS[image].read_text().splitlines() if "==" in line}
    everything = {line for line in (ROOT / "requirements.txt").read_text().splitlines() if "==" in line}
    assert set(DEVELOPMENT).isdisjoint(pinned)
    assert {line.split(";")[0].split()[0] for line in pinned.values()} <= {line.split(";")[0].split()[0] for line in everything}


def test_the_images_version_is_the_projects():
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION


def test_every_package_that_an_image_copies_is_let_into_the_build(tmp_path):
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for path in FILES.values():
        for source in re.findall(r"^COPY (?!--from)(.+) \S+$", path.read_text(), re.MULTILINE):
            assert {name.split("/")[0] for name in source.split()} <= let_in


def docker(*arguments: str | Path, timeout: float = 60) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False, timeout=timeout)


@pytest.fixture(scope="module")
def engine() -> None:
    if shutil.which("docker") is None or docker("info").returncode != 0:
        pytest.skip("no Docker engine answers here")
    if docker("image", "inspect", BASE).returncode != 0 and (pulled := docker("pull", "-q", BASE, timeout=300)).returncode != 0:
        pytest.skip(f"the base image can't be fetched here: {pulled.stderr.strip()[-200:]}")


@pytest.mark.acceptance
@pytest.mark.parametrize(
    ("image", "command", "says"),
    [
        (SERVING_IMAGE, (), "python -m serving"),
        (STEP_IMAGE, (), "Usage: journey"),
        (STEP_IMAGE, ("python", "-m", "kfp.dsl.executor_main", "--help"), "usage"),
        (STEP_IMAGE, ("python", "-m", "pipelines.trigger", "--help"), "usage"),
        (STEP_IMAGE, ("mlflow", "server", "--help"), "--backend-store-uri"),
    ],
)
def test_an_image_builds_and_starts_without_a_login_name_a_network_or_a_root_to_write_to(engine, image, command, says):
    built = docker("build", "-q", "--build-arg", f"VERSION={VERSION}", "-f", FILES[image], "-t", f"{image}:test", ROOT, timeout=900)
    assert built.returncode == 0, built.stdout + built.stderr
    hardened = ("--read-only", "--tmpfs", "/tmp", "--network", "none", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
    ran = docker("run", "--rm", *hardened, f"{image}:test", *command)
    assert says in ran.stdout + ran.stderr
    assert docker("run", "--rm", "--entrypoint", "id", f"{image}:test", "-u").stdout.strip() == "65532"


@pytest.mark.acceptance
@pytest.mark.parametrize("image", FILES)
def test_an_image_holds_no_tool_that_installs_and_its_code_is_compiled(engine, image):
    docker("build", "-q", "--build-arg", f"VERSION={VERSION}", "-f", FILES[image], "-t", f"{image}:test", ROOT, timeout=900)
    look = "import glob, os, shutil, journey.errors as e; pip = glob.glob('/opt/journey/venv/lib/*/site-packages/pip/')"
    tell = "print(pip, shutil.which('uv'), os.path.isfile(e.__cached__))"
    found = docker("run", "--rm", "--entrypoint", "python", f"{image}:test", "-c", f"{look}; {tell}")
    assert found.stdout == "[] None True\n", found.stderr
