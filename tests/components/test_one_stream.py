"""What a process in a step's pod writes, in the order in which it wrote it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from components import one_stream

WRITES = """
import os, subprocess, sys
for n in range(500):
    print(n, file=sys.stderr if n % 3 else sys.stdout)
os.system("echo 500 >&2")
own = subprocess.run([sys.executable, "-c", "import sys; sys.stderr.write('x')"], capture_output=True)
assert (own.stdout, own.stderr) == (b"", b"x"), "who asks for two streams gets two"
raise OSError("501")
"""


@pytest.mark.parametrize("asked", [True, False], ids=["in a step's pod", "elsewhere"])
def test_a_steps_lines_and_its_traceback_come_in_their_order_over_one_stream(tmp_path: Path, asked: bool) -> None:
    shutil.copy(one_stream.__file__, tmp_path / "sitecustomize.py")
    wanted = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path), "PYTHONUNBUFFERED": "1", one_stream.VARIABLE: "1" if asked else ""}
    ended = subprocess.run([sys.executable, "-c", WRITES], env=wanted, capture_output=True, text=True, check=False)
    lines = ended.stdout.splitlines()
    assert ended.returncode == 1
    assert (lines[:501] == [str(n) for n in range(501)]) is asked
    assert (ended.stderr == "") is asked
    assert (lines[-1] == "OSError: 501") is asked
