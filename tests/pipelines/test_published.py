"""The published project is there whole or not at all, and who reads it learns of the next one."""

import json
import os
import threading
from pathlib import Path

import pytest

import pipelines.published
from journey.errors import DataError, Unavailable
from pipelines.published import CURRENT, FOLDER, KEPT_BEFORE, publish, published, tell_when_replaced, wait_until_published


@pytest.fixture
def project(tmp_path) -> Path:
    folder = tmp_path / "bank"
    (folder / "tests").mkdir(parents=True)
    (folder / ".journey").mkdir()
    (folder / "project.yaml").write_text("name: bank\n")
    (folder / "tests/test_it.py").write_text("")
    (folder / ".journey/ledger.db").write_text("not the project's")
    return folder


@pytest.fixture
def home(tmp_path) -> Path:
    return tmp_path / "home"


def copies(home: Path) -> set[str]:
    return {path.name for path in (home / FOLDER).iterdir()} - {CURRENT}


def test_what_is_published_is_read_back_with_its_files(project, home):
    assert published(home) is None
    made = publish(home, project, "localhost:5000/bank-steps@sha256:1", "kind")
    assert published(home) == made
    assert (made.image, made.target, made.folder) == ("localhost:5000/bank-steps@sha256:1", "kind", home / FOLDER / made.digest)
    assert {str(path.relative_to(made.folder)) for path in made.folder.rglob("*") if path.is_file()} == {"project.yaml", "tests/test_it.py"}


def test_a_copy_that_a_crash_of_the_node_left_damaged_is_made_anew(project, home):
    made = publish(home, project, "a", "kind")
    (made.folder / "project.yaml").write_text("")
    assert publish(home, project, "a", "kind") == made
    assert (made.folder / "project.yaml").read_bytes() == (project / "project.yaml").read_bytes()


def test_the_same_project_published_again_changes_nothing_and_another_image_is_told(project, home):
    first = publish(home, project, "a", "kind")
    before = (home / FOLDER / CURRENT).stat().st_mtime_ns
    assert publish(home, project, "a", "kind") == first
    assert (home / FOLDER / CURRENT).stat().st_mtime_ns == before
    assert publish(home, project, "b", "kind").digest == first.digest
    assert published(home).image == "b"
    assert copies(home) == {first.digest}


def test_the_digest_is_that_of_names_and_contents(project, home):
    first = publish(home, project, "", "kind").digest
    (project / "project.yaml").rename(project / "project.yml")
    second = publish(home, project, "", "kind").digest
    (project / "project.yml").rename(project / "project.yaml")
    os.utime(project / "project.yaml", (1, 1))
    assert publish(home, project, "", "kind").digest == first != second


def test_old_copies_go_but_for_the_newest_and_the_current_one(project, home):
    made = []
    for number in range(6):
        (project / "project.yaml").write_text(f"seed: {number}\n")
        made.append(publish(home, project, "", "kind").digest)
        os.utime(home / FOLDER / made[-1], (number, number))
    assert copies(home) == set(made[-1 - KEPT_BEFORE :])
    (project / "project.yaml").write_text("seed: 3\n")
    assert publish(home, project, "", "kind").digest == made[3]
    assert made[3] in copies(home)


def test_a_copy_that_a_killed_process_left_half_done_is_never_current_and_goes(project, home):
    left = home / FOLDER / f"{pipelines.published.PART}dead"
    left.mkdir(parents=True)
    (left / "project.yaml").write_text("half")
    made = publish(home, project, "", "kind")
    assert copies(home) == {made.digest, left.name}
    os.utime(left, (1, 1))
    publish(home, project, "", "kind")
    assert copies(home) == {made.digest}


def test_a_copy_that_fails_leaves_what_was_published(project, home, monkeypatch):
    first = publish(home, project, "", "kind")
    (project / "features.py").write_text("new")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pipelines.published.shutil, "copyfile", full)
    with pytest.raises(Unavailable, match="No space left"):
        publish(home, project, "", "kind")
    assert published(home) == first
    assert copies(home) == {first.digest}


@pytest.mark.parametrize(
    ("text", "told"), [('{"format": 2}', "a newer Journey"), ("{}", "Run the pipeline again"), ("[]", "Run the pipeline"), ("", "Run the")]
)
def test_what_is_no_record_of_a_published_project_is_told_of(home, text, told):
    (home / FOLDER).mkdir(parents=True)
    (home / FOLDER / CURRENT).write_text(text)
    with pytest.raises(DataError, match=told):
        published(home)


@pytest.mark.parametrize("text", ["", "{}", "[]"])
def test_a_damaged_record_is_written_anew_by_the_next_run(project, home, text):
    (home / FOLDER).mkdir(parents=True)
    (home / FOLDER / CURRENT).write_text(text)
    assert publish(home, project, "a", "kind") == published(home)


def test_what_a_newer_journey_published_is_not_replaced(project, home):
    (home / FOLDER).mkdir(parents=True)
    (home / FOLDER / CURRENT).write_text('{"format": 2}')
    with pytest.raises(DataError, match="a newer Journey"):
        publish(home, project, "a", "kind")
    assert (home / FOLDER / CURRENT).read_text() == '{"format": 2}'


def test_who_waits_is_given_the_project_and_told_when_another_is_published(project, home, monkeypatch):
    monkeypatch.setattr(pipelines.published, "LOOK_SECONDS", 0.01)
    stop, found, replaced = threading.Event(), [], threading.Event()
    waiting = threading.Thread(target=lambda: found.append(wait_until_published(home, stop)))
    waiting.start()
    first = publish(home, project, "a", "kind")
    waiting.join(60)
    assert found == [first]
    looking = tell_when_replaced(home, first, replaced.set)
    publish(home, project, "a", "kind")
    assert not replaced.wait(0.1)
    (home / FOLDER / CURRENT).rename(home / "away")          # a volume that is away tells of nothing new
    assert not replaced.wait(0.1)
    (home / "away").rename(home / FOLDER / CURRENT)
    (project / "models.py").write_text("new")
    publish(home, project, "a", "kind")
    assert replaced.wait(60)
    looking.join(60)


def test_who_waits_ends_when_asked_to(home):
    stop = threading.Event()
    stop.set()
    assert wait_until_published(home, stop) is None


def test_current_json_is_as_agreed(project, home):
    made = publish(home, project, "image", "kind")
    assert json.loads((home / FOLDER / CURRENT).read_text()) == {
        "format": 1, "digest": made.digest, "image": "image", "folder": f"project/{made.digest}", "target": "kind",
    }  # fmt: skip
