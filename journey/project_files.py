"""Which files of a project's folder are the project: what its image holds and what is published."""

import os
from pathlib import Path


def project_files(folder: Path) -> list[Path]:
    """A project's files, sorted: nothing hidden (`.journey`, `.git`), no Python cache, no virtual environment (told by pyvenv.cfg).

    Links are followed, each folder once. Pipes, sockets and devices are no files; a link that leads nowhere is one, for its reader to tell.
    """
    found: list[Path] = []
    seen = {folder.resolve()}
    for here, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in sorted(folders) if _is_ours(Path(here, name)) and _is_new(Path(here, name).resolve(), seen)]
        found += [path for path in (Path(here, name) for name in files) if _is_file(path)]
    return sorted(found)


def _is_ours(folder: Path) -> bool:
    return not folder.name.startswith(".") and folder.name != "__pycache__" and not (folder / "pyvenv.cfg").exists()


def _is_file(path: Path) -> bool:
    return not path.name.startswith(".") and path.suffix != ".pyc" and (path.is_file() or not path.exists())


def _is_new(folder: Path, seen: set[Path]) -> bool:
    new = folder not in seen
    seen.add(folder)
    return new
