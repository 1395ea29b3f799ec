"""Which files of a project's folder are the project: what its image holds and what is published."""

import os
from pathlib import Path


def project_files(folder: Path) -> list[Path]:
    """A project's files, sorted: nothing hidden (`.journey`, `.git`), no Python cache, no virtual environment (told by pyvenv.cfg).

    Links are followed, each folder once.
    """
    found: list[Path] = []
    seen = {folder.resolve()}
    for here, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in sorted(folders) if _is_ours(Path(here, name)) and _is_new(Path(here, name).resolve(), seen)]
        found += [Path(here, name) for name in files if not name.startswith(".") and not name.endswith(".pyc")]
    return sorted(found)


def _is_ours(folder: Path) -> bool:
    return not folder.name.startswith(".") and folder.name != "__pycache__" and not (folder / "pyvenv.cfg").exists()


def _is_new(folder: Path, seen: set[Path]) -> bool:
    new = folder not in seen
    seen.add(folder)
    return new
