"""Inside the cluster a run says which project stands there, unless it is only a part of one or a retraining with what stood before."""

from pathlib import Path

import pytest

from components.connections.cluster import Cluster
from components.pod import IMAGE
from journey.errors import ProjectError
from journey.project import load_project
from pipelines.asked import Asked
from pipelines.inside import inside
from pipelines.published import published
from pipelines.runs import RunOptions
from tests.income import on_a_cluster

OLD, NEW = "localhost:5000/income-steps@sha256:0", "localhost:5000/income-steps@sha256:1"


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Begins a run of the project in an image and gives the image that is published then."""
    folder = tmp_path / "income"
    folder.mkdir()
    (folder / "project.yaml").write_text(on_a_cluster("office"))
    monkeypatch.setattr(Cluster, "connect", lambda namespace: None)          # no step runs here

    def begin(image: str, target: str = "kind", **options: object) -> str | None:
        monkeypatch.setenv(IMAGE, image)
        asked = Asked("one", folder, tmp_path / "home", load_project(folder), "training", target, RunOptions(**options))
        there = inside(asked)
        assert there is None or there.image == image
        found = published(tmp_path / "home")
        return found.image if found else None

    return begin


def test_a_whole_run_publishes_its_project(begun):
    assert begun(OLD) == OLD
    assert begun(NEW, parameters={"onset": ""}) == NEW


def test_the_first_run_does_whatever_it_is(begun):
    assert begun(OLD, until="ingest-data") == OLD


@pytest.mark.parametrize("options", [{"until": "curate-data"}, {"parameters": {"onset": "2026-03-01T00:00:00+00:00"}}])
def test_a_part_of_a_run_and_a_retraining_that_waited_leave_what_a_newer_run_published(begun, options):
    begun(NEW)
    assert begun(OLD, **options) == NEW


def test_where_steps_are_processes_nothing_is_published(begun, tmp_path):
    assert begun(OLD, target="local") is None
    assert not (tmp_path / "home").exists()


def test_a_pod_that_does_not_know_its_image_is_told_who_names_it(begun):
    with pytest.raises(ProjectError, match=f"{IMAGE}: expected the image of the project"):
        begun("")
