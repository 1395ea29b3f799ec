"""A step's log from a node that tells less at the end than it did on the way."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.engines.job import log_copy
from pipelines.engines.job.log_copy import LogCopy


class Node:
    """Tells the last line to who follows, a moment late and unless it is asked again before; to nobody else, who come too late."""

    def __init__(self) -> None:
        self.asked_again = threading.Event()

    def log_lines(self, pod: str, follow: bool = True) -> Iterator[str]:
        if not follow:
            self.asked_again.set()
            return
        yield "hello"
        if not self.asked_again.wait(0.5):
            yield "the last line"


def test_what_only_the_follower_was_told_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_copy, "_LAST_LINES_SECONDS", 60.0)
    path = tmp_path / "step.log"
    path.write_text("an earlier attempt\n")
    copy = LogCopy(Node(), "x", path)
    copy.follow()
    assert copy.whole() == "hello\nthe last line\n"
    assert path.read_text() == "an earlier attempt\nhello\nthe last line\n"
