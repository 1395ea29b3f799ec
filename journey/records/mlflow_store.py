"""A fresh MLflow store by copying one that is migrated already: MLflow migrates a new database for seconds."""

import os
import shutil
import tempfile
from pathlib import Path

from journey.telemetry import switch_off

TEMPLATES = Path(".cache", "journey")        # under the user's home, as caches are


def ensure_store(path: Path, templates: Path | None = None) -> None:
    """Makes the MLflow database if there is none; of several processes that come first at once, one makes it.

    Args:
        path: of mlflow.db; parents are made.
        templates: where migrated databases are kept, by MLflow's version; by default in the user's cache.
    """
    switch_off()
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    template = _template(templates or Path.home() / TEMPLATES)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".making-") as scratch:
        made = Path(scratch, "mlflow.db")
        if template is None:
            _migrate(made)
        else:
            shutil.copyfile(template, made)
        _put_if_absent(made, path)


def _template(folder: Path) -> Path | None:
    """The migrated database of this MLflow's version; None where nothing can be kept."""
    import mlflow

    template = folder / f"mlflow-{mlflow.__version__}.db"
    if template.exists():
        return template
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".making-") as scratch:
            made = Path(scratch, "mlflow.db")
            _migrate(made)
            _put_if_absent(made, template)
    except OSError:                                # no home that can be written to: the store is migrated in its place
        return None
    return template


def _migrate(path: Path) -> None:
    from mlflow.store.db.utils import _initialize_tables, create_sqlalchemy_engine_with_retry

    engine = create_sqlalchemy_engine_with_retry(f"sqlite:///{path}")
    _initialize_tables(engine)
    engine.dispose()


def _put_if_absent(made: Path, path: Path) -> None:
    """Shows the finished file under its name, unless another process was first."""
    try:
        os.link(made, path)
    except FileExistsError:
        return
