"""The folder of a new project: nothing that is there is overwritten."""

import re
from collections.abc import Mapping
from pathlib import Path

from journey.errors import ProjectError
from journey.project import FILE

IGNORED = ".journey/\n__pycache__/\n"
_LONGEST = 63               # characters of a name that Kubernetes takes too


def new_folder(directory: Path) -> None:
    """Makes the folder, or takes one that holds no project.

    Raises:
        ProjectError: there is a project already, or no folder can be made.
    """
    if (directory / FILE).exists():
        raise ProjectError(f"{directory / FILE}: expected a folder without a project, found one; name another folder, or delete the file")
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ProjectError(f"{directory}: expected a place for a new folder, found: {error.strerror}") from error


def project_name(directory: Path) -> str:
    """A project's name made from its folder's: `My Project_1` gives `my-project-1`."""
    name = re.sub(r"[^a-z0-9]+", "-", directory.resolve().name.lower()).strip("-")
    return (name if name[:1].isalpha() else f"project-{name}")[:_LONGEST].rstrip("-")


def write(directory: Path, files: Mapping[str, str]) -> None:
    """Writes files by their paths in the folder; one that is there already stays as it is.

    Raises:
        ProjectError: a file can't be written.
    """
    for name, text in files.items():
        path = directory / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            continue
        except OSError as error:
            raise ProjectError(f"{path}: expected a place for a new file, found: {error.strerror}") from error
