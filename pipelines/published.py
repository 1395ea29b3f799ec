"""The published project: a copy in the home, from which the processes that stand beside the pipelines read it.

$JOURNEY_HOME/project/<digest>/        the project's files, whole: a folder appears here by rename
$JOURNEY_HOME/project/current.json     which of them counts, and the image and the target it was run with
"""

import hashlib
import json
import operator
import os
import secrets
import shutil
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from journey.errors import DataError, Unavailable
from journey.project_files import project_files

FOLDER, CURRENT = "project", "current.json"
FORMAT = 1
PART = ".part-"
# Beside the current one: who still reads an older copy looks for a newer one every LOOK_SECONDS, so two are plenty.
KEPT_BEFORE = 2
ABANDONED_SECONDS = 3600.0         # real time: a copy takes seconds, so one that is older was left by a killed process
LOOK_SECONDS = 1.0                 # one small file is read


@dataclass(frozen=True)
class Published:
    """A project as it was last run.

    Attributes:
        digest: SHA-256, hex, over its files' names and contents.
        image: the image that holds it, by digest; "" where there is none.
        folder: its copy.
        target: the target it was run on.
    """

    digest: str
    image: str
    folder: Path
    target: str


def publish(home: Path, directory: Path, image: str, target: str) -> Published:
    """Makes a project the published one; older copies are removed but for the newest few.

    Args:
        home: $JOURNEY_HOME.
        directory: the project's folder.
        image: as Published.image.
        target: as Published.target.

    Raises:
        Unavailable: the home can't be written to.
        DataError: current.json is of a newer format.
    """
    root = home / FOLDER
    files = project_files(directory)
    digest = _digest(directory, files)
    made = Published(digest, image, root / digest, target)
    try:
        root.mkdir(parents=True, exist_ok=True)
        if not (made.folder.is_dir() and _digest(made.folder, project_files(made.folder)) == digest):
            shutil.rmtree(made.folder, ignore_errors=True)      # none yet, or one that a crash of the node left damaged
            _copy(directory, files, made.folder)
        made.folder.touch()            # the newest, also where it was there before
        if not _is_current(home, made):
            _point(root, made)
        _clear(root, made)
    except OSError as error:
        raise Unavailable(f"{root}: expected to copy the project there, found: {error}. See that the home's volume has room.") from error
    return made


def published(home: Path) -> Published | None:
    """The published project; None where there is none yet.

    Raises:
        DataError: current.json is of a newer format, or nothing of ours.
    """
    path = home / FOLDER / CURRENT
    try:
        return _read(home, path)
    except FileNotFoundError:
        return None
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: expected what `publish` writes, found: {error!r}. Run the pipeline again.") from error


def wait_until_published(home: Path, stop: threading.Event) -> Published | None:
    """The published project, once there is one; None where `stop` was set before.

    Raises:
        DataError: as `published`.
    """
    while not stop.is_set():
        found = published(home)
        if found is not None:
            return found
        stop.wait(LOOK_SECONDS)
    return None


def tell_when_replaced(
    home: Path, known: Published, tell: Callable[[], None], same: Callable[[Published, Published], bool] = operator.eq
) -> threading.Thread:
    """Calls `tell` once, on a thread of its own, when another project is published.

    Args:
        home: $JOURNEY_HOME.
        known: the project that is published now.
        tell: called then.
        same: whether two published projects are one to the caller; by default an image or a target of its own makes another.
    """

    def look() -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            with suppress(DataError, OSError):            # a volume that is away for a moment publishes nothing
                found = published(home)
                if found is not None and not same(known, found):
                    tell()
                    return

    thread = threading.Thread(target=look, name="published", daemon=True)
    thread.start()
    return thread


def start_anew() -> NoReturn:
    """Replaces this process by itself, with the same words: nothing of the project before stays loaded."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  the words that started this process


def _read(home: Path, path: Path) -> Published:
    told = json.loads(path.read_text(encoding="utf-8"))
    if told["format"] != FORMAT:
        raise DataError(f"{path}: expected format {FORMAT}, found {told['format']}: a newer Journey wrote it. Update this pod's image.")
    return Published(told["digest"], told["image"], home / told["folder"], told["target"])


def _is_current(home: Path, made: Published) -> bool:
    try:
        return _read(home, home / FOLDER / CURRENT) == made
    except (FileNotFoundError, KeyError, TypeError, ValueError):          # none yet, or damaged: it is written now
        return False


def _digest(directory: Path, files: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{content} {path.relative_to(directory).as_posix()}\n".encode())
    return digest.hexdigest()


def _copy(directory: Path, files: list[Path], folder: Path) -> None:
    part = folder.parent / f"{PART}{secrets.token_hex(4)}"
    try:
        for path in files:
            place = part / path.relative_to(directory)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
            with place.open("rb") as copied:
                os.fsync(copied.fileno())       # current.json, which names the folder, doesn't outlive a power cut that these don't
        part.mkdir(exist_ok=True)
        part.rename(folder)
    except OSError:
        shutil.rmtree(part, ignore_errors=True)
        if not folder.is_dir():            # somebody else may have put the same there first
            raise


def _point(root: Path, made: Published) -> None:
    told = {"format": FORMAT, "digest": made.digest, "image": made.image, "folder": f"{FOLDER}/{made.digest}", "target": made.target}
    part = root / f"{PART}{secrets.token_hex(4)}.json"
    with part.open("w", encoding="utf-8") as file:
        file.write(json.dumps(told, indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())             # before the rename: after a power cut it is the old one or the new one, never an empty one
    part.replace(root / CURRENT)


def _clear(root: Path, made: Published) -> None:
    """Removes old copies, and what killed processes left behind."""
    copies = [path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".") and path != made.folder]
    old = sorted(copies, key=_changed, reverse=True)[KEPT_BEFORE:]
    left = [path for path in root.glob(f"{PART}*") if time.time() - _changed(path) > ABANDONED_SECONDS]
    for path in (*old, *left):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _changed(path: Path) -> float:
    """When a file or folder was changed last, Unix seconds; 0 where it is gone by now."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
