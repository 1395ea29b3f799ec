"""Reading imports finds what a step can reach, and no more."""

from pathlib import Path

import pytest

from pipelines.closure import reachable, reachable_from_source
from pipelines.environment import Environment


@pytest.fixture
def root(tmp_path: Path) -> Path:
    files = {
        "a/__init__.py": "",
        "a/first.py": "def f():\n    from a import second\n    import numpy as np\n",
        "a/second.py": "from .third import X\nimport os, json\n",
        "a/third.py": "X = 1\n",
        "a/page.html": "<p>",
        "a/alone.py": "import pandas\n",
        "b.py": "import a.first\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_imports_inside_functions_and_relative_ones_are_followed(root):
    reach = reachable_from_source("def step():\n    from a.first import f\n", root)
    names = ("__init__.py", "first.py", "second.py", "third.py", "page.html")
    assert reach.files == {root / "a" / name for name in names}
    assert reach.libraries == {"numpy"}


def test_a_file_reaches_itself(root):
    assert root / "b.py" in reachable([root / "b.py"], root).files


def test_an_edit_is_seen(root):
    before = reachable([root / "b.py"], root)
    (root / "a" / "third.py").write_text("import duckdb\n")
    assert reachable([root / "b.py"], root).libraries == before.libraries | {"duckdb"}


def test_a_library_stands_for_those_that_it_requires(tmp_path):
    environment = Environment(tmp_path)
    names = {line.partition("==")[0] for line in environment.versions(["sklearn"])}
    assert {"scikit-learn", "numpy", "scipy", "joblib"} <= names
    assert "pandas" not in names
    assert Environment(tmp_path).versions(["sklearn"]) == environment.versions(["sklearn"]), "from what was kept"
