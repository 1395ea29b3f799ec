"""Artifacts on disk: written in a workspace, then published whole under the digest of their content, by one rename."""

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

Files = Mapping[str, tuple[int, int]]       # path below the folder > size in bytes, time of last change in ns
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Artifact:
    """What a step wrote or was given.

    Attributes:
        uri: a local path, or an address that something else resolves.
        metadata: small JSON values that travel with the artifact.
        digest: SHA-256 of the content, hex; "" where nothing was written.
    """

    name: str
    schema: str
    version: str
    uri: str
    metadata: Mapping[str, object]
    digest: str


@dataclass(frozen=True)
class Folder:
    """A published folder and what its files looked like then."""

    path: Path
    files: Files

    def intact(self) -> bool:
        """Whether every file is as it was published. Where one was touched, all are read again: the folder is named by its content."""
        if not self.path.is_dir():
            return False
        now = _files(self.path)
        if {name: size for name, (size, _) in now.items()} != {name: size for name, (size, _) in self.files.items()}:
            return False
        return now == self.files or _named(self.path) == self.path.name


class Store:
    """The artifacts of one home."""

    def __init__(self, home: Path) -> None:
        self.root = home / "artifacts"
        self._unfinished = self.root / ".unfinished"

    def sweep(self) -> None:
        """Removes what killed runs left half-written. Call it only while holding the home's lock."""
        shutil.rmtree(self._unfinished, ignore_errors=True)

    def workspace(self, label: str) -> Path:
        """A new empty folder for one attempt at a step."""
        path = self._unfinished / label
        path.mkdir(parents=True)
        return path

    def publish(self, task: str, workspace: Path) -> Folder:
        """Moves a finished workspace to its place. Content that is there already is kept, and the workspace removed."""
        target = self.root / task / _named(workspace)
        if target.is_dir():
            if _named(target) == target.name:
                shutil.rmtree(workspace)
                return Folder(target, _files(target))
            shutil.rmtree(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        workspace.rename(target)
        return Folder(target, _files(target))


def digest_of(path: Path) -> str:
    """SHA-256 of a file's bytes, or of a folder's relative paths and their files' digests; "" where there is nothing."""
    if path.is_dir():
        content = hashlib.sha256()
        for file in _walk(path):
            content.update(f"{file.relative_to(path).as_posix()}\0{_digest_of_file(file)}\n".encode())
        return content.hexdigest()
    return _digest_of_file(path) if path.is_file() else ""


def _named(folder: Path) -> str:
    return digest_of(folder)[:24]


def _digest_of_file(path: Path) -> str:
    content = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            content.update(chunk)
    return content.hexdigest()


def _files(folder: Path) -> dict[str, tuple[int, int]]:
    looked = ((path.relative_to(folder).as_posix(), path.stat()) for path in _walk(folder))
    return {name: (status.st_size, status.st_mtime_ns) for name, status in looked}


def _walk(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder, followlinks=True):
        folders.sort()
        yield from (Path(place) / name for name in sorted(names))
