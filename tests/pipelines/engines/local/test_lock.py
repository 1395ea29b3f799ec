"""A home has one holder at a time."""

import threading
import time

import pytest

from journey.errors import Unavailable
from pipelines.engines.local.lock import Busy, held


def test_a_held_home_is_refused_with_its_holder_named(home):
    expected = pytest.raises(Busy, match=r"found run first of process \d+, there since .*--wait")
    with held(home, "first", wait=False), expected, held(home, "second", wait=False):
        pass


def test_whoever_waits_gets_it_next(home):
    order = []

    def second():
        with held(home, "second", wait=True):
            order.append("second")

    with held(home, "first", wait=False):
        waiting = threading.Thread(target=second)
        waiting.start()
        time.sleep(0.3)
        order.append("first")
    waiting.join(60)
    assert order == ["first", "second"]


def test_a_file_left_behind_holds_nothing(home):
    home.mkdir()
    (home / "run.lock").write_text('{"run": "dead", "process": 1, "since": "long ago"}')
    with held(home, "next", wait=False):
        pass


def test_a_home_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    expected = pytest.raises(Unavailable, match=r"expected a folder that can be made and written to, found: .*file")
    with expected, held(tmp_path / "file" / "home", "run", wait=False):
        pass
