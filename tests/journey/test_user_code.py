"""Which files of a project's folder are its own."""

from pathlib import Path

from journey.user_code import python_files


def test_hidden_folders_caches_and_virtual_environments_are_nobodys_own_code(tmp_path: Path) -> None:
    own = ["features.py", "lib/shapes.py", "tests/test_features.py", "venvs/notes.py"]
    others = [".venv/site.py", "venv/lib/site.py", "lib/__pycache__/shapes.py", ".journey/artifacts/request_features.py", ".hidden.py"]
    for name in (*own, *others):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "venv" / "pyvenv.cfg").touch()
    assert python_files(tmp_path) == [tmp_path / name for name in own]
