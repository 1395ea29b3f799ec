"""Fitted estimators as bytes: skops, made canonical, so that equal estimators are equal bytes in every process.

skops itself writes object ids, sets in hash order, the time of day, and numpy's uninitialised padding between the fields of tree nodes.
"""

import io
import json
import zipfile
from collections.abc import Iterator
from functools import cache

import numpy as np
from sklearn.base import BaseEstimator

from journey.errors import Untrusted

TRUSTED = (
    "journey.model.transformers.CastFloat",
    "journey.model.transformers.Impute",
    "journey.model.transformers.OneHot",
    "journey.model.transformers.Scale",
    "journey.model.transformers.TargetOrder",
    "journey.model.transformers.ToDouble",
    "journey.model.transformers.Winsorize",
    "numpy.dtype",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
)
"""Types beyond skops' own list that may be made from bytes. Tree and TreePredictor hold raw arrays: check the digest before loading."""

_SCHEMA = "schema.json"
_NEVER_SHARED = "JsonNode"             # loaded by value: its id names an object that was gone before the next one came
_EPOCH = (1980, 1, 1, 0, 0, 0)         # the earliest time that a zip file can hold
_FILE_MODE = 0o644 << 16
_UNIX = 3


def dumps(estimator: BaseEstimator) -> bytes:
    """The estimator as canonical skops.

    Raises:
        Untrusted: it holds a type that `loads` would refuse.
    """
    import skops.io

    content: bytes = skops.io.dumps(estimator)
    _refuse_untrusted(content)
    with zipfile.ZipFile(io.BytesIO(content)) as source:
        canonical = _Canonical()
        schema = canonical.of(json.loads(source.read(_SCHEMA)))
        files = [(_SCHEMA, json.dumps(schema, separators=(",", ":")).encode())]
        files += [(new, _without_padding(source.read(old)) if new.endswith(".npy") else source.read(old)) for old, new in canonical.files()]
    return _zipped(files)


def loads(content: bytes) -> BaseEstimator:
    """The estimator that `dumps` wrote. Verify the bytes' digest first.

    Raises:
        Untrusted: the bytes are no skops, or hold a type that isn't trusted.
    """
    import skops.io

    try:
        _refuse_untrusted(content)
        return skops.io.loads(content, trusted=list(TRUSTED))
    except Untrusted:
        raise
    except Exception as error:
        raise Untrusted(f"model.skops: expected a model as skops, found something that can't be loaded: {error}") from error


def _refuse_untrusted(content: bytes) -> None:
    import skops.io

    unknown = sorted(set(skops.io.get_untrusted_types(data=content)) - set(TRUSTED))
    if unknown:
        raise Untrusted(
            f"model: expected types of scikit-learn, numpy and journey, found {', '.join(unknown)}. "
            "Build the candidate from scikit-learn's own estimators: a model is loaded where the project's code is not."
        )


class _Canonical:
    """Writes a skops schema anew: ids and files numbered as they are met, sets sorted."""

    def __init__(self) -> None:
        self._ids: dict[int, int] = {}
        self._files: dict[str, str] = {}
        self._count = 0

    def of(self, value: object) -> object:
        """The canonical form of one value of the schema."""
        if isinstance(value, list):
            return [self.of(inner) for inner in value]
        if not isinstance(value, dict):
            return value
        loader = value.get("__loader__")
        if loader is None:
            return {key: self.of(inner) for key, inner in value.items()}
        if loader == "SetNode":
            value = {**value, "content": sorted(value["content"], key=_text_without_names)}
        return {key: self._named(key, inner, shared=loader != _NEVER_SHARED) for key, inner in value.items()}

    def files(self) -> Iterator[tuple[str, str]]:
        """Old and new names of the files that the schema speaks of, in the order of the new ones."""
        yield from self._files.items()

    def _named(self, key: str, value: object, *, shared: bool) -> object:
        if key == "__id__" and isinstance(value, int):
            return self._number(value, shared=shared)
        if key == "file" and isinstance(value, str):
            return self._files.setdefault(value, f"{len(self._files)}{value[value.rindex('.') :]}")
        return self.of(value)

    def _number(self, old: int, *, shared: bool) -> int:
        if shared and old in self._ids:
            return self._ids[old]
        self._count += 1
        if shared:
            self._ids[old] = self._count
        return self._count


def _text_without_names(value: object) -> str:
    return json.dumps(_without_names(value), sort_keys=True)


def _without_names(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_names(inner) for key, inner in value.items() if key not in {"__id__", "file"}}
    return [_without_names(inner) for inner in value] if isinstance(value, list) else value


def _without_padding(npy: bytes) -> bytes:
    """An .npy file with the bytes between the fields of its records set to zero."""
    header = io.BytesIO(npy)
    version = np.lib.format.read_magic(header)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    _, _, record = read(header)
    if record.fields is None:
        return npy
    start = header.tell()
    used = _bytes_used(record)
    body = np.frombuffer(npy, np.uint8, offset=start).reshape(-1, record.itemsize) * used
    return npy[:start] + body.tobytes()


@cache
def _bytes_used(record: np.dtype[np.void]) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """For each byte of a record 1 where a field lies, else 0."""
    used = np.zeros(record.itemsize, np.uint8)
    for kind, offset, *_ in (record.fields or {}).values():
        used[offset : offset + kind.itemsize] = 1
    return used


def _zipped(files: list[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as target:
        for name, content in files:
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = _FILE_MODE
            entry.create_system = _UNIX
            target.writestr(entry, content)
    return buffer.getvalue()
