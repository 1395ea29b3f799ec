"""What the fork servers load ahead of the steps, which import late: each library once a phase instead of once a step."""

from journey.project import Project

_TABLES = ("pyarrow.parquet", "pyarrow.dataset")
_DATA = (*_TABLES, "duckdb", "ibis.backends.duckdb", "ibis.backends.duckdb.converter")       # the last drags pandas in
_MODELS = (*_TABLES, "sklearn.ensemble", "sklearn.linear_model", "sklearn.pipeline", "skops.io", "optuna")
_RELEASE = (*_DATA, "sklearn.ensemble", "skops.io", "skl2onnx", "onnxruntime", "mlflow.pyfunc", "mlflow.store.tracking.sqlalchemy_store")


def libraries_of(project: Project) -> dict[str, tuple[str, ...]]:
    """For each phase the libraries that its steps use in this project; Feast only where there are entities."""
    features = (*_DATA, "feast") if project.entities else _DATA
    return {"data": _DATA, "features": features, "models": _MODELS, "release": _RELEASE}
