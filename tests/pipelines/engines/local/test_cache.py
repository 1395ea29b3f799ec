"""A step runs again when something changed that decides its bytes, and only then."""

import os
import shutil
from pathlib import Path

import pytest
from kfp import dsl

component = dsl.component(base_image="journey-steps", install_kfp_package=False)


@component
def write(text: str, out: dsl.Output[dsl.Dataset]):
    from pathlib import Path

    Path(out.path).mkdir()
    (Path(out.path) / "text").write_text(text)


@component
def first_letter(given: dsl.Input[dsl.Dataset], out: dsl.Output[dsl.Dataset]):
    from pathlib import Path

    Path(out.path).write_text((Path(given.path) / "text").read_text()[:1])


@component
def size(given: dsl.Input[dsl.Dataset]) -> int:
    from pathlib import Path

    return Path(given.path).stat().st_size


@dsl.pipeline(name="letters")
def letters(text: str = "abc"):
    size(given=first_letter(given=write(text=text).outputs["out"]).outputs["out"])


@component
def use_module() -> str:
    from toylib.used import answer

    return answer()


@dsl.pipeline(name="modules")
def modules():
    use_module()


@component
def look(path: str, out: dsl.Output[dsl.Dataset]):
    from pathlib import Path

    Path(out.path).write_text(Path(path).read_text())


@dsl.pipeline(name="sources")
def sources(path: str):
    size(given=look(path=path).set_caching_options(False).outputs["out"])


def cached(ended):
    assert ended.failure is None, ended.failure.text()
    return [name for name, step in ended.record.steps.items() if step.cached]


def test_nothing_runs_again_when_nothing_changed(run):
    assert cached(run(letters)) == []
    again = run(letters)
    assert cached(again) == ["write", "first-letter", "size"]
    assert again.preload_seconds == {}, "no fork server was started"


def test_the_log_of_a_cached_step_is_that_of_the_run_in_which_it_ran(run, home):
    run(letters)
    assert run(letters).record.steps["write"].log == home / "runs" / "run-0" / "log" / "write.log"


def test_a_step_that_gives_the_same_content_again_leaves_the_rest_cached(run):
    run(letters)
    assert cached(run(letters, parameters={"text": "another"})) == ["size"], "the content of first-letter is the same"
    assert cached(run(letters, parameters={"text": "xyz"})) == [], "now it is not, of whatever size"


def test_a_hit_whose_artifact_is_gone_is_none(run, home):
    path = Path(run(letters).record.outputs["write"].artifacts["out"].uri)
    shutil.rmtree(path)
    assert cached(run(letters)) == ["first-letter", "size"]
    assert (path / "text").read_text() == "abc"


def test_a_hit_whose_artifact_was_changed_is_none(run):
    path = Path(run(letters).record.outputs["write"].artifacts["out"].uri) / "text"
    path.write_text("abd")
    assert cached(run(letters)) == ["first-letter", "size"]
    assert path.read_text() == "abc"


@pytest.mark.parametrize("content", ['{"format": 1, "fol', "[]", '{"format": 1}', '{"format": 1, "folder": 3, "files": {}}', "\x00"])
def test_an_entry_that_is_damaged_is_none(run, home, content):
    run(letters)
    for entry in (home / "cache" / "steps").iterdir():
        entry.write_text(content)
    assert cached(run(letters)) == []
    assert cached(run(letters)) == ["write", "first-letter", "size"]


def test_what_is_known_of_the_environment_is_looked_up_anew_where_it_is_damaged(run, home):
    run(letters)
    for table in (home / "cache" / "environments").iterdir():
        table.write_text('{"prov')
    assert cached(run(letters)) == ["write", "first-letter", "size"]


def test_a_hit_whose_deed_was_undone_is_none(run):
    run(letters)
    asked = {}

    def stands(task, parameters):
        asked[task] = dict(parameters)
        return task != "size"

    again = run(letters, holds=stands)
    assert asked == {"write": {}, "first-letter": {}, "size": {"Output": 1}}
    assert cached(again) == ["write", "first-letter", "size"], "the same came out"
    assert again.preload_seconds, "but size ran"


def test_an_artifact_that_was_only_touched_is_still_good(run):
    os.utime(Path(run(letters).record.outputs["write"].artifacts["out"].uri) / "text", (1, 1))
    assert cached(run(letters)) == ["write", "first-letter", "size"]


def test_a_home_can_be_moved(run, home, tmp_path):
    run(letters)
    shutil.copytree(home, tmp_path / "moved")
    shutil.rmtree(home)
    ended = run(letters, home=tmp_path / "moved")
    assert cached(ended) == ["write", "first-letter", "size"]
    assert Path(ended.record.outputs["write"].artifacts["out"].uri).is_dir()


def test_a_step_that_always_looks_counts_as_cached_when_it_finds_the_same(run, tmp_path):
    source = tmp_path / "source"
    source.write_text("one")
    assert cached(run(sources, parameters={"path": str(source)})) == []
    again = run(sources, parameters={"path": str(source)})
    assert cached(again) == ["look", "size"]
    assert again.record.steps["look"].seconds > 0
    source.write_text("three")
    assert cached(run(sources, parameters={"path": str(source)})) == []


@pytest.fixture
def library(tmp_path):
    folder = tmp_path / "root" / "toylib"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "used.py").write_text("from toylib import deeper\n\ndef answer():\n    return deeper.ANSWER\n")
    (folder / "deeper.py").write_text("ANSWER = 'one'\n")
    (folder / "other.py").write_text("X = 1\n")
    return folder


def test_a_change_in_code_that_a_step_reaches_runs_it_again(run, library):
    assert run(modules, root=library.parent).record.outputs["use-module"].parameters["Output"] == "one"
    (library / "other.py").write_text("X = 2\n")
    assert cached(run(modules, root=library.parent)) == ["use-module"]
    (library / "deeper.py").write_text("ANSWER = 'three'\n")      # of another size: Python takes one of the same second for the same
    ended = run(modules, root=library.parent)
    assert cached(ended) == []
    assert ended.record.outputs["use-module"].parameters["Output"] == "three"
