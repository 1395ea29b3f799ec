"""The libraries that shape a bundle's bytes and its answers, by version."""

from importlib.metadata import PackageNotFoundError, version

SERVING = ("cryptography", "numpy", "onnxruntime", "pydantic")
"""What scoring needs where the engine is onnx."""

SKOPS = ("scikit-learn", "scipy", "skops", "threadpoolctl")
"""What scoring needs besides where the engine is skops."""

SHAPING = ("duckdb", "feast", "ibis-framework", "onnx", "optuna", "pandas", "pyarrow", "skl2onnx", "sqlglot")
"""What shaped the model besides."""


def pinned(*names: str) -> str:
    """`name==version` of installed packages, a line each, sorted; one that isn't installed is left out."""
    return "".join(f"{name}=={found}\n" for name in sorted(names) if (found := _installed(name)))


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
