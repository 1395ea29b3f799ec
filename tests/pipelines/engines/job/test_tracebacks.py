import subprocess
import sys

import pytest

from pipelines.engines.job.tracebacks import _START, raised
from pipelines.engines.runner import Told


def log_of(program: str) -> str:
    """What Python itself writes."""
    ended = subprocess.run([sys.executable, "-u", "-c", program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert ended.returncode == 1
    return ended.stdout


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("print('before'); 1 / 0", Told("builtins.ZeroDivisionError", "division by zero", 1)),
        ("raise ValueError", Told("builtins.ValueError", "", 1)),
        ("raise ValueError('a: b\\n\\n  c')", Told("builtins.ValueError", "a: b\n\n  c", 1)),
        ("from journey.errors import DataError\nraise DataError('column x')", Told("journey.errors.DataError", "column x", 1)),
        ("from journey.errors import GateFailed\nraise GateFailed('too weak')", Told("journey.errors.GateFailed", "too weak", 3)),
        ("import json\njson.loads('?')", Told("json.decoder.JSONDecodeError", "Expecting value: line 1 column 1 (char 0)", 1)),
        ("try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise KeyError('k') from e", Told("builtins.KeyError", "'k'", 1)),
        ("def f(n): f(n + 1)\nf(0)", Told("builtins.RecursionError", "maximum recursion depth exceeded", 1)),
    ],
)
def test_the_exception_is_read_as_python_writes_it(program: str, told: Told) -> None:
    assert raised(log_of(program)) == told


def test_the_last_of_several_tracebacks_is_the_one_that_ended_it() -> None:
    handled = "import traceback\ntry:\n    1 / 0\nexcept ZeroDivisionError:\n    traceback.print_exc()\nraise OSError('disk full')"

    assert raised(log_of(handled)) == Told("builtins.OSError", "disk full", 1)


@pytest.mark.parametrize("log", ["", "all went well\n", "it said Traceback (most recent call last):\n", f"{_START}\n"])
def test_a_log_without_a_traceback_tells_of_no_exception(log: str) -> None:
    assert raised(log) is None


def test_an_exception_of_the_projects_own_asks_for_no_exit_code_of_ours() -> None:
    log = "Traceback (most recent call last):\n  File x\njourney.nothing.Mine: no\n"

    assert raised(log) == Told("journey.nothing.Mine", "no", 1)
