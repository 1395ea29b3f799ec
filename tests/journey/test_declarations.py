"""features.py, request_features.py and models.py: what they declare, and how their mistakes are told."""

import math
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from journey.declarations import load_candidates, load_declarations, load_request_features
from journey.errors import ProjectError

FEATURES = """
import ibis
import pandas as pd
from journey import feature_view, label

@feature_view(entity="card", time="paid_at", ttl="7d", defaults={"payments": 0})
def history(payments: ibis.Table, cards: ibis.Table) -> ibis.Table:
    return payments.join(cards, "card_id")

@label
def disputed(payments: pd.DataFrame) -> pd.DataFrame:
    return payments.assign(disputed=payments.amount > 10)

def helper(payments):
    return payments
"""


def written(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text)
    return folder


def request_features(text: str):
    return load_request_features(text.encode())


def test_views_and_labels_are_found_in_order_with_their_tables(tmp_path):
    declared = load_declarations(written(tmp_path, "features.py", FEATURES))
    (view,), (label,) = declared.views, declared.labels
    assert (view.name, view.entity, view.time, view.ttl, view.defaults) == (
        "history",
        "card",
        "paid_at",
        timedelta(days=7),
        {"payments": 0},
    )
    assert view.compute.tables == ("payments", "cards")
    assert view.compute.frames == frozenset()
    assert (label.name, label.compute.frames) == ("disputed", frozenset({"payments"}))


def test_a_function_of_frames_is_given_frames_and_gives_a_table(tmp_path):
    import ibis

    (label,) = load_declarations(written(tmp_path, "features.py", FEATURES)).labels
    table = label.compute({"payments": ibis.memtable({"amount": [1, 20]})})
    assert table.to_pyarrow().column("disputed").to_pylist() == [False, True]


