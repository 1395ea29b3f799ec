"""Files as one layer of an image: the same bytes for the same files, wherever and whenever they are packed."""

import io
import tarfile
from collections.abc import Mapping
from pathlib import PurePosixPath

FOLDER_MODE, FILE_MODE = 0o755, 0o644        # everybody reads, root alone could write: the root is read-only anyway


def layer_of(folder: str, files: Mapping[str, bytes]) -> bytes:
    """An uncompressed tar of a folder with these files: sorted, of root, without times.

    It isn't compressed, because what zlib makes of the same bytes differs from version to version, and so would the digest.

    Args:
        folder: where in the image they lie, absolute.
        files: content by path within the folder.
    """
    root = PurePosixPath(folder.lstrip("/"))
    contents = {root / name: content for name, content in files.items()}
    folders = {parent for path in (root / ".journey", *contents) for parent in path.parents if parent.is_relative_to(root)}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(folders | set(contents)):
            tar.addfile(_entry(path, contents.get(path)), io.BytesIO(contents.get(path, b"")))
    return packed.getvalue()


def _entry(path: PurePosixPath, content: bytes | None) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path.as_posix())         # owner 0:0 and time 0 by default
    entry.type, entry.mode = (tarfile.DIRTYPE, FOLDER_MODE) if content is None else (tarfile.REGTYPE, FILE_MODE)
    entry.size = len(content or b"")
    return entry
