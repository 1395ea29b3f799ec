"""The server in an environment made from its own lock: nothing that only training needs may be imported."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "serving" / "requirements.txt"
ABSENT = ("duckdb", "feast", "ibis", "kfp", "mlflow", "onnx", "pandas", "pyarrow", "sklearn", "skl2onnx", "skops", "yaml")


@pytest.fixture(scope="module")
def python() -> str:
    """The interpreter of `.venv-serving`, made again when the lock or the Python changes."""
    folder = ROOT / ".venv-serving"
    made, wanted = folder / ".made", hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()
    if not made.is_file() or made.read_text() != wanted:
        uv = shutil.which("uv", path=Path(sys.executable).parent)
        if uv is None:
            pytest.skip("the environment of the tests has no uv to make the server's environment with")
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder], check=True)
        install = [uv, "pip", "install", "--quiet", "--python", folder / "bin" / "python", "--require-hashes", "-r", LOCK]
        done = subprocess.run(install, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"the server's packages can't be fetched here: {done.stderr.strip()[-300:]}")
        made.write_text(wanted)
    return str(folder / "bin" / "python")


def test_the_server_answers_in_the_environment_of_its_own_lock(home, serve, python, tiny):
    home.promote(home.register())
    server = serve("--feedback", python=python)
    assert server.ready, server.text()
    answer = server.post({"jsonData": {"rows": [{"amount": "1.5", "channel": "Phone"}]}})
    assert answer.json()["data"]["ndarray"][0][1] == pytest.approx(tiny(1.5, "phone", 1))
    assert server.get("/metrics").status_code == 200
    assert server.stop() == 0


def test_that_environment_has_nothing_that_only_training_needs(python):
    asked = f"import importlib.util as u; print([n for n in {ABSENT!r} if u.find_spec(n)])"
    assert subprocess.run([python, "-c", asked], capture_output=True, text=True, check=True).stdout.strip() == "[]"
