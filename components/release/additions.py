"""What the platform's images get on top: a model's bundle for the server, a project's files for the steps."""

from pathlib import Path

from components.image import BUNDLE_FOLDER, PROJECT_FOLDER
from components.release.containerize import Addition
from journey.errors import ProjectError
from journey.model.bundle import bundle_digest
from journey.project_files import project_files

LIMIT_BYTES = 100 << 20      # a guess: more than any code needs, and each node pulls it; data belongs in a source or on a volume
TITLE = "org.opencontainers.image.title"


def model_addition(name: str, directory: Path) -> Addition:
    """A bundle, and the command that serves it; no version in it: a bundle that is registered anew is the same image.

    Args:
        name: the model's.
        directory: the bundle.

    Raises:
        DataError: there is no bundle.
    """
    labels = {TITLE: name, "journey.model": name, "journey.bundle": bundle_digest(directory)}
    files = {path.relative_to(directory).as_posix(): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}
    return Addition(BUNDLE_FOLDER, files, labels, ("--bundle", BUNDLE_FOLDER, "--model", name))


def project_addition(name: str, directory: Path) -> Addition:
    """A project's files, as its steps read them.

    Args:
        name: the project's.
        directory: its folder.

    Raises:
        ProjectError: the files are more than an image should hold, or one can't be read.
    """
    paths = project_files(directory)
    try:
        _require_small(directory, {path: path.stat().st_size for path in paths})
        files = {path.relative_to(directory).as_posix(): path.read_bytes() for path in paths}
    except OSError as error:
        raise ProjectError(f"{error.filename}: expected a file that can be read, found: {error.strerror}. Mend or remove it.") from error
    return Addition(PROJECT_FOLDER, files, {TITLE: f"{name}-steps", "journey.project": name})


def _require_small(directory: Path, sizes: dict[Path, int]) -> None:
    total = sum(sizes.values())
    if total <= LIMIT_BYTES:
        return
    largest = max(sizes, key=lambda path: sizes[path])
    raise ProjectError(
        f"{directory}: expected at most {LIMIT_BYTES >> 20} MiB of files for the project's image, found {_mib(total)} MiB; the largest is "
        f"{largest.relative_to(directory)} with {_mib(sizes[largest])} MiB. Move data out of the folder, onto the volume that "
        "targets.*.data names, or into a hidden folder."
    )


def _mib(size: int) -> str:
    return f"{size / (1 << 20):,.1f}"