def test_a_project_without_python_files_declares_nothing(tmp_path):
    assert load_declarations(tmp_path).views == ()
    assert load_candidates(tmp_path) == ()
    assert load_request_features(tmp_path / "request_features.py") == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import nowhere_to_be_found\n", r"features.py, line 1: .*nowhere_to_be_found"),
        ("x = 1\ny = x / 0\n", r"features.py, line 2: .*ZeroDivisionError: division by zero"),
        ("def f(:\n", r"features.py, line 1: .*SyntaxError"),
        (
            "from journey import feature_view\n@feature_view(entity='card', time='t', ttl='7 days')\ndef v(a): ...\n",
            r"ttl: expected a duration",
        ),
        ("from journey import label\n@label\ndef y(*a): ...\n", r"line 2, in y: expected arguments that are names of tables"),
        ("from journey import label\n@label\ndef y(): ...\n", r"expected arguments that are names of tables"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_with_its_line(tmp_path, text, told):
    with pytest.raises(ProjectError, match=told):
        load_declarations(written(tmp_path, "features.py", text))


def test_a_view_that_raises_names_file_line_and_function(tmp_path):
    text = (
        "from journey import feature_view\n@feature_view(entity='card', time='t')\ndef v(a):\n    inner(a)\n"
        "def inner(a):\n    raise KeyError('amount')\n"
    )
    (view,) = load_declarations(written(tmp_path, "features.py", text)).views
    with pytest.raises(ProjectError, match=r"features.py, line 6, in v: .*KeyError: 'amount'"):
        view.compute({"a": object()})
    with pytest.raises(ProjectError, match=r"named after the project's tables \(b\), found 'a'"):
        view.compute({"b": object()})


def test_a_view_that_returns_no_table_is_told(tmp_path):
    text = "from journey import label\n@label\ndef y(a):\n    return 3\n"
    (label,) = load_declarations(written(tmp_path, "features.py", text)).labels
    with pytest.raises(ProjectError, match=r"in y: expected it to return a table .* found int"):
        label.compute({"a": object()})


def test_a_candidate_is_built_with_task_and_seed_and_may_be_tuned(tmp_path):
    text = (
        "from journey import candidate\nfrom sklearn.linear_model import Ridge\n"
        "@candidate(tunes={'alpha': (0.1, 10, 'log')})\ndef ridge(task, seed):\n    return Ridge(random_state=seed)\n"
        "@candidate\ndef nothing(task, seed):\n    return 1\n"
    )
    ridge, nothing = load_candidates(written(tmp_path, "models.py", text))
    assert ridge("regression", 5).random_state == 5
    assert ridge.tunes == {"alpha": (0.1, 10, "log")}
    with pytest.raises(ProjectError, match="in nothing: expected an unfitted scikit-learn estimator, found int"):
        nothing("regression", 5)


@pytest.mark.parametrize("space", ["(1,)", "(3, 1)", "[]", "('a', 'b')", "(1, 2, 'linear')"])
def test_a_search_space_that_is_none_is_refused(tmp_path, space):
    text = f"from journey import candidate\n@candidate(tunes={{'alpha': {space}}})\ndef ridge(task, seed): ...\n"
    with pytest.raises(ProjectError, match=r"in ridge: tunes.alpha: expected \(low, high\)"):
        load_candidates(written(tmp_path, "models.py", text))


def test_a_candidate_without_task_and_seed_is_refused(tmp_path):
    text = "from journey import candidate\n@candidate()\ndef ridge(task): ...\n"
    with pytest.raises(ProjectError, match="in ridge: expected the arguments task and seed"):
        load_candidates(written(tmp_path, "models.py", text))


def test_public_functions_are_request_features_and_their_annotations_the_types():
    functions = request_features(
        "from __future__ import annotations\nfrom math import log\nfrom datetime import datetime\n"
        "def hour(paid_at: datetime) -> int:\n    return paid_at.hour\n"
        "def size(amount: float, channel: str) -> str | None:\n    return channel if amount > 1 else None\n"
        "def _inner(amount):\n    return amount\n"
    )
    assert [(f.name, f.arguments, f.type) for f in functions] == [
        ("hour", ("paid_at",), "integer"),
        ("size", ("amount", "channel"), "category"),
    ]
    assert functions[0](datetime(2026, 1, 1, 7, tzinfo=UTC)) == 7
    assert functions[1](0.5, "online") is None


def test_a_function_is_not_called_with_a_missing_argument_and_nan_is_missing_at_both_ends():
    (ratio,) = request_features("def ratio(a: float, b: float) -> float:\n    return a if b > 0 else float('nan')\n")
    assert ratio(None, 1.0) is None
    assert ratio(1.0, math.nan) is None
    assert ratio(3.0, -1.0) is None
    assert ratio.over([[1, 2, None], [1.0, -1.0, 1.0]]) == [1.0, None, None]
    assert type(ratio(1, 1.0)) is float


def test_an_exception_names_function_line_and_row_but_no_value():
    (f,) = request_features("import math\ndef f(amount: float) -> float:\n    return math.log(amount)\n")
    with pytest.raises(ProjectError, match=r"request_features.py, line 3, in f: .*ValueError.* row 2 \(amount\)") as caught:
        f.over([[1.0, 2.0, -31337.0]])
    assert "31337" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("-> int:\n    return True", "expected an int within .* found bool"),
        ("-> int:\n    return 2**53 + 1", "expected an int within"),
        ("-> float:\n    return float('inf')", "expected a finite float"),
        ("-> bool:\n    return 1", "expected a bool"),
        ("-> str:\n    return 1.5", "expected a str"),
    ],
)
def test_what_is_returned_must_be_what_is_declared(body, told):
    (f,) = request_features(f"def f(a: int) {body}\n")
    with pytest.raises(ProjectError, match=told):
        f(1)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def f(a):\n    return 1\n", "in f: expected it to say '-> int'"),
        ("def f(a) -> list:\n    return []\n", "found 'list'"),
        ("def f(a) -> int | str:\n    return 1\n", "expected it to say"),
        ("async def f(a) -> int:\n    return 1\n", "expected it to say"),
        ("def f(a=1) -> int:\n    return 1\n", "none with a default"),
        ("def f() -> int:\n    return 1\n", "at least one"),
        ("import numpy\n", "line 1: expected imports of the standard library only, found 'numpy'"),
        ("def f(a) -> int:\n    from pandas.api import x\n", "line 2: expected imports of the standard library only, found 'pandas.api'"),
        ("from . import features\n", "expected imports of the standard library only"),
    ],
)
def test_what_cannot_be_a_request_feature_is_refused(text, told):
    with pytest.raises(ProjectError, match=told):
        request_features(text)


def test_importing_journey_needs_the_standard_library_only():
    code = (
        "import sys; import journey, journey.declarations; "
        "print([m for m in ('ibis', 'pandas', 'numpy', 'pydantic', 'feast') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
