"""A fresh MLflow store by copying."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from journey.records.mlflow_store import ensure_store

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::PendingDeprecationWarning")


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the template that this machine has made once (migrating takes seconds), and a store made from it."""
    import mlflow

    folder = tmp_path_factory.mktemp("templates")
    ensure_store(folder / "first" / "mlflow.db")
    shutil.copyfile(folder / "first" / "mlflow.db", folder / f"mlflow-{mlflow.__version__}.db")
    return folder


def tables(path: Path) -> set[str]:
    with sqlite3.connect(path) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    connection.close()
    return names


def test_a_store_has_the_tables_of_mlflow(templates: Path) -> None:
    assert {"model_versions", "registered_model_aliases", "runs"} <= tables(templates / "first" / "mlflow.db")


def test_the_next_store_is_a_copy_of_the_one_template(templates: Path, tmp_path: Path) -> None:
    (template,) = templates.glob("*.db")
    with sqlite3.connect(template) as connection:
        connection.execute("CREATE TABLE mark_of_the_template (n)")
    connection.close()
    ensure_store(tmp_path / "mlflow.db", templates)
    assert "mark_of_the_template" in tables(tmp_path / "mlflow.db")
    assert sorted(path.name for path in templates.iterdir()) == ["first", template.name]


def test_a_store_that_is_there_is_left_alone(templates: Path, tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"mine")
    ensure_store(tmp_path / "mlflow.db", templates)
    assert (tmp_path / "mlflow.db").read_bytes() == b"mine"
