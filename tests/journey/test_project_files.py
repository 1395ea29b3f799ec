"""Which files of a folder are the project."""

import os

from journey.project_files import project_files


def test_nothing_hidden_no_cache_and_no_virtual_environment_is_part_of_a_project(tmp_path):
    others = (".journey/ledger.db", ".env", "__pycache__/a.pyc", "old.pyc", "venv/pyvenv.cfg", "venv/lib/a.py")
    for name in ("project.yaml", "data/rows.csv", *others):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    assert [path.relative_to(tmp_path).as_posix() for path in project_files(tmp_path)] == ["data/rows.csv", "project.yaml"]


def test_a_folder_that_is_linked_is_followed_once_and_a_loop_ends(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "rows.csv").write_text("a\n1\n")
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "data").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "project")
    assert [path.relative_to(tmp_path).as_posix() for path in project_files(tmp_path / "project")] == ["project/data/rows.csv"]


def test_what_would_be_read_for_ever_is_left_out_and_a_broken_link_is_left_to_its_reader(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "gone.csv").symlink_to(tmp_path / "nowhere")
    assert project_files(tmp_path) == [tmp_path / "gone.csv"]
