"""A step's log, copied from its pod to the home: line by line while it runs, whole when it has ended."""

import os
import shutil
import threading
from pathlib import Path

from components.connections.cluster import Cluster
from journey.errors import JourneyError

_LAST_LINES_SECONDS = 2.0           # of a pod that is gone nothing more can come than what is under way
_END_BYTES = 1 << 18                # holds any traceback; the rest is in the file


class LogCopy:
    """Appends a pod's log to a file."""

    def __init__(self, cluster: Cluster, pod: str, path: Path) -> None:
        self._cluster = cluster
        self._pod = pod
        self._path = path
        self._start = path.stat().st_size if path.is_file() else 0          # an earlier attempt's lines stay
        self._writing = threading.Lock()
        self._closed = False
        self._follower: threading.Thread | None = None

    def follow(self) -> None:
        """Copies each line as it comes. Call it when the container has started; a second call does nothing."""
        if self._follower is None:
            self._follower = threading.Thread(target=self._followed, name=f"log of {self._pod}", daemon=True)
            self._follower.start()

    def whole(self) -> str:
        """Copies the log of a container that has ended, in place of the lines that came so far; none where it never started.

        A log may be larger than this process's memory: it passes through in lines.

        Returns:
            the end of the pod's log, or where the pod is gone of what came of it.
        """
        if self._follower:          # its stream ends when the node has told all: as a rule, it has
            self._follower.join(_LAST_LINES_SECONDS)
        found = self._path.with_suffix(".whole")
        try:
            self._write_whole(found)
            with self._writing:
                self._closed = True
                came = self._path.stat().st_size - self._start
                # a node that is putting the container away, or has begun a new file of the log, may have less to tell
                if found.stat().st_size > came:
                    with found.open("rb") as source, self._path.open("r+b") as file:
                        file.seek(self._start)
                        shutil.copyfileobj(source, file)
                return self._end()
        finally:
            found.unlink(missing_ok=True)

    def _write_whole(self, path: Path) -> None:
        with path.open("wb") as file:
            try:
                file.writelines(f"{line}\n".encode() for line in self._cluster.log_lines(self._pod, follow=False))
            except JourneyError:        # gone with its pod, or its node: the lines that came are all there is
                return

    def _end(self) -> str:
        with self._path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(self._start, size - _END_BYTES))
            return file.read().decode(errors="replace")

    def _followed(self) -> None:
        try:
            for line in self._cluster.log_lines(self._pod):
                with self._writing:
                    if self._closed:
                        return
                    with self._path.open("ab") as file:
                        file.write(f"{line}\n".encode())
        except (JourneyError, OSError, RuntimeError):       # `whole` will look again, and tell of a disk that is full; RuntimeError:
            return                                          # the connection was closed, because the run is over
