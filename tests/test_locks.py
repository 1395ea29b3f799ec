"""Three locks, one set of versions: what is tested here is what the images hold."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
WHOLE = ROOT / "requirements.txt"
IMAGES = (ROOT / "components" / "requirements.txt", ROOT / "serving" / "requirements.txt")
PIN = re.compile(r"^([a-z0-9._-]+)==(\S+)(?: ; (.+?))? \\$", re.MULTILINE)


def pins(lock: Path) -> dict[str, str]:
    """Package > version."""
    return {name: version for name, version, _ in PIN.findall(lock.read_text())}


@pytest.mark.parametrize("lock", IMAGES, ids=lambda lock: lock.parent.name)
def test_an_images_lock_pins_the_versions_that_are_tested(lock):
    tested = pins(WHOLE)
    assert {name: (version, tested.get(name)) for name, version in pins(lock).items() if tested.get(name) != version} == {}


@pytest.mark.parametrize("lock", [WHOLE, *IMAGES], ids=lambda lock: lock.parent.name)
def test_a_lock_pins_by_hash_and_names_no_place_to_get_packages_from(lock):
    text = lock.read_text()
    for requirement in re.split(r"\n(?=\S)", text.strip()):
        assert PIN.match(requirement), requirement.splitlines()[0]
        assert " --hash=sha256:" in requirement, requirement.splitlines()[0]
    assert "://" not in text
    assert "--find-links" not in text


def test_the_steps_image_has_every_dependency_and_no_tool_of_ours():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    def names(requirements: list[str]) -> set[str]:
        return {re.split(r"[\[<>=~! ]", requirement)[0].lower() for requirement in requirements}

    locked = set(pins(IMAGES[0]))
    assert names(project["dependencies"]) <= locked
    what_feast_and_mlflow_ask_for = {"fastapi", "mypy", "uvicorn"}
    assert names(project["optional-dependencies"]["dev"]) & locked <= what_feast_and_mlflow_ask_for
